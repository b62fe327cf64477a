"""The routes of the control API about what happens now."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from unixsvc.orchestrator.inspection.interfaces import (
    EndedList,
    IInspector,
    MemoryResult,
    ProfileResult,
    RequestList,
)
from unixsvc.routing.route import GET, POST, Group
from unixsvc.service.inspection.model import Cancellation

__all__ = ["INSPECTION", "MEASUREMENTS", "InspectionControl", "MeasurementControl"]


class InspectionControl:
    """The controller."""

    def __init__(self, inspector: IInspector) -> None:
        self._inspector = inspector

    async def requests(self, service: str = "") -> RequestList:
        """The requests in flight, the oldest first, of all services or of one."""
        return await self._inspector.requests(service)

    async def slowest(self, service: str = "") -> EndedList:
        """The slowest requests of the last five minutes, the slowest first."""
        return await self._inspector.ended("slowest", service)

    async def failed(self, service: str = "") -> EndedList:
        """The requests of the last five minutes with a code of 500 or more, the latest first."""
        return await self._inspector.ended("failed", service)

    async def cancel(self, id: Annotated[str, Meta(min_length=1)], service: str = "") -> Cancellation:
        """Cancel the requests with this id, or with the only id that begins so; their callers get 499."""
        return await self._inspector.cancel(id, service)


_Seconds = Annotated[float, Meta(gt=0, le=300)]


class MeasurementControl:
    """The controller of measurements, which take time and cost the workers some."""

    def __init__(self, inspector: IInspector) -> None:
        self._inspector = inspector

    async def profile(self, service: str, seconds: _Seconds = 10.0, pid: int | None = None) -> ProfileResult:
        """The processor time of the workers of a service by stack, or of one of them."""
        return await self._inspector.profile(service, seconds, pid)

    async def memory(self, service: str, seconds: _Seconds = 10.0, pid: int | None = None) -> MemoryResult:
        """The memory of the workers of a service, or of one of them."""
        return await self._inspector.memory(service, seconds, pid)


MEASUREMENTS = Group(
    "",
    MeasurementControl,
    [
        POST("/profile", MeasurementControl.profile, title="Profile of the workers of a service"),
        POST("/memory", MeasurementControl.memory, title="Memory of the workers of a service"),
    ],
)
INSPECTION = Group(
    "/requests",
    InspectionControl,
    [
        GET("", InspectionControl.requests, title="Requests in flight"),
        GET("/slowest", InspectionControl.slowest, title="Slowest requests"),
        GET("/failed", InspectionControl.failed, title="Failed requests"),
        POST("/cancel", InspectionControl.cancel, title="Cancel requests in flight"),
    ],
)

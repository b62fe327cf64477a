"""The routes of the control API about what happens now."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from unixsvc.orchestrator.inspection.interfaces import IInspector, RequestList
from unixsvc.routing.route import GET, POST, Group
from unixsvc.service.inspection.model import Cancellation

__all__ = ["INSPECTION", "InspectionControl"]


class InspectionControl:
    """The controller."""

    def __init__(self, inspector: IInspector) -> None:
        self._inspector = inspector

    async def requests(self, service: str = "") -> RequestList:
        """The requests in flight, the oldest first, of all services or of one."""
        return await self._inspector.requests(service)

    async def cancel(self, id: Annotated[str, Meta(min_length=1)], service: str = "") -> Cancellation:
        """Cancel the requests with this id, or with the only id that begins so; their callers get 499."""
        return await self._inspector.cancel(id, service)


INSPECTION = Group(
    "/requests",
    InspectionControl,
    [
        GET("", InspectionControl.requests, title="Requests in flight"),
        POST("/cancel", InspectionControl.cancel, title="Cancel requests in flight"),
    ],
)

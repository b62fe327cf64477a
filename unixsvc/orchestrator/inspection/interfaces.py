"""The interface of what asks workers, and what it tells."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Literal

from msgspec import Struct
from zope.interface import Interface

from unixsvc.domain.notable import NotedRequest
from unixsvc.service.inspection.model import Cancellation, MemoryUse, RequestInFlight

__all__ = [
    "EndedList",
    "EndedRequest",
    "IInspector",
    "ListedRequest",
    "MemoryResult",
    "ProfileResult",
    "RequestList",
    "SilentWorker",
    "WorkerMemory",
]


class ListedRequest(RequestInFlight, frozen=True):
    """A request in flight, with its worker.

    :ivar pid: of the worker; that of the orchestrator for an inline service.
    """

    service: str = ""
    pid: int | None = None


class SilentWorker(Struct, frozen=True):
    """A worker that has not answered.

    :ivar problem: why, as ``no answer within 1 s``: its event loop may be blocked.
    """

    service: str
    pid: int | None
    problem: str


class RequestList(Struct, frozen=True):
    """The requests in flight.

    :ivar requests: the oldest first.
    :ivar silent: workers whose requests are not known.
    """

    requests: list[ListedRequest]
    silent: list[SilentWorker]


class EndedRequest(NotedRequest, frozen=True):
    """A request that has ended, with its worker."""

    service: str = ""
    pid: int | None = None


class EndedList(Struct, frozen=True):
    """Requests that have ended.

    :ivar silent: workers whose requests are not known.
    """

    requests: list[EndedRequest]
    silent: list[SilentWorker]


class ProfileResult(Struct, frozen=True):
    """The profile of one or more workers together.

    :ivar stacks: as of :class:`~unixsvc.service.inspection.model.Profile`.
    :ivar pids: the workers.
    :ivar overhead: the processor time of taking the samples, in seconds.
    """

    seconds: float
    overhead: float
    pids: list[int]
    stacks: dict[str, float]
    silent: list[SilentWorker]


class WorkerMemory(MemoryUse, frozen=True):
    """The memory of one worker."""

    pid: int | None = None


class MemoryResult(Struct, frozen=True):
    """The memory of the workers of a service."""

    workers: list[WorkerMemory]
    silent: list[SilentWorker]


class IInspector(Interface):
    """Asks the workers of an orchestrator what they do.

    Each method raises :class:`unixsvc.errors.NotFound` if there is no such service.
    """

    def requests(service: str = "") -> Awaitable[RequestList]:
        """The requests in flight, of all services or of one."""

    def ended(topic: Literal["slowest", "failed"], service: str = "") -> Awaitable[EndedList]:
        """The slowest of the last minutes, the slowest first; or those that have failed, the latest first."""

    def profile(service: str, seconds: float, pid: int | None = None) -> Awaitable[ProfileResult]:
        """Take samples of the workers of a service, or of one of them.

        :raises unixsvc.errors.NotFound: if there is no such worker.
        """

    def memory(service: str, seconds: float, pid: int | None = None) -> Awaitable[MemoryResult]:
        """Watch the memory of the workers of a service, or of one of them.

        :raises unixsvc.errors.NotFound: if there is no such worker.
        """

    def cancel(request_id: str, service: str = "") -> Awaitable[Cancellation]:
        """Cancel the requests with an id, in all services or in one.

        :param request_id: the id or its beginning.
        :raises unixsvc.errors.NotFound: if there is none in flight.
        :raises unixsvc.errors.Conflict: if several ids begin so, or the routes shield all of them.
        """

"""A service with one action that waits."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from twisted.internet.task import Clock
from zope.interface import implementer

from unixsvc.domain.coroutine import SuspendedCoroutine
from unixsvc.domain.handle_message import HandleMessage
from unixsvc.domain.interfaces import IFailureLog, IGuard, IMetrics, IRouterDatasource, IRouterRepository
from unixsvc.domain.message import Caller, Reply, Request
from unixsvc.domain.route_series import UNCOUNTED, RouteSeries
from unixsvc.domain.stream import ReplyStream
from unixsvc.errors import ServiceError
from unixsvc.execution.action_driver import RunningAction

__all__ = ["Action", "Service"]

Action = Callable[[], Coroutine[Any, Any, Any]]


@implementer(IRouterRepository, IRouterDatasource, IGuard, IMetrics, IFailureLog)
class Service:
    """Runs one action as a service would.

    :ivar replies: the replies, in order.
    :ivar failures: the logged errors.
    """

    def __init__(self, action: Action) -> None:
        self.action = action
        self.clock = Clock()
        self.replies: list[Reply] = []
        self.failures: list[BaseException] = []
        self.aborted_codes: list[int] = []
        self.codes: list[int] = []
        self.handle_message = HandleMessage(self, self, self, self, max_inflight=9, request_timeout=30.0)

    def datasource_for(self, request: Request) -> IRouterDatasource:
        """Return this datasource."""
        datasource: IRouterDatasource = self
        return datasource

    async def handle(self, request: Request) -> Reply:
        """Reply with the result of the action."""
        return Reply(200, repr(await self.action()).encode())

    def admit(self, request: Request) -> None:
        """Admit every request."""

    no_route = UNCOUNTED

    def series(self, route: str) -> RouteSeries:
        """All routes are counted together."""
        return UNCOUNTED

    def recount(self, series: RouteSeries, caller: Caller, code: int) -> None:
        """No reply has a file."""

    def count(self, series: RouteSeries, caller: Caller, code: int, seconds: float) -> None:
        """Record the call."""
        self.codes.append(code)

    def failed(self, request: Request, error: BaseException) -> None:
        """Record the call."""
        self.failures.append(error)

    def internal(self, request: Request, error: ServiceError) -> None:
        """Record the call."""
        self.failures.append(error)

    def aborted(self, request: Request, code: int) -> None:
        """Record the call."""
        self.aborted_codes.append(code)

    def count_wrong_token(self) -> None:
        """No token is checked."""

    def wrong_token(self, request: Request) -> None:
        """No token is checked."""

    def start(self, seconds: float = 5.0) -> RunningAction:
        """Start the action, which must wait."""
        suspended = self.handle_message(Request("GET", "/"))
        assert isinstance(suspended, SuspendedCoroutine)
        return RunningAction(suspended, self.clock, seconds, self._told)

    def _told(self, reply: Reply | ReplyStream) -> None:
        assert isinstance(reply, Reply)
        self.replies.append(reply)

    @property
    def reply_codes(self) -> list[int]:
        """The codes of the replies."""
        return [each.code for each in self.replies]

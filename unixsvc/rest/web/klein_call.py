"""A request that is processed by a page: its result, its time-out, and its cancellation."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure
from twisted.web.server import Request as WebRequest

from unixsvc.domain.message import Request
from unixsvc.errors import Cancelled, DeadlineExceeded, Internal, ServiceError
from unixsvc.rest.encode import ResponseContext
from unixsvc.telemetry.limited_logger import LimitedLogger

if TYPE_CHECKING:
    from unixsvc.execution.in_flight.facts import CallFacts

__all__ = ["KleinCall"]

_log: Final = LimitedLogger(__name__)


class KleinCall:
    """A request that is processed by a Klein route.

    :param ended: called with the code and the size of the response.
    :ivar message: the request as the log knows it.
    :ivar intercepted: whether interceptors have been called.
    """

    __slots__ = (
        "_ended",
        "_result",
        "_route",
        "_seconds",
        "_timer",
        "context",
        "intercepted",
        "message",
        "request",
    )

    _result: Deferred[object]
    _seconds: float

    def __init__(
        self,
        request: WebRequest,
        message: Request,
        context: ResponseContext,
        ended: Callable[[int, int], None],
    ) -> None:
        self._ended = ended
        self.request = request
        self.message = message
        self.context = context
        self.intercepted = False
        self._route: Deferred[object] | None = None
        self._timer: IDelayedCall | None = None

    def follow(self, route: Deferred[object], reactor: IReactorTime, seconds: float) -> Deferred[object]:
        """The Deferred for Klein to wait for: the route's result, or the reason of :meth:`cancel`.

        :param seconds: the time until the route has to start its response.
        """
        self._route = route
        self._result = Deferred(self._cancelled)
        route.addBoth(self._returned)
        if not self._result.called:
            self._timer, self._seconds = reactor.callLater(seconds, self._timed_out), seconds
        return self._result

    def send_reply_headers(self) -> None:
        """Add the headers that the message has for the reply, as of limits."""
        headers = self.request.responseHeaders
        for name, value in self.message.take_reply_headers():
            headers.addRawHeader(name.encode("latin-1"), value.encode("latin-1"))

    def end(self, *, disconnected: bool) -> None:
        """Count the request.

        :param disconnected: whether the client has disconnected before the end of the response.
        """
        self._ended(Cancelled.code if disconnected else self.request.code, self.request.sentLength)

    def facts(self) -> CallFacts:
        """What is known of the request, for an operator."""
        # Late: few processes are ever asked.
        from unixsvc.execution.in_flight.facts import CallFacts, earliest

        began = None if self._timer is None else self._timer.getTime() - self._seconds
        return CallFacts("page", self.message, began=began, deadline=earliest(self._timer))

    def cancel(self, reason: ServiceError) -> None:
        """Cancel the route; ``reason`` is the response, whatever the route returns then."""
        route = self._route
        if route is not None and not self._result.called:
            self._stop_timer()
            self._result.errback(Failure(reason))
            route.cancel()

    def hidden(self, failure: Failure) -> Internal:
        """Log a BaseException, as asyncio's CancelledError or SystemExit: Klein does not handle them.

        :returns: the error in its place.
        """
        request_id = self.message.request_id
        _log.failure("{request!r} failed", failure, request=self.message, request_id=request_id)
        return Internal()

    def _timed_out(self) -> None:
        if not self.request.startedWriting:  # else it sends a stream
            self.cancel(DeadlineExceeded())

    def _cancelled(self, result: Deferred[object]) -> None:
        self._stop_timer()
        if self._route is not None:
            self._route.cancel()

    def _returned(self, result: object) -> None:
        self._stop_timer()
        if self._result.called:
            if isinstance(result, Failure) and not result.check(CancelledError):
                _log.failure("{request!r} failed after its response", result, request=self.message)
        elif isinstance(result, Failure) and not result.check(Exception):
            self._result.errback(Failure(self.hidden(result)))
        else:
            self._result.callback(result)  # with a Failure, the same as errback

    def _stop_timer(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

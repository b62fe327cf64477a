"""Handling of one request: authentication, limits, metrics and the error boundary."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from functools import partial
from math import floor
from typing import Final

import msgspec
from msgspec.structs import force_setattr
from zope.interface import implementer

from unixsvc.domain.coroutine import SuspendedCoroutine, start
from unixsvc.domain.interfaces import (
    IFailureLog,
    IGuard,
    IHandleMessage,
    IMetrics,
    IRequestLog,
    IRouterRepository,
)
from unixsvc.domain.latency_buckets import BUCKET_TABLE, LARGE, OFFSET, SHIFT, TABLE_SIZE, UNITS
from unixsvc.domain.message import Reply, Request, add_headers
from unixsvc.domain.notable import NotableRequests
from unixsvc.domain.path_prefix import BUILTIN_PREFIX, HEALTH_PATHS, PROBES
from unixsvc.domain.reply_head import ReplyHead, check_header
from unixsvc.domain.request_context import RequestSlot, current_slot, detach, enter_slot, leave_slot
from unixsvc.domain.route_info import RouteInfo
from unixsvc.domain.route_series import RouteSeries
from unixsvc.domain.sent_code import sent_code
from unixsvc.domain.stream import ReplyStream
from unixsvc.errors import Cancelled, DeadlineExceeded, Internal, ServiceError, Unavailable, WrongToken

__all__ = ["HandleMessage", "error_to_reply"]

_ABORTED: Final = (Cancelled.code, DeadlineExceeded.code)


def error_to_reply(error: ServiceError) -> Reply:
    """Return the error reply for an error; a 500 has no details, nor has what is internal."""
    detail = None if error.internal or error.code == Internal.code else error.detail
    head = ReplyHead(headers=error.headers) if error.headers else None
    return Reply(error.code, b"", error.message, detail, head=head)


def _record_nothing(request: Request, route: str, code: int, seconds: float, size: int) -> None:
    """Without a log."""


@implementer(IHandleMessage)
class HandleMessage:
    """Turns requests into replies, for every transport.

    :param repository: chooses the datasource of a request.
    :param guard: authenticates callers.
    :param metrics: counts replies.
    :param find_route: finds the route of a request that its transport answers itself.
    :param failures: logs the exceptions that peers must not see.
    :param max_inflight: the limit of pending requests; requests above it get 503.
    :param request_timeout: the time limit for a reply, in seconds.
    :param now: a monotonic clock, in seconds.
    :param keep_current: true if all that an action starts keeps the request context when the action has
        ended without waiting, which calls to other services need. It costs about 0.3 µs for each request.
    :param background: starts the background work of a request, after its reply; None to start none.
    :param notable: keeps the slowest and the failed requests; None for an object of its own.
    :param log: records the requests that have ended; None for no record.
    :ivar inflight: the number of pending requests.
    :ivar held_back: those of them that :meth:`hold_back` has made wait.
    """

    def __init__(
        self,
        repository: IRouterRepository,
        guard: IGuard,
        metrics: IMetrics,
        failures: IFailureLog,
        *,
        max_inflight: int,
        request_timeout: float,
        now: Callable[[], float] = time.perf_counter,
        keep_current: bool = False,
        background: Callable[[Request, list[Callable[[], object]]], object] | None = None,
        find_route: Callable[[Request], RouteInfo | None] = lambda request: None,
        notable: NotableRequests | None = None,
        log: IRequestLog | None = None,
    ) -> None:
        self._datasource_for = repository.datasource_for
        self._admit = guard.admit
        self._count = metrics.count
        self._no_route = metrics.no_route
        self._metrics = metrics
        self._count_wrong_token = metrics.count_wrong_token
        self._failures = failures
        self._max_inflight = self._unchecked_inflight = max_inflight
        self._wait_for_room: Callable[[], Awaitable[None]] | None = None
        self._request_timeout = request_timeout
        self._now = now
        self._keep_current = keep_current
        self._background = background
        self._find_route = find_route
        self._notable = NotableRequests() if notable is None else notable
        self._recorded_from: float = math.inf if log is None else log.least
        self._record = _record_nothing if log is None else log.record
        self.inflight = self.held_back = 0

    def seconds_for(self, request: Request) -> float:
        """Return the time limit for the reply, in seconds: the caller's or the service's, if less."""
        if request.timeout is None:
            return self._request_timeout
        return min(request.timeout, self._request_timeout)

    def age_of(self, started: float) -> float:
        """Return how long ago a request has started, in seconds.

        :param started: on the clock of this object.
        """
        return self._now() - started

    def hold_back(self, wait: Callable[[], Awaitable[None]] | None) -> None:
        """See :class:`unixsvc.IHandleMessage`."""
        self._wait_for_room = wait
        # The path of a request has one comparison for both limits.
        self._unchecked_inflight = self._max_inflight if wait is None else 0

    def make_room(self, requests: int) -> None:
        """Admit that many more requests, or fewer if it is negative: probes that wait take no place."""
        self._max_inflight += requests
        if self._wait_for_room is None:
            self._unchecked_inflight = self._max_inflight

    def track(self, request: Request) -> Callable[[int, int], None]:
        """See :class:`unixsvc.IHandleMessage`."""
        started = self._now()
        series = self._series_of(request)
        if self.inflight >= self._max_inflight:
            self._end(request, series, Unavailable.code, 0.0, 0)
            raise Unavailable
        self.inflight += 1

        def end(code: int, size: int) -> None:
            self.inflight -= 1
            self._end(request, series, code, self._now() - started, size)

        return end

    def refused(self, request: Request, code: int, size: int) -> None:
        """Count a request that its transport has refused before it was one for a route.

        :param size: of the response, without its head.
        """
        self._end(request, self._series_of(request), code, 0.0, size)

    def _series_of(self, request: Request) -> RouteSeries:
        route = self._find_route(request)
        return self._no_route if route is None else self._metrics.series(f"{route.method} {route.pattern}")

    def __call__(  # noqa: C901 # calls would cost more
        self, request: Request
    ) -> Reply | ReplyStream | SuspendedCoroutine[Reply | ReplyStream]:
        """Start to handle a request. Every error becomes a reply.

        A stream is counted when it ends, with the code of its final reply.
        """
        started = self._now()
        slot = current_slot()
        if slot.request is not None:
            slot = enter_slot(keep=self._keep_current)
        slot.request, slot.started, slot.seconds = request, started, self._request_timeout
        slot.series = self._no_route
        try:
            answer: Reply | Awaitable[Reply]
            if self.inflight >= self._unchecked_inflight and self._is_held_back(request):
                answer = self._handle_later(request)
            else:
                if not request.caller.admitted:
                    self._admit(request)
                if request.timeout is not None and request.timeout <= 0:
                    raise DeadlineExceeded
                answer = self._datasource_for(request).handle(request)
        # Error boundary: internal details never reach the peer. BaseException, because asyncio's
        # CancelledError and sys.exit() in an action must not leave the request without a reply.
        except BaseException as error:
            if slot.series is self._no_route and request.path in HEALTH_PATHS:
                slot.series = self._series_of(request)  # one that is refused is no failed request either
            answer = self._error_reply(request, error)
        if not isinstance(answer, Reply):
            self.inflight += 1
            return start(self._wait(request, started, slot, answer))
        if answer.items is not None:
            return self._stream(request, answer, answer.items, started, slot)
        if slot.kept:
            leave_slot(slot)
        else:
            slot.request = None
        code = answer.code if request.headers is None else self._sent_code(slot.series, request, answer)
        seconds = self._now() - started
        units, grant = floor(seconds * UNITS), request.caller.grant
        if units < LARGE and code == 200 and grant is not None:
            # What count() does with most requests, without the cost of its call.
            if units < TABLE_SIZE:
                slot.series[grant.name][BUCKET_TABLE[units]] += 1
            else:
                slot.series[grant.name][BUCKET_TABLE[units >> SHIFT] + OFFSET] += 1
        else:
            self._count(slot.series, request.caller, code, seconds)
        if seconds >= self._notable.slow_from or code >= 500:
            self._notable.note(request, slot.series.route, code, seconds)
        if code >= self._recorded_from:
            self._record(request, slot.series.route, code, seconds, len(answer.body))
        if request.extras is not None:
            answer = self._after_reply(request, answer)
        return answer

    def _end(
        self,
        request: Request,
        series: RouteSeries,
        code: int,
        seconds: float,
        size: int,
        *,
        lasting: bool = False,
    ) -> None:
        """Count and record a request that has ended."""
        self._count(series, request.caller, code, seconds)
        if (seconds >= self._notable.slow_from and not lasting) or code >= 500:
            self._notable.note(request, series.route, code, seconds, lasting=lasting)
        if code >= self._recorded_from:
            self._record(request, series.route, code, seconds, size)

    def _is_held_back(self, request: Request) -> bool:
        if self.inflight >= self._max_inflight and request.path not in PROBES:
            raise Unavailable
        if not request.caller.admitted:
            self._admit(request)
        return request.caller.grant is None and not request.path.startswith(f"{BUILTIN_PREFIX}/")

    async def _handle_later(self, request: Request) -> Reply:
        if self._wait_for_room is not None:
            self.held_back += 1
            try:
                await self._wait_for_room()
            finally:
                self.held_back -= 1
        answer = self._datasource_for(request).handle(request)
        return answer if isinstance(answer, Reply) else await answer

    async def _wait(
        self, request: Request, started: float, slot: RequestSlot, answer: Awaitable[Reply]
    ) -> Reply | ReplyStream:
        try:
            reply = await answer
            if reply.items is not None:
                return self._stream(request, reply, reply.items, started, slot)
        except GeneratorExit:  # the coroutine was closed
            raise
        except BaseException as error:  # error boundary, as above
            reply = self._error_reply(request, error)
        finally:
            self.inflight -= 1
        leave_slot(slot)
        code = reply.code if request.headers is None else self._sent_code(slot.series, request, reply)
        self._end(request, slot.series, code, self._now() - started, len(reply.body))
        if request.extras is not None:
            reply = self._after_reply(request, reply)
        return reply

    def _after_reply(self, request: Request, reply: Reply) -> Reply:
        """Start what the action wants done in the background; return the reply with its further headers."""
        work = request.take_work()
        if work and reply.code < 400 and self._background is not None:
            self._background(request, work)
        return add_headers(reply, request.reply_headers) if request.reply_headers else reply

    def _stream(
        self,
        request: Request,
        reply: Reply,
        items: AsyncGenerator[bytes, None],
        started: float,
        slot: RequestSlot,
    ) -> ReplyStream:
        self.inflight += 1
        seconds = None if request.timeout is None else request.timeout - (self._now() - started)
        status = sent_code(request, reply)
        on_end = partial(self._end_stream, request, started, slot.series, status)
        slot.seconds = math.inf  # only the caller limits the duration of a stream
        context = detach()
        return ReplyStream(
            items,
            on_end,
            seconds=seconds,
            item_seconds=self._request_timeout,
            context=context,
            head=reply.head,
            request=request,
        )

    def _end_stream(
        self,
        request: Request,
        started: float,
        series: RouteSeries,
        status: int,
        error: BaseException | None,
        size: int,
    ) -> Reply:
        self.inflight -= 1
        reply = Reply() if error is None else self._error_reply(request, error)
        code = status if error is None else reply.code
        self._end(request, series, code, self._now() - started, size, lasting=True)
        if request.extras is not None:
            with_headers = self._after_reply(request, reply)
            return reply if error is None else with_headers  # the headers of a stream come before its items
        return reply

    def _sent_code(self, series: RouteSeries, request: Request, reply: Reply) -> int:
        if reply.head is not None and reply.head.file is not None:
            # What is sent of a file depends on the conditions and ranges of the request.
            force_setattr(reply.head.file, "counted", partial(self._metrics.recount, series, request.caller))
        return sent_code(request, reply)

    def _error_reply(self, request: Request, error: BaseException) -> Reply:
        """Log the error if the peer must not see it, and return the reply."""
        if not isinstance(error, ServiceError) or error.code == Internal.code:
            self._failures.failed(request, error)
            return error_to_reply(error if isinstance(error, ServiceError) else Internal())
        try:
            msgspec.json.encode(error.detail)
            for name, value in error.headers:
                check_header(name, value)
        except Exception as encode_error:  # details and headers are the application's, and may be anything
            self._failures.failed(request, encode_error)
            return error_to_reply(Internal())
        if error.internal:
            self._failures.internal(request, error)
        if isinstance(error, WrongToken):
            self._count_wrong_token()
            self._failures.wrong_token(request)
        # A request whose time was over on arrival has not started: there is nothing to log.
        if error.code in _ABORTED and (request.timeout is None or request.timeout > 0):
            self._failures.aborted(request, error.code)
        return error_to_reply(error)

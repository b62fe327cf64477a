"""The use case: authentication, limits, figures, and the one place where failures become codes."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from functools import partial
from typing import Final

import msgspec
from zope.interface import implementer

from unixsvc.domain.coroutine import SuspendedCoroutine, start
from unixsvc.domain.interfaces import IFailureLog, IGuard, IHandleMessage, IMetrics, IRouterRepository
from unixsvc.domain.message import Reply, Request
from unixsvc.domain.request_context import RequestContext, current_request, detach, set_current_request
from unixsvc.domain.stream import ReplyStream
from unixsvc.errors import Cancelled, DeadlineExceeded, Internal, ServiceError, Unavailable

__all__ = ["HandleMessage", "error_to_reply"]

_GIVEN_UP: Final = (Cancelled.code, DeadlineExceeded.code)


def error_to_reply(error: ServiceError) -> Reply:
    """What a peer is told of a failure; of a 500, nothing but that."""
    detail = None if error.code == Internal.code else error.detail
    return Reply(error.code, b"", error.message, detail)


@implementer(IHandleMessage)
class HandleMessage:
    """Answers requests from wherever they come.

    :param repository: knows who answers which request.
    :param guard: decides who may ask.
    :param stats: counts the replies.
    :param failures: is told what an action raised and a peer must not see.
    :param max_inflight: how many requests may be unanswered at a time; further ones get 503.
    :param request_timeout: how long an answer may take, in seconds.
    :param now: a clock that only ever goes forward, in seconds.
    :param keep_current: whether actions are to find out for which request they run, as those must that ask
        other services. It costs each request some 0.3 µs.
    """

    def __init__(
        self,
        repository: IRouterRepository,
        guard: IGuard,
        stats: IMetrics,
        failures: IFailureLog,
        *,
        max_inflight: int,
        request_timeout: float,
        now: Callable[[], float] = time.perf_counter,
        keep_current: bool = False,
    ) -> None:
        self._datasource_for = repository.datasource_for
        self._admit = guard.admit
        self._count = stats.count
        self._failures = failures
        self._max_inflight = max_inflight
        self._request_timeout = request_timeout
        self._now = now
        self._keep_current = keep_current
        self.inflight = 0

    def seconds_for(self, request: Request) -> float:
        """How long the answer may take: the caller's limit or ours, whichever is less."""
        if request.timeout is None:
            return self._request_timeout
        return min(request.timeout, self._request_timeout)

    def __call__(self, request: Request) -> Reply | ReplyStream | SuspendedCoroutine[Reply | ReplyStream]:
        """Begin to answer a request; whatever goes wrong is a reply too.

        A stream is counted when it has ended, with the code of its end.
        """
        started = self._now()
        outer = self._enter(request, started) if self._keep_current else None
        try:
            if self.inflight >= self._max_inflight:
                raise Unavailable
            if not request.caller.trusted:
                self._admit(request)
            if request.timeout is not None and request.timeout <= 0:
                raise DeadlineExceeded
            answer = self._datasource_for(request).handle(request)
        # The border: past it, a peer learns nothing of our insides. What is no Exception, as asyncio's
        # CancelledError or an action's sys.exit(), must not leave a request unanswered either.
        except BaseException as error:
            answer = self._told(request, error)
        if not isinstance(answer, Reply):
            self.inflight += 1
            return start(self._wait(request, started, outer, answer))
        if answer.items is not None:
            return self._stream(request, answer.items, started)
        if self._keep_current:
            set_current_request(outer)
        self._count(answer.code, self._now() - started)
        return answer

    async def _wait(
        self, request: Request, started: float, outer: RequestContext | None, answer: Awaitable[Reply]
    ) -> Reply | ReplyStream:
        try:
            reply = await answer
            if reply.items is not None:
                return self._stream(request, reply.items, started)
        except GeneratorExit:  # nobody waits any more
            raise
        except BaseException as error:  # the border, as above
            reply = self._told(request, error)
        finally:
            self.inflight -= 1
        if self._keep_current:
            set_current_request(outer)
        self._count(reply.code, self._now() - started)
        return reply

    def _enter(self, request: Request, started: float) -> RequestContext | None:
        outer = current_request()
        set_current_request((request, started + self.seconds_for(request)))
        return outer

    def _stream(self, request: Request, items: AsyncGenerator[bytes, None], started: float) -> ReplyStream:
        self.inflight += 1
        seconds = None if request.timeout is None else request.timeout - (self._now() - started)
        ended = partial(self._ended, request, started)
        if self._keep_current:  # a stream takes as long as the caller likes
            set_current_request(
                (request, started + (math.inf if request.timeout is None else request.timeout))
            )
        return ReplyStream(
            items, ended, seconds=seconds, item_seconds=self._request_timeout, context=detach()
        )

    def _ended(self, request: Request, started: float, error: BaseException | None) -> Reply:
        self.inflight -= 1
        reply = Reply() if error is None else self._told(request, error)
        self._count(reply.code, self._now() - started)
        return reply

    def _told(self, request: Request, error: BaseException) -> Reply:
        if not isinstance(error, ServiceError) or error.code == Internal.code:
            self._failures.failed(request, error)
            return error_to_reply(error if isinstance(error, ServiceError) else Internal())
        try:
            msgspec.json.encode(error.detail)
        except Exception as unspeakable:  # it can be anything that an application came by
            self._failures.failed(request, unspeakable)
            return error_to_reply(Internal())
        if error.code in _GIVEN_UP and (request.timeout is None or request.timeout > 0):  # else never begun
            self._failures.aborted(request, error.code)
        return error_to_reply(error)

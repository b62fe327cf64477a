"""The use case: authentication, limits, figures, and the one place where failures become codes."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec
from zope.interface import implementer

from unixsvc.domain.interfaces import IFailureLog, IFigures, IGuard, IHandleMessage, IRouterRepository
from unixsvc.domain.message import Reply, Request
from unixsvc.errors import DeadlineExceeded, Internal, ServiceError, Unavailable

__all__ = ["HandleMessage", "reply_for"]


def reply_for(error: ServiceError) -> Reply:
    """What a peer is told of a failure; of a 500, nothing but that."""
    detail = None if error.code == Internal.code else error.detail
    return Reply(error.code, b"", error.message, detail)


@implementer(IHandleMessage)
class HandleMessage:
    """Answers requests from wherever they come.

    :param repository: knows who answers which request.
    :param guard: decides who may ask.
    :param figures: counts the replies.
    :param failures: is told what an action raised and a peer must not see.
    :param max_inflight: how many requests may be unanswered at a time; further ones get 503.
    :param request_timeout: how long an answer may take, in seconds.
    :param now: a clock that only ever goes forward, in seconds.
    """

    def __init__(
        self,
        repository: IRouterRepository,
        guard: IGuard,
        figures: IFigures,
        failures: IFailureLog,
        *,
        max_inflight: int,
        request_timeout: float,
        now: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._datasource_for = repository.datasource_for
        self._admit = guard.admit
        self._count = figures.count
        self._failures = failures
        self._max_inflight = max_inflight
        self._request_timeout = request_timeout
        self._now = now
        self.inflight = 0

    def seconds_for(self, request: Request) -> float:
        """How long the answer may take: the caller's limit or ours, whichever is less."""
        if request.timeout is None:
            return self._request_timeout
        return min(request.timeout, self._request_timeout)

    async def __call__(self, request: Request) -> Reply:
        """Answer a request; whatever goes wrong is a reply too."""
        started = self._now()
        self.inflight += 1
        try:
            if self.inflight > self._max_inflight:
                raise Unavailable
            self._admit(request)
            if request.timeout is not None and request.timeout <= 0:
                raise DeadlineExceeded
            reply = await self._datasource_for(request).handle(request)
        except ServiceError as error:
            reply = self._told(request, error)
        except GeneratorExit:  # nobody waits any more
            raise
        # The border: past it, a peer learns nothing of our insides. What is no Exception, as asyncio's
        # CancelledError or an action's sys.exit(), must not leave a request unanswered either.
        except BaseException as error:
            self._failures.failed(request, error)
            reply = reply_for(Internal())
        finally:
            self.inflight -= 1
        self._count(reply.code, self._now() - started)
        return reply

    def _told(self, request: Request, error: ServiceError) -> Reply:
        if error.code == Internal.code:
            self._failures.failed(request, error)
            return reply_for(error)
        try:
            msgspec.json.encode(error.detail)
        except Exception as unspeakable:  # it can be anything that an application came by
            self._failures.failed(request, unspeakable)
            return reply_for(Internal())
        return reply_for(error)

"""The access log around the use case."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from zope.interface import implementer

from unixsvc.domain.coroutine import SuspendedCoroutine, start
from unixsvc.domain.handle_message import HandleMessage
from unixsvc.domain.interfaces import IHandleMessage
from unixsvc.domain.message import Reply, Request
from unixsvc.domain.reply_head import ReplyHead
from unixsvc.domain.sent_code import sent_code
from unixsvc.domain.stream import ReplyStream
from unixsvc.errors import Cancelled, ServiceError
from unixsvc.telemetry.access.log import AccessLog

__all__ = ["LoggedHandle"]

_T = TypeVar("_T")


@implementer(IHandleMessage)
class LoggedHandle:
    """Answers requests, and records each in the access log. Without an access log there is no such object.

    :param handle: answers the requests.
    :param now: a monotonic clock, in seconds.
    """

    def __init__(self, handle: HandleMessage, log: AccessLog, now: Callable[[], float]) -> None:
        self._handle = handle
        self._record = log.record
        self._least = log.least
        self._now = now
        self.seconds_for = handle.seconds_for
        self.hold_back = handle.hold_back

    def __call__(self, request: Request) -> Reply | ReplyStream | SuspendedCoroutine[Reply | ReplyStream]:
        """Start to handle a request."""
        started = self._now()
        answer = self._handle(request)
        if type(answer) is Reply:  # nearly always, and so without further calls
            code = answer.code if request.headers is None else sent_code(request, answer)
            if code >= self._least:
                self._record(request, code, self._now() - started, len(answer.body))
            return answer
        if isinstance(answer, SuspendedCoroutine):
            return start(self._wait(request, started, answer))
        return self._answered(request, started, answer)

    def track(self, request: Request) -> Callable[[int, int], None]:
        """See :class:`unixsvc.IHandleMessage`."""
        started = self._now()
        try:
            end = self._handle.track(request)
        except ServiceError as error:
            self._record(request, error.code, self._now() - started, 0)
            raise

        def end_and_log(code: int, size: int) -> None:
            end(code, size)
            self._record(request, code, self._now() - started, size)

        return end_and_log

    def refused(self, request: Request, code: int, size: int) -> None:
        """Count and record a request that a transport has refused before it was one for a route.

        :param request: what is known of it.
        :param size: of the response, without its head.
        """
        self._handle.refused(request, code, size)
        self._record(request, code, 0.0, size)

    async def _wait(
        self, request: Request, started: float, answer: SuspendedCoroutine[Reply | ReplyStream]
    ) -> Reply | ReplyStream:
        return self._answered(request, started, await answer)

    def _answered(self, request: Request, started: float, answer: Reply | ReplyStream) -> Reply | ReplyStream:
        if isinstance(answer, ReplyStream):
            return _LoggedStream(answer, partial(self._ended, request, started))
        code = answer.code if request.headers is None else sent_code(request, answer)
        self._ended(request, started, code, len(answer.body))
        return answer

    def _ended(self, request: Request, started: float, code: int, size: int) -> None:
        self._record(request, code, self._now() - started, size)


class _LoggedStream(ReplyStream):
    """A stream that is recorded when it ends.

    :param ended: called with the code and the size of all items.
    """

    __slots__ = ("_ended", "_inner", "_size")

    def __init__(self, inner: ReplyStream, ended: Callable[[int, int], None]) -> None:
        self._inner = inner
        self._ended = ended
        self._size = 0
        self.seconds = inner.seconds
        self.item_seconds = inner.item_seconds
        self.context = inner.context
        self.items = inner.items

    @property
    def head(self) -> ReplyHead | None:
        """What the reply says over HTTP besides."""
        return self._inner.head

    async def next(self) -> bytes | Reply:
        """Return the next item or the final reply."""
        item = await self._or_cancelled(self._inner.next())
        if isinstance(item, Reply):
            self._ended(item.code, self._size)
        else:
            self._size += len(item)
        return item

    async def close(self, reason: ServiceError) -> Reply:
        """End the stream; return the final reply."""
        reply = await self._or_cancelled(self._inner.close(reason))
        self._ended(reply.code, self._size)
        return reply

    def refuse(self, reason: ServiceError) -> Reply:
        """End the stream before its first item; return the final reply."""
        reply = self._inner.refuse(reason)
        self._ended(reply.code, self._size)
        return reply

    async def _or_cancelled(self, step: Awaitable[_T]) -> _T:
        try:
            return await step
        except GeneratorExit:  # the waiting coroutine was closed
            self._ended(Cancelled.code, self._size)
            raise

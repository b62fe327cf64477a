"""Spans around the use case."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any, Final, TypeVar

from opentelemetry.context import attach
from zope.interface import directlyProvides

from unixsvc.domain.coroutine import SuspendedCoroutine, start
from unixsvc.domain.interfaces import IHandleMessage
from unixsvc.domain.message import Reply, Request
from unixsvc.domain.path_prefix import BUILTIN_PREFIX
from unixsvc.domain.reply_head import ReplyHead
from unixsvc.domain.request_context import adopt
from unixsvc.domain.sent_code import sent_code
from unixsvc.domain.stream import ReplyStream
from unixsvc.domain.trace_context import NOT_SAMPLED, TRACEPARENT
from unixsvc.errors import Cancelled, ServiceError

if TYPE_CHECKING:
    from unixsvc.domain.handle_message import HandleMessage
    from unixsvc.tracing.server import ServedSpan, ServerSpans

__all__ = ["TracedHandle"]

_T = TypeVar("_T")
_BUILTIN: Final = f"{BUILTIN_PREFIX}/"
_FLAGS: Final = slice(53, None)


class TracedHandle:
    """Answers requests, those that are recorded within a span. Without tracing there is no such object.

    :param handle: answers the requests.
    :param spans: makes the spans.
    :param route_of: the method and the pattern of a request's route; both are empty without one.
    """

    def __init__(
        self, handle: HandleMessage, spans: ServerSpans, route_of: Callable[[Request], tuple[str, str]]
    ) -> None:
        self._handle = handle
        self._spans = spans
        self._route_of = route_of

    def as_function(self) -> Any:  # no type describes a function with attributes
        """The use case (IHandleMessage), as a function.

        Requests that are not recorded count down to the next one that is, and pay for nothing else. The
        interpreter calls a function from a function without a frame in C, which an object with ``__call__``
        needs: that saves about what the countdown costs.
        """
        roots, decide, record = self._spans.roots, self._is_recorded, self._handle_in_span
        handle = self._handle.__call__
        left = roots.left

        def answer(request: Request) -> Reply | ReplyStream | SuspendedCoroutine[Reply | ReplyStream]:
            nonlocal left
            meta = request.meta
            if not meta or (traceparent := meta.get(TRACEPARENT)) is None:  # most
                left -= 1
                if left:
                    return handle(request)
                chosen, left = roots.is_chosen(), roots.left
            else:
                chosen = traceparent[_FLAGS] != NOT_SAMPLED and decide(request)
            if not chosen or request.path.startswith(_BUILTIN):
                return handle(request)
            return record(request)

        attributes = {
            "seconds_for": self._handle.seconds_for,
            "hold_back": self._handle.hold_back,
            "track": self.track,
            "refused": self.refused,
        }
        answer.__dict__.update(attributes)
        directlyProvides(answer, IHandleMessage)
        return answer

    def track(self, request: Request) -> Callable[[int, int], None]:
        """See :class:`unixsvc.IHandleMessage`."""
        if not self._is_recorded(request):
            return self._handle.track(request)
        served = self._start(request)
        try:
            end = self._handle.track(request)
        except ServiceError as error:
            self._spans.end(request, served, error.code)
            raise

        def end_span(code: int, size: int) -> None:
            end(code, size)
            self._spans.end(request, served, code)

        return end_span

    def refused(self, request: Request, code: int, size: int) -> None:
        """See :meth:`unixsvc.domain.handle_message.HandleMessage.refused`."""
        if not self._is_recorded(request):
            self._handle.refused(request, code, size)
            return
        served = self._start(request)
        self._handle.refused(request, code, size)
        self._spans.end(request, served, code)

    def _is_recorded(self, request: Request) -> bool:
        decided = self._spans.caller_decides(request)
        return self._spans.roots.is_due() if decided is None else decided

    def _start(self, request: Request) -> ServedSpan:
        return self._spans.start(request, self._route_of(request), self._handle.seconds_for(request))

    def _handle_in_span(
        self, request: Request
    ) -> Reply | ReplyStream | SuspendedCoroutine[Reply | ReplyStream]:
        served = self._start(request)
        if request.channel is not None:
            self._spans.streams(served)
        # All steps run in one context, for spans of the application that begin in one and end in another.
        context = copy_context()
        context.run(attach, served.context)
        answer = context.run(self._handle.__call__, request)
        adopt(context)
        if isinstance(answer, SuspendedCoroutine):
            return start(self._wait(request, served, answer, context))
        return self._answered(request, served, answer)

    async def _wait(
        self,
        request: Request,
        served: ServedSpan,
        answer: SuspendedCoroutine[Reply | ReplyStream],
        context: Context,
    ) -> Reply | ReplyStream:
        try:
            reply = await _InContext(answer, context)
        except BaseException:  # the coroutine was closed
            self._spans.end(request, served, Cancelled.code)
            raise
        return self._answered(request, served, reply)

    def _answered(
        self, request: Request, served: ServedSpan, answer: Reply | ReplyStream
    ) -> Reply | ReplyStream:
        if isinstance(answer, ReplyStream):
            self._spans.streams(served)
            return _TracedStream(answer, served, lambda code: self._spans.end(request, served, code))
        self._spans.end(request, served, sent_code(request, answer))
        return answer


class _InContext(SuspendedCoroutine[Reply | ReplyStream]):
    """A coroutine whose later steps run in a context of their own."""

    __slots__ = ("_context",)

    def __init__(self, suspended: SuspendedCoroutine[Reply | ReplyStream], context: Context) -> None:
        super().__init__(suspended.coroutine, suspended.awaited)
        self._context = context

    def __await__(self) -> Generator[object, object, Reply | ReplyStream]:
        coroutine, awaited = self.coroutine, self.awaited
        run = self._context.run
        try:
            while True:
                try:
                    sent = yield awaited
                except GeneratorExit:
                    run(coroutine.close)
                    raise
                except BaseException as error:  # every exception is thrown into the coroutine
                    awaited = run(coroutine.throw, error)
                else:
                    awaited = run(coroutine.send, sent)
        except StopIteration as stop:
            result: Reply | ReplyStream = stop.value
            return result


class _TracedStream(ReplyStream):
    """A stream whose span ends with it.

    :param ended: called with the code.
    """

    __slots__ = ("_ended", "_inner", "_served")

    def __init__(self, inner: ReplyStream, served: ServedSpan, ended: Callable[[int], None]) -> None:
        self._inner = inner
        self.items = inner.items
        self._served = served
        self._ended = ended
        self.seconds = inner.seconds
        self.item_seconds = inner.item_seconds
        self.context = inner.context

    @property
    def head(self) -> ReplyHead | None:
        """What the reply says over HTTP besides."""
        return self._inner.head

    async def next(self) -> bytes | Reply:
        """Return the next item or the final reply."""
        item = await self._or_cancelled(self._inner.next())
        if isinstance(item, Reply):
            self._ended(item.code)
        else:
            self._served.items = (self._served.items or 0) + 1
        return item

    async def close(self, reason: ServiceError) -> Reply:
        """End the stream; return the final reply."""
        reply = await self._or_cancelled(self._inner.close(reason))
        self._ended(reply.code)
        return reply

    def refuse(self, reason: ServiceError) -> Reply:
        """End the stream before its first item; return the final reply."""
        reply = self._inner.refuse(reason)
        self._ended(reply.code)
        return reply

    async def _or_cancelled(self, step: Awaitable[_T]) -> _T:
        try:
            return await step
        except GeneratorExit:  # the waiting coroutine was closed
            self._ended(Cancelled.code)
            raise

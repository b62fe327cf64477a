"""A span that ends once, with a code or an exception."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from opentelemetry.context import attach
from opentelemetry.trace import Span, Status, StatusCode

from unixsvc.errors import Cancelled, Internal, ServiceError
from unixsvc.tracing.attributes import ERROR_TYPE, STREAM_ITEMS
from unixsvc.tracing.sdk_spans import set_plain_attribute

if TYPE_CHECKING:
    import contextvars

    from opentelemetry.context import Context

__all__ = ["EndingSpan"]

_MAX_TEXT: Final = 4096  # characters


class EndingSpan:
    """A span.

    :param context: has the span as the current one.
    :param status: the attribute for the code.
    :param failure: the least code that is an error.
    :param is_text: whether the code is text, as in the conventions for RPC.
    :ivar items: the number of items, of a stream.
    """

    __slots__ = ("_failed", "_failure", "_is_text", "_status", "context", "items", "span")

    def __init__(self, span: Span, context: Context, status: str, failure: int, *, is_text: bool) -> None:
        self.span = span
        self.context = context
        self.items: int | None = None
        self._status = status
        self._failure = failure
        self._is_text = is_text
        self._failed = False

    @property
    def ended(self) -> bool:
        """Whether the span has ended."""
        return not self.span.is_recording()

    def fail(self, error: BaseException) -> None:
        """Record an exception that is not meant for the caller. The span goes on."""
        self._failed = True
        kind = type(error)
        self.span.record_exception(error)
        self.span.set_attribute(ERROR_TYPE, f"{kind.__module__}.{kind.__qualname__}")
        self.span.set_status(Status(StatusCode.ERROR, str(error)[:_MAX_TEXT]))

    def end(self, code: int) -> None:
        """End the span.

        :param code: of the reply. 499, that the caller has gone, is no failure.
        """
        if self.ended:
            return
        set_plain_attribute(self.span, self._status, str(code) if self._is_text else code)
        if code >= self._failure and code != Cancelled.code and not self._failed:
            self.span.set_attribute(ERROR_TYPE, str(code))
            self.span.set_status(Status(StatusCode.ERROR))
        if self.items is not None:
            set_plain_attribute(self.span, STREAM_ITEMS, self.items)
        self.span.end()

    def enter(self, context: contextvars.Context) -> None:
        """Make it the current span of a context."""
        context.run(attach, self.context)

    def end_run(self, error: BaseException | None) -> None:
        """End the span of what has no code.

        :param error: what it has failed with.
        """
        if error is not None:
            self.fail(error)
        self.span.end()

    def end_with(self, error: BaseException) -> None:
        """End the span of a call that has failed."""
        if self.ended:
            return
        if isinstance(error, ServiceError):
            self.end(error.code)
        elif type(error).__name__ == "CancelledError" or isinstance(error, GeneratorExit):
            self.end(Cancelled.code)  # of asyncio or Twisted, which not all programs have
        else:
            self.fail(error)
            self.end(Internal.code)

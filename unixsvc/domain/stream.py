"""Replies that consist of a stream of items."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextvars import Context, copy_context

from unixsvc.domain.message import Reply, Request, add_headers
from unixsvc.domain.reply_head import ReplyHead
from unixsvc.errors import Cancelled, Malformed, ServiceError

__all__ = ["ReplyStream", "unary_reply"]


class ReplyStream:
    """The items of a stream and the final reply. Errors become the final reply, too.

    The reader calls :meth:`next` until it returns a :class:`~unixsvc.domain.message.Reply`, or ends the
    stream with :meth:`close` or :meth:`refuse`. Until then the request counts as pending.

    :param items: each item as JSON.
    :param on_end: called once with the exception that ended the stream, or None, and with the size of all
        items; returns the final reply.
    :param head: what the reply says over HTTP besides; None for the usual status and headers.
    :param request: may get further header fields until the first item is sent.
    :ivar seconds: the remaining time of the caller; None for no limit.
    :ivar item_seconds: the time limit for one item.
    :ivar context: the context in which the reader must run the methods.
    :ivar items: those that are still to come; only :meth:`next` and :meth:`close` may take them.
    """

    __slots__ = ("_head", "_on_end", "_request", "_size", "context", "item_seconds", "items", "seconds")

    def __init__(
        self,
        items: AsyncGenerator[bytes, None],
        on_end: Callable[[BaseException | None, int], Reply],
        *,
        seconds: float | None,
        item_seconds: float,
        context: Context | None = None,
        head: ReplyHead | None = None,
        request: Request | None = None,
    ) -> None:
        self.items = items
        self._on_end = on_end
        self._size = 0
        self.seconds = seconds
        self.item_seconds = item_seconds
        self.context = context or copy_context()
        self._head = head
        self._request = request

    @property
    def head(self) -> ReplyHead | None:
        """What the reply says over HTTP besides, at the time of its first item."""
        if self._request is None or not self._request.reply_headers:
            return self._head
        return add_headers(Reply(head=self._head), self._request.reply_headers).head

    async def next(self) -> bytes | Reply:
        """Return the next item or the final reply."""
        try:
            item = await self.items.__anext__()
        except StopAsyncIteration:
            return self._on_end(None, self._size)
        except GeneratorExit:  # the waiting coroutine was closed
            self._on_end(Cancelled(), self._size)
            raise
        except BaseException as error:  # part of the error boundary, see HandleMessage
            return self._on_end(error, self._size)
        self._size += len(item)
        return item

    async def close(self, reason: ServiceError) -> Reply:
        """End a stream that has delivered an item and is not working on the next; return the final reply."""
        try:
            await self.items.aclose()
        except GeneratorExit:
            self._on_end(reason, self._size)
            raise
        except BaseException as error:
            return self._on_end(error, self._size)
        return self._on_end(reason, self._size)

    def refuse(self, reason: ServiceError) -> Reply:
        """End a stream before the first call of :meth:`next`; return the final reply."""
        return self._on_end(reason, self._size)


def unary_reply(answer: Reply | ReplyStream) -> Reply:
    """Return a reply for a transport without streams: a stream becomes 400."""
    if isinstance(answer, ReplyStream):
        return answer.refuse(Malformed("the action is a stream, which cannot be sent this way"))
    return answer

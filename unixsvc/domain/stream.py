"""An answer that comes item by item."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextvars import Context, copy_context

from unixsvc.domain.message import Reply
from unixsvc.errors import Cancelled, Malformed, ServiceError

__all__ = ["ReplyStream", "whole"]


class ReplyStream:
    """The items of a stream, and the reply that ends it: whatever goes wrong is a reply too.

    Whoever was given it asks for one item after the other, until it is given that reply: by :meth:`next`, or
    by :meth:`close` or :meth:`refuse`. As long, the request counts as unanswered.

    :param items: each as JSON.
    :param ended: called once, with what was raised, or with None; gives the last reply.
    :ivar seconds: what is left of the caller's time; None if the caller set no limit.
    :ivar item_seconds: how long a single item may take.
    :ivar context: in which whoever asks for items is to run what that takes.
    """

    __slots__ = ("_ended", "_items", "context", "item_seconds", "seconds")

    def __init__(
        self,
        items: AsyncGenerator[bytes, None],
        ended: Callable[[BaseException | None], Reply],
        *,
        seconds: float | None,
        item_seconds: float,
        context: Context | None = None,
    ) -> None:
        self._items = items
        self._ended = ended
        self.seconds = seconds
        self.item_seconds = item_seconds
        self.context = context or copy_context()

    async def next(self) -> bytes | Reply:
        """The next item, or the last reply."""
        try:
            return await self._items.__anext__()
        except StopAsyncIteration:
            return self._ended(None)
        except GeneratorExit:  # nobody waits any more
            self._ended(Cancelled())
            raise
        except BaseException as error:  # what that can be, see HandleMessage
            return self._ended(error)

    async def close(self, reason: ServiceError) -> Reply:
        """End it where it has given an item, and was not asked for the next one; the last reply."""
        try:
            await self._items.aclose()
        except GeneratorExit:
            self._ended(reason)
            raise
        except BaseException as error:
            return self._ended(error)
        return self._ended(reason)

    def refuse(self, reason: ServiceError) -> Reply:
        """End it before it has been asked for anything; the last reply."""
        return self._ended(reason)


def whole(answer: Reply | ReplyStream) -> Reply:
    """The answer, for a transport that can send no streams: they are 400."""
    if isinstance(answer, ReplyStream):
        return answer.refuse(Malformed("a stream cannot be sent this way"))
    return answer

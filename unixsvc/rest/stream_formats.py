"""The encodings of streams over HTTP: server-sent events, JSON lines, or bytes as they are. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from unixsvc.domain.reply_head import ReplyHead
from unixsvc.rest.encode import ResponseContext
from unixsvc.rest.headers.accept import prefers_events
from unixsvc.rest.headers.event_fields import event_lines
from unixsvc.rest.headers.reply_fields import is_raw

__all__ = ["EVENTS", "LINES", "StreamFormat", "format_for"]


class StreamFormat(Struct, frozen=True):
    """The encoding of a stream.

    :ivar content_type: its media type.
    :ivar items: encodes items, at least one.
    :ivar overhead: the number of bytes that it adds to each.
    :ivar failure: encodes the problem with which a stream fails.
    :ivar keep_alive: sent while there are no items; empty if the format has no comments.
    :ivar abort_on_failure: whether a stream that fails is cut off, so that it cannot be taken for complete.
    """

    content_type: bytes
    items: Callable[[Sequence[bytes]], bytes]
    overhead: int
    failure: Callable[[bytes], bytes]
    keep_alive: bytes
    abort_on_failure: bool


def _events(items: Sequence[bytes]) -> bytes:
    # JSON that is encoded here has no CR; a msgspec.Raw from an action may, and CR ends a line of an event.
    return (b"data: " + b"\n\ndata: ".join(items) + b"\n\n").replace(b"\r", b" ")


# https://html.spec.whatwg.org/multipage/server-sent-events.html
EVENTS: Final = StreamFormat(
    b"text/event-stream",
    _events,
    len(b"data: \n\n"),
    lambda text: b"event: error\ndata: %b\n\n" % text,
    b":\n\n",
    abort_on_failure=False,
)
# https://jsonlines.org
LINES: Final = StreamFormat(
    b"application/jsonl",
    lambda items: b"\n".join(items) + b"\n",
    len(b"\n"),
    lambda text: text + b"\n",
    b"",
    abort_on_failure=True,
)
_TYPED_EVENTS: Final = replace(EVENTS, items=event_lines)


def format_for(context: ResponseContext, head: ReplyHead | None) -> StreamFormat:
    """The format of a stream: that of its body, or the one that the client accepts.

    :param head: of the reply.
    """
    if head is not None and is_raw(head):
        # What has been sent differs from a whole body only by the missing end.
        return StreamFormat(
            head.media_type.encode("latin-1"), b"".join, 0, _nothing, b"", abort_on_failure=True
        )
    if not prefers_events(context.headers.get(b"Accept", ())):
        return LINES
    return EVENTS if head is None or head.form != "events" else _TYPED_EVENTS


def _nothing(text: bytes) -> bytes:
    return b""

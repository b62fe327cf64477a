"""Writes the replies of one connection."""

from __future__ import annotations

from typing import Final, cast

from msgspec import Struct

from unixsvc.domain.message import Reply
from unixsvc.transport.interfaces import ServerTransport
from unixsvc.transport.traffic import Traffic
from unixsvc.wire.messages import Id, encode_reply

__all__ = ["ReplyWriter"]

# Bytes of a batch. A larger batch would hide from the transport that the client does not take its replies.
_MAX_BATCH: Final = 16_384


# A Struct is constructed without a Python function: a service may get a connection for each request.
class ReplyWriter(Struct):
    """Encodes replies, and writes those of one batch of requests together.

    :ivar traffic: counts what is written.
    :ivar transport: set when the connection is made.
    :ivar blocked: the client does not take its replies: the transport's buffer is full.
    :ivar batching: writes are collected until :meth:`flush`. A system call costs more than a reply.
    :ivar line_end: what follows each reply; nothing in the one-message exchange.
    """

    traffic: Traffic
    transport: ServerTransport = cast(ServerTransport, None)
    blocked: bool = False
    batching: bool = False
    line_end: bytes = b"\n"
    _batch: list[bytes] | None = None  # most connections never need a list
    _size: int = 0

    def reply(self, id: Id, reply: Reply) -> None:
        """Write a reply."""
        data = encode_reply(id, reply, self.line_end)
        if self.batching:
            self.write(data)
        else:
            self.traffic.sent += len(data)
            self.transport.write(data)

    def encode(self, id: Id, reply: Reply) -> bytes:
        """Encode a reply that is written later."""
        return encode_reply(id, reply, self.line_end)

    def write(self, data: bytes) -> None:
        """Write encoded messages."""
        self.traffic.sent += len(data)
        if not self.batching:
            self.transport.write(data)
            return
        if self._batch is None:
            self._batch = [data]
        else:
            self._batch.append(data)
        self._size += len(data)
        if self._size >= _MAX_BATCH:
            self.flush()

    def flush(self) -> None:
        """Write what is collected."""
        batch = self._batch
        if batch is not None:
            self._batch, self._size = None, 0
            self.transport.write(batch[0] if len(batch) == 1 else b"".join(batch))

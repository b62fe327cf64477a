"""A connection's replies: each when it is there, the bare ones in their order, and streams item by item."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import Protocol

from unixsvc.domain.message import Reply
from unixsvc.domain.stream import ReplyStream
from unixsvc.execution.streaming import RunningStream
from unixsvc.server.lifecycle import ConnectionState
from unixsvc.server.pending import PendingRequest, PendingRequests
from unixsvc.wire.messages import Id, encode_items, encode_reply

__all__ = ["ReplyWriter"]

# So many bytes of replies are gathered at most: the transport must see what waits to say that it is too much.
_TOGETHER: Final = 16_384


class ReplyWriter(Protocol):
    """The half of a connection that sends.

    :param reactor: for streams.
    """

    transport: Any

    def __init__(self, reactor: IReactorTime) -> None:
        self._reactor = reactor
        self._unanswered = PendingRequests()
        self._end = b"\n"
        self._served = 0  # grows with each message that is served, and with what is sent of streams
        self._stage = ConnectionState.SERVING
        self._full = False  # the client does not take its replies
        self._gathering = False  # replies go out together, when those of a turn are there
        self._gathered: list[bytes] = []
        self._size = 0

    def _go_on(self) -> None:
        """Something that held up the other half is over."""
        raise NotImplementedError

    def _answer(self, id: Id, reply: Reply) -> None:
        """Send a reply that is there at once; a bare one not before those of earlier requests."""
        if id is None and self._unanswered.any_bare:
            self._unanswered.add_done(reply)
        else:
            data = encode_reply(id, reply, self._end)
            if self._gathering:
                self._write(data)
            else:
                self.transport.write(data)

    def _write(self, data: bytes) -> None:
        """Send something, or have it sent with what else there is to send in this turn."""
        if not self._gathering:
            self.transport.write(data)
            return
        self._gathered.append(data)
        self._size += len(data)
        if self._size >= _TOGETHER:
            self._flush()

    def _flush(self) -> None:
        """Send what is gathered: a system call for each reply would cost more than the reply."""
        gathered = self._gathered
        if gathered:
            self._gathered, self._size = [], 0
            self.transport.write(gathered[0] if len(gathered) == 1 else b"".join(gathered))

    def _done(self, pending: PendingRequest, reply: Reply | ReplyStream) -> None:
        """Send a reply that had to be waited for, and the bare ones that had to wait for it.

        What turns out to be a stream is done with its last reply.
        """
        if isinstance(reply, ReplyStream):
            refusal = self._unanswered.make_stream(pending)
            if refusal is None:
                self._begin_stream(pending, reply)
                return
            reply = reply.refuse(refusal)
        ready = self._unanswered.settle(pending, reply)
        if self._stage is not ConnectionState.LOST:
            self._write(b"".join(encode_reply(name, each, self._end) for name, each in ready))
            self._go_on()

    def _begin_stream(self, pending: PendingRequest, stream: ReplyStream) -> None:
        send = partial(self._send, pending)
        streaming = RunningStream(stream, self._reactor, pending.credit, lambda: self._full, send)
        pending.running = streaming
        streaming.start()

    def _send(self, pending: PendingRequest, items: list[bytes], reply: Reply | None) -> None:
        """Send items of a stream, and the reply that ends it."""
        if items:
            self._served += 1
            self._write(encode_items(pending.id, items))
        if reply is not None:
            self._done(pending, reply)

"""The pending requests of one connection: their actions, their streams, and the order of bare replies."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from msgspec import UNSET
from msgspec.structs import replace
from twisted.internet.interfaces import IReactorTime

from unixsvc.domain.coroutine import SuspendedCoroutine
from unixsvc.domain.message import Reply
from unixsvc.domain.stream import ReplyStream
from unixsvc.errors import Cancelled, Malformed, ServiceError, Unavailable
from unixsvc.execution.action_driver import RunningAction
from unixsvc.execution.streaming import RunningStream
from unixsvc.security.buffer_budget import MIN_COUNTED
from unixsvc.server.owners import PendingOwner
from unixsvc.server.writer import ReplyWriter
from unixsvc.transport.unsent_replies import LARGE_REPLY
from unixsvc.wire.messages import ClientMessage, Id, encode_items, item_overhead

if TYPE_CHECKING:
    from unixsvc.server.websocket import SocketChannel

__all__ = ["MAX_PENDING", "MAX_STREAMS", "PendingRequest", "PendingRequests"]

MAX_PENDING: Final = 128
MAX_STREAMS: Final = 128
# Bytes of bare replies that wait for earlier ones, from which on no more requests are read: as many as a
# transport buffers.
_MAX_WAITING: Final = 65_536
_NO_ID: Final = [{"field": "id", "message": "is needed for a stream"}]


class PendingRequest:
    """One request.

    :param credit: of a stream: how many items may be sent; None if all may.
    :param size: of the message in bytes, if it is to be counted.
    :ivar running: the action while it is suspended, or the stream.
    :ivar channel: of a WebSocket.
    :ivar reply: of a bare request that is answered, but has to wait for earlier ones; encoded.
    :ivar stream: the stream that it turned out to be; None before.
    :ivar started: whether an item of the stream was sent.
    """

    __slots__ = ("channel", "credit", "id", "oneway", "reply", "running", "size", "started", "stream")

    def __init__(self, id: Id, *, oneway: bool = False, credit: int | None = None, size: int = 0) -> None:
        self.id = id
        self.oneway = oneway
        self.credit = credit
        self.size = size
        self.running: RunningAction | RunningStream | None = None
        self.reply: bytes | None = None
        self.channel: SocketChannel | None = None
        self.stream: ReplyStream | None = None
        self.started = False


class PendingRequests:
    """The pending requests of one connection.

    A request that is answered at once, and has no earlier bare request before it, never gets here.

    :param writer: gets the replies and stream items.
    :param owner: called after each reply.
    :ivar requests: by id; a request without an id by itself.
    :ivar crowded: no more is to be read before some requests are answered: too many are pending, or too many
        bytes of replies wait for earlier ones. Streams do not count: the credit that they wait for would not
        be read either.
    :ivar message_bytes: the size of those messages that are worth counting.
    :ivar item_batches: how many times stream items were written.
    """

    __slots__ = (
        "_bare",
        "_owner",
        "_reactor",
        "_streams",
        "_waiting",
        "_writer",
        "crowded",
        "item_batches",
        "message_bytes",
        "requests",
    )

    def __init__(self, reactor: IReactorTime, writer: ReplyWriter, owner: PendingOwner) -> None:
        self._reactor = reactor
        self._writer = writer
        self._owner: PendingOwner | None = owner
        self.crowded = False
        self.item_batches = 0
        self.message_bytes = 0
        self.requests: dict[int | str | PendingRequest, PendingRequest] = {}
        # Made when first needed: most connections have neither.
        self._streams: dict[PendingRequest, None] | None = None
        self._bare: list[PendingRequest] | None = None
        self._waiting = 0  # bytes of bare replies

    @property
    def held_bytes(self) -> int:
        """The size of the counted messages, and of replies that wait for earlier ones."""
        return self.message_bytes + self._waiting

    @property
    def held(self) -> bool:
        """True if all pending requests are streams that wait for the client."""
        return all(isinstance(running, RunningStream) and running.blocked for running in self.running())

    def start(
        self,
        message: ClientMessage,
        suspended: SuspendedCoroutine[Reply | ReplyStream],
        timeout: float,
        size: int,
        channel: SocketChannel | None = None,
    ) -> None:
        """Run a suspended action to its end.

        :param timeout: in seconds.
        :param size: of the message, in bytes.
        :param channel: of a WebSocket.
        """
        pending = self._add_message(message, size)
        done = partial(self._done, pending)
        pending.running = action = RunningAction(suspended, self._reactor, timeout, done)
        if channel is not None:
            self._add_channel(pending, channel, action)

    def start_stream(self, message: ClientMessage, stream: ReplyStream, size: int) -> None:
        """Run a stream to its end.

        :param size: of the message, in bytes.
        """
        self._done(self._add_message(message, size), stream)

    def reply_in_order(self, reply: Reply) -> None:
        """Send a bare reply, after those of all earlier bare requests."""
        if self._bare:
            self._keep(self._add(PendingRequest(None)), self._writer.encode(None, reply))
        else:
            self._writer.reply(None, reply)

    def open_channel(self, message: ClientMessage) -> SocketChannel:
        """Make the channel of a WebSocket."""
        writer = self._writer
        # Late: few services have WebSockets.
        from unixsvc.server.websocket import SocketChannel

        return SocketChannel(message, partial(self._send_item, message.id), lambda: writer.blocked)

    def control(self, message: ClientMessage) -> None:
        """Cancel a request, let a stream send more items, or pass an item on to a WebSocket.

        If the request is no longer pending, its reply and this message have crossed, which is no error.
        """
        pending = None if message.id is None else self.requests.get(message.id)
        running = None if pending is None else pending.running
        if running is not None and message.cancel:
            running.cancel(Cancelled())
        elif isinstance(running, RunningStream):
            running.grant(message.credit or 0)
        elif pending is not None and pending.channel is not None:
            if message.item is not UNSET:
                pending.channel.receive_item(message.item)
            pending.channel.grant(message.credit or 0)

    def resume_streams(self) -> None:
        """Let the streams go on after the client has taken its replies."""
        for pending in self._streams or ():
            if isinstance(pending.running, RunningStream):
                pending.running.resume()
            elif pending.channel is not None:
                pending.channel.resume()

    def cancel_all(self, error: ServiceError) -> None:
        """Stop all actions; the error is their reply."""
        for running in self.running():
            running.cancel(error)

    def disconnect(self) -> None:
        """Stop all actions as the client is disconnected; nothing is written any more."""
        self._owner = None
        channels = self._channels()
        if self.requests:
            self.cancel_all(Cancelled())
        for channel in channels:
            channel.lost()

    def drain(self) -> None:
        """Ask the clients of WebSockets to connect again, to another worker."""
        for channel in self._channels():
            channel.drain()

    def _channels(self) -> list[SocketChannel]:
        return [pending.channel for pending in self._streams or () if pending.channel is not None]

    def running(self) -> list[RunningAction | RunningStream]:
        """The actions that wait, and the streams."""
        return [pending.running for pending in self.requests.values() if pending.running is not None]

    def _add_message(self, message: ClientMessage, size: int) -> PendingRequest:
        if size < MIN_COUNTED:
            size = 0
        self.message_bytes += size
        return self._add(PendingRequest(message.id, oneway=message.oneway, credit=message.credit, size=size))

    def _add(self, pending: PendingRequest) -> PendingRequest:
        self.requests[pending if pending.id is None else pending.id] = pending
        if pending.id is None and not pending.oneway:
            if self._bare is None:
                self._bare = []
            self._bare.append(pending)
        self._count()
        return pending

    def _done(self, pending: PendingRequest, reply: Reply | ReplyStream) -> None:
        """Send a reply and the bare replies that waited for it; or run the stream that it turns out to be."""
        if isinstance(reply, ReplyStream):
            refusal = self._refuse_stream(pending)
            if refusal is None:
                self._run_stream(pending, reply)
                return
            reply = reply.refuse(refusal)
        if pending.channel is not None:
            pending.channel.lost()
        waiting = self._waiting
        ready = self._settle(pending, reply)
        owner = self._owner
        if owner is not None:
            if pending.size or self._waiting != waiting:
                self.message_bytes -= pending.size
                owner.account()
            data = b"".join(ready)
            if len(data) > LARGE_REPLY and not owner.may_send(len(data)):
                return
            self._writer.write(data)  # a transport in memory may lose the connection meanwhile
            owner.continue_serving()

    def _settle(self, pending: PendingRequest, reply: Reply) -> list[bytes]:
        """Remove a request; the encoded replies that can be sent now, in their order."""
        encoded = b"" if pending.oneway or self._owner is None else self._writer.encode(pending.id, reply)
        ready: list[bytes] = []
        if pending.id is not None or pending.oneway:
            self.requests.pop(pending if pending.id is None else pending.id)
            ready.append(encoded)
        else:
            self._keep(pending, encoded)
        bare = self._bare
        while bare and (first := bare[0].reply) is not None:
            self.requests.pop(bare.pop(0))
            self._waiting -= len(first)
            ready.append(first)
        if self._streams:
            self._streams.pop(pending, None)
        self._count()
        return ready

    def _keep(self, pending: PendingRequest, reply: bytes) -> None:
        """Keep an encoded bare reply until those before it are sent."""
        pending.reply = reply
        self._waiting += len(reply)
        self._count()

    def _add_channel(self, pending: PendingRequest, channel: SocketChannel, action: RunningAction) -> None:
        """Let a WebSocket go on; like a stream it does not keep others from being read."""
        refusal = self._refuse_stream(pending)
        if refusal is not None:
            action.cancel(refusal)
            return
        if self._streams is None:
            self._streams = {}
        self._streams[pending] = None
        pending.channel, channel.action = channel, action
        if channel.accepted:
            action.lift_time_limit()
        self._count()

    def _send_item(self, id: Id, item: bytes) -> None:
        """Send an item of a WebSocket."""
        if self._owner is not None:
            self._write_items(self._owner, encode_items(id, [item]))

    def _write_items(self, owner: PendingOwner, data: bytes) -> None:
        self.item_batches += 1
        if len(data) <= LARGE_REPLY or owner.may_send(len(data)):
            self._writer.write(data)
            if self._writer.blocked:
                owner.account_unsent()

    def _refuse_stream(self, pending: PendingRequest) -> ServiceError | None:
        if pending.id is None or pending.oneway:
            return Malformed(_NO_ID)
        if self._streams is not None and len(self._streams) >= MAX_STREAMS:
            return Unavailable()
        return None

    def _run_stream(self, pending: PendingRequest, stream: ReplyStream) -> None:
        if self._streams is None:
            self._streams = {}
        self._streams[pending] = None
        self._count()
        writer, send = self._writer, partial(self._send, pending)
        overhead = item_overhead(pending.id)
        running = RunningStream(
            stream, self._reactor, pending.credit, lambda: writer.blocked, send, overhead=overhead
        )
        pending.running = running
        pending.stream = stream
        running.start()

    def _send(self, pending: PendingRequest, items: list[bytes], reply: Reply | None) -> None:
        """Send items of a stream, and the reply that ends it."""
        if items and self._owner is not None:
            head = None if pending.stream is None else pending.stream.head
            self._write_items(self._owner, encode_items(pending.id, items, head, first=not pending.started))
            pending.started = True
        if reply is not None:
            self._done(pending, reply if pending.started else _empty(reply, pending.stream))

    def _count(self) -> None:
        streams = len(self._streams) if self._streams else 0
        self.crowded = len(self.requests) - streams >= MAX_PENDING or self._waiting >= _MAX_WAITING


def _empty(reply: Reply, stream: ReplyStream | None) -> Reply:
    """The reply that ends a stream without items: it has the head, and the data null."""
    head = None if stream is None else stream.head
    if head is None or reply.code != 200:
        return reply
    return replace(reply, head=replace(head, form="json", media_type=""))

"""Receives the requests of one connection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from msgspec import UNSET
from twisted.internet.interfaces import IReactorTime

from unixsvc.domain.coroutine import SuspendedCoroutine
from unixsvc.domain.handle_message import error_to_reply
from unixsvc.domain.message import Reply, Request
from unixsvc.domain.stream import ReplyStream
from unixsvc.domain.websocket import WEBSOCKET
from unixsvc.errors import Malformed, NotFound, NotJSON, ServiceError, TooLarge, Unauthorized
from unixsvc.security.tokens import MAX_WRONG_TOKENS
from unixsvc.server.lifecycle import ConnectionEvent, ConnectionLifecycle, ConnectionState
from unixsvc.server.owners import ReceiverOwner
from unixsvc.server.pending import PendingRequests
from unixsvc.server.writer import ReplyWriter
from unixsvc.transport.interfaces import ServerTransport
from unixsvc.transport.peer import SocketCaller, has_unread_data
from unixsvc.typing import IHandleMessage
from unixsvc.wire.framing import MessageFramer
from unixsvc.wire.messages import (
    ClientMessage,
    NotAnObject,
    accept_data,
    decode_client_message,
    find_id,
    is_oneway,
    to_request,
)

__all__ = ["RequestReceiver"]

# Messages of one client that are served before other clients have their turn.
_TURN: Final = 64
_IN_USE: Final = [{"field": "id", "message": "is that of a pending request"}]
# Compared for each message: module globals are faster than attributes of a class.
_CLOSING: Final = ConnectionState.CLOSING
_FINISHING: Final = ConnectionState.FINISHING
_INPUT_ENDED: Final = ConnectionState.INPUT_ENDED
_LOST: Final = ConnectionState.LOST
_INPUT_SERVED: Final = ConnectionEvent.INPUT_SERVED
_LAST_MESSAGE: Final = ConnectionEvent.LAST_MESSAGE
_UNAUTHORIZED: Final = Unauthorized.code


class RequestReceiver:
    """Cuts received bytes into messages, and hands each request to the use case.

    At most 64 messages are served in one turn of the reactor. Reading is paused while requests cannot be
    served: too many are pending, the client does not take its replies, or the worker buffers too much. So the
    rest stays with the client.

    :param handle: the use case.
    :param framer: empty.
    :param writer: gets the replies of requests that are answered at once.
    :param pending: gets all other requests.
    :param accepts_any: whether the route of a method and a path accepts data that is no object.
    :param owner: notified of protocol errors, and of the end of each turn that changed the state.
    :ivar transport: set when the connection is made.
    :ivar framer: what is received and not served yet.
    :ivar caller: the client.
    :ivar counted: number of bytes of this connection that the budget counts.
    :ivar has_room: the budget allows to read on.
    :ivar served: the bytes of the messages that were served, with their line ends. To count bytes instead of
        messages costs nothing; both tell whether there was one more.
    :ivar identified: a message had an id, so the client understands goaway.
    :ivar reading: the transport is not paused.
    :ivar scheduled: a further turn is scheduled.
    """

    __slots__ = (
        "_accepts_any",
        "_handle",
        "_lifecycle",
        "_owner",
        "_pending",
        "_reactor",
        "_writer",
        "caller",
        "counted",
        "framer",
        "has_room",
        "identified",
        "reading",
        "scheduled",
        "served",
        "transport",
    )

    transport: ServerTransport

    def __init__(
        self,
        handle: IHandleMessage,
        caller: SocketCaller,
        framer: MessageFramer,
        reactor: IReactorTime,
        lifecycle: ConnectionLifecycle,
        writer: ReplyWriter,
        pending: PendingRequests,
        owner: ReceiverOwner,
        accepts_any: Callable[[str, str], bool],
    ) -> None:
        self._accepts_any = accepts_any
        self.framer = framer
        self.counted = 0
        self.has_room = True
        self.identified = False
        self.reading = True
        self.scheduled = False
        self.served = 0
        self.caller = caller
        self._handle = handle
        self._lifecycle = lifecycle
        self._owner = owner
        self._pending = pending
        self._reactor = reactor
        self._writer = writer

    def resume(self, *, identified: bool, framed: bool) -> None:
        """Note that the first message was served before there was a transport.

        :param framed: false if it was the only one, without a line end.
        """
        self.served = 1  # not more, as its bytes are counted already
        self.identified = identified
        self.framer.framed = framed
        if not framed:
            self._writer.line_end = b""
            self._lifecycle.handle(_LAST_MESSAGE)

    def go_on(self) -> None:
        """Carry out what the first message demands, after :meth:`resume`."""
        if self._lifecycle.state or self._writer.blocked:
            self.serve()

    def data_received(self, data: bytes) -> None:
        """Serve what is received, at least one byte, as far as possible."""
        size, framer = len(data), self.framer
        if self._lifecycle.state or self._writer.blocked or self.scheduled or self._pending.requests:
            if self._lifecycle.state < _CLOSING:
                self.serve(data)
        # The most frequent case is one whole message: it is served as it is.
        elif size - 1 == data.find(b"\n") <= framer.max_bytes and not (framer.unsplit or framer.begun):
            framer.framed = True
            self._serve_message(data, size)
            if self._lifecycle.state or self._writer.blocked:
                self.serve()
        else:
            self.serve(data)

    def end_of_input(self) -> None:
        """Serve an unfinished message as it is: the end of input ends it."""
        rest = self.framer.take_rest()
        if rest.strip() and self._lifecycle.state < _CLOSING:
            self._serve_message(rest, len(rest))
        if self.counted:
            self._owner.account()

    def serve(self, data: bytes = b"") -> None:
        """Serve messages until there are no more, or other clients have their turn.

        :param data: what is received.
        """
        if self._on_hold():
            self.framer.append(data)
        else:
            try:
                messages = self.framer.take(_TURN, data)
            except TooLarge as error:
                self._owner.refuse(error)
            else:
                self._serve_turn(messages)
        state = self._lifecycle.state
        if (self.counted or self.framer.begun or self.framer.unsplit) and state is not _LOST:
            self._owner.account()
            state = self._lifecycle.state
        if state or self.scheduled or not self.reading or self._writer.blocked or self._pending.crowded:
            self.pause_or_resume()
            if state:
                self._owner.advance()

    def schedule(self) -> None:
        """Go on in the next turn of the reactor."""
        if not self.scheduled:
            self.scheduled = True
            self._reactor.callLater(0, self._next_turn)

    def set_room(self, *, available: bool) -> None:
        """Read on, or stop to read, as the budget says."""
        self.has_room = available
        self.pause_or_resume()

    def pause_or_resume(self) -> None:
        """Read only what can be served."""
        state = self._lifecycle.state
        if state >= _INPUT_ENDED:
            reading = state is ConnectionState.LINGERING
        else:
            busy = self.scheduled or self._writer.blocked or self._pending.crowded
            reading = self.has_room and not busy
        if reading != self.reading and state is not _LOST:
            self.reading = reading
            if reading:
                self.transport.resumeProducing()
            else:
                self.transport.pauseProducing()

    def _on_hold(self) -> bool:
        return self._writer.blocked or self._pending.crowded or self._lifecycle.state >= _CLOSING

    def _next_turn(self) -> None:
        self.scheduled = False
        self.serve()

    def _serve_turn(self, messages: list[bytes]) -> None:
        writer = self._writer
        writer.batching = len(messages) > 1
        if self._serve_messages(messages):
            self._all_served()
        writer.batching = False
        writer.flush()

    def _serve_messages(self, messages: list[bytes]) -> bool:
        """Serve messages; false if there are more, for a later turn or for none."""
        lifecycle, writer, pending, serve = self._lifecycle, self._writer, self._pending, self._serve_message
        for index, message in enumerate(messages):
            if lifecycle.state >= _CLOSING:
                return False
            if writer.blocked or pending.crowded:
                self.framer.put_back(messages[index:])
                return False
            serve(message, len(message) + 1)
        if self.framer.unsplit:
            self.schedule()
            return False
        return True

    def _all_served(self) -> None:
        """All whole messages are served: look for an unframed one, and for the end of input."""
        if not self.framer.framed:
            self._serve_unframed()
        state = self._lifecycle.state
        # Bytes that are still in the kernel were sent before the drain, and are served too.
        finished = state is _FINISHING and not has_unread_data(self.transport)
        if finished or state is _INPUT_ENDED:
            self._lifecycle.handle(_INPUT_SERVED)

    def _serve_unframed(self) -> None:
        """The one-message exchange of the original system: no line end, no id, one reply, then the end."""
        message = self.framer.unframed()
        if message is not None and find_id(message) is None:
            self.framer.take_rest()
            self._writer.line_end = b""
            self._lifecycle.handle(_LAST_MESSAGE)
            self._serve_message(message, len(message))

    def _serve_message(self, message: bytes, size: int) -> None:  # noqa: C901 # calls would cost more
        try:
            try:
                decoded = decode_client_message(message)
            except NotAnObject as error:
                decoded = accept_data(error, self._accepts_any)
        except (NotJSON, Malformed) as error:
            self._serve_malformed(message, error, size)
            return
        self.served += size
        request_id = decoded.id
        if request_id is not None:
            self.identified = True
        credit = decoded.credit
        if decoded.cancel or (decoded.path is UNSET and (credit is not None or decoded.item is not UNSET)):
            self._pending.control(decoded)
        elif request_id in self._pending.requests:
            self._refuse_duplicate(decoded)
        elif credit is not None and decoded.method == WEBSOCKET and request_id is not None:
            self._open_websocket(decoded, len(message))
        else:
            request = to_request(decoded, self.caller)
            reply = self._handle(request)
            if not isinstance(reply, Reply):
                self.start(decoded, request, reply, len(message))
                return
            if decoded.oneway:
                pass
            elif request_id is None:
                self._pending.reply_in_order(reply)
            else:
                self._writer.reply(request_id, reply)
            if reply.code == _UNAUTHORIZED and self.caller.wrong_tokens >= MAX_WRONG_TOKENS:
                self._lifecycle.handle(ConnectionEvent.REFUSE)

    def _open_websocket(self, message: ClientMessage, size: int) -> None:
        """Call the action of a WebSocket."""
        request, pending = to_request(message, self.caller), self._pending
        channel = pending.open_channel(message)
        request.own_extras().channel = channel
        reply = self._handle(request)
        if isinstance(reply, SuspendedCoroutine):
            pending.start(message, reply, self._handle.seconds_for(request), size, channel)
            return
        if isinstance(reply, ReplyStream):
            reply = reply.refuse(NotFound())
        channel.lost()
        self._writer.reply(message.id, reply)

    def start(
        self,
        message: ClientMessage,
        request: Request,
        reply: SuspendedCoroutine[Reply | ReplyStream] | ReplyStream,
        size: int,
    ) -> None:
        """Go on with a request that is not answered at once."""
        if isinstance(reply, ReplyStream):
            self._pending.start_stream(message, reply, size)
        else:
            self._pending.start(message, reply, self._handle.seconds_for(request), size)
        if self._pending.message_bytes:
            self._owner.account()

    def _refuse_duplicate(self, message: ClientMessage) -> None:
        if not message.oneway:
            self._writer.reply(message.id, error_to_reply(Malformed(_IN_USE)))

    def _serve_malformed(self, message: bytes, error: ServiceError, size: int) -> None:
        if not message.strip():
            return  # empty lines are skipped
        self.served += size
        if isinstance(error, NotJSON):
            self._owner.refuse(error)
            return
        request_id = find_id(message)
        self.identified |= request_id is not None
        if is_oneway(message):
            return
        if request_id is None:
            self._pending.reply_in_order(error_to_reply(error))
        else:
            self._writer.reply(request_id, error_to_reply(error))

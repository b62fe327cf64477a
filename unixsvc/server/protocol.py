"""The server's side of one connection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.interfaces import IHalfCloseableProtocol, IProtocol, IPushProducer
from twisted.python.failure import Failure
from zope.interface import implementer

from unixsvc.domain.handle_message import error_to_reply
from unixsvc.domain.message import Caller, Peer
from unixsvc.errors import Incomplete, ServiceError, Unavailable
from unixsvc.execution.action_driver import RunningAction
from unixsvc.execution.streaming import RunningStream
from unixsvc.security.buffer_budget import Room
from unixsvc.server.idle_monitor import ConnectionSnapshot, IdleMonitor, Timeout
from unixsvc.server.lifecycle import ConnectionAction, ConnectionEvent, ConnectionLifecycle, ConnectionState
from unixsvc.server.pending import PendingRequests
from unixsvc.server.receiver import RequestReceiver
from unixsvc.server.registry import ConnectionRegistry
from unixsvc.server.writer import ReplyWriter
from unixsvc.transport.interfaces import ServerTransport
from unixsvc.transport.peer import SocketCaller, forget_caller, is_disconnected
from unixsvc.wire.framing import MessageFramer
from unixsvc.wire.messages import GOAWAY

__all__ = ["ServerProtocol"]

# Each connection compares and passes these; the lookup in the class of an enum takes about as long as a call.
_CLOSING, _DRAINING, _LINGERING = ConnectionState.CLOSING, ConnectionState.DRAINING, ConnectionState.LINGERING
_DISCONNECTED, _LOST, _REPLIED = ConnectionEvent.DISCONNECTED, ConnectionEvent.LOST, ConnectionEvent.REPLIED


@implementer(IProtocol, IPushProducer, IHalfCloseableProtocol)
class ServerProtocol:
    """One connection: joins its receiver, writer, pending requests and lifecycle to the transport.

    It is the transport's producer of replies, so it learns when the client does not take them.
    Twisted's own Protocol is no base, as its instances have a dict: there may be 10,000 connections.

    :param registry: of all connections of the service.
    :param caller: the client, if it is known already.
    :ivar receiver: the part that serves requests.
    """

    __slots__ = (
        "_idle_monitor",
        "_lifecycle",
        "_pending",
        "_registry",
        "_writer",
        "receiver",
        "transport",
    )

    transport: ServerTransport

    def __init__(self, registry: ConnectionRegistry, caller: SocketCaller | None = None) -> None:
        self._registry = registry
        self._idle_monitor: IdleMonitor | None = None  # most connections end before the first check
        self._lifecycle = lifecycle = ConnectionLifecycle()
        self._writer = writer = ReplyWriter(registry.traffic)
        self._pending = pending = PendingRequests(registry.reactor, writer, self)
        self.receiver = RequestReceiver(
            registry.handle,
            caller or SocketCaller(),
            MessageFramer(registry.limits.max_message_bytes),
            registry.reactor,
            lifecycle,
            writer,
            pending,
            self,
            registry.accepts_any,
        )

    # What the transport calls.

    @property
    def dataReceived(self) -> Callable[[bytes], None]:
        """The receiver's own method: a transport that binds it once calls the receiver directly."""
        return self.receiver.data_received

    def makeConnection(self, transport: Any) -> None:
        """A client has connected; ``IProtocol`` has no interface for a :class:`ServerTransport`."""
        self.transport = self.receiver.transport = self._writer.transport = transport
        caller = self.receiver.caller
        caller.connected(transport)
        self.transport.registerProducer(self, True)
        # If a message was served before there was a transport, it is registered already.
        refusal = None if self.receiver.served else self._registry.opened(self, caller)
        if refusal is not None:
            self.refuse(refusal)
            if self._registry.crowded:
                self.transport.loseConnection()

    def connectionMade(self) -> None:
        """Nothing: :meth:`makeConnection` has done all."""

    def readConnectionLost(self) -> None:
        """The client sends no more; it is disconnected, or waits for its replies."""
        receiver, state = self.receiver, self._lifecycle.state
        waiting = self._writer.blocked or receiver.scheduled or self._pending.requests
        if not (waiting or receiver.framer.pending) or state is _LINGERING or is_disconnected(self.transport):
            self._handle(_DISCONNECTED)
        else:
            receiver.end_of_input()
            self._handle(ConnectionEvent.INPUT_ENDED)

    def writeConnectionLost(self) -> None:
        """Nothing follows from the end of our own sending side."""

    def connectionLost(self, reason: Failure | None = None) -> None:
        """The client is disconnected: pending requests are cancelled."""
        self._lifecycle.handle(_LOST)
        self._registry.closed(self)
        self._pending.disconnect()
        receiver = self.receiver
        self._registry.traffic.received += receiver.served
        if receiver.counted:
            self._registry.budget.hold(self, 0)
        forget_caller(receiver)
        # It refers to this object: a cycle would keep both until the garbage collector finds them.
        del self.receiver

    def pauseProducing(self) -> None:
        """The transport's buffer is full: the client does not take its replies."""
        self._writer.blocked = True
        self.account_unsent()

    def resumeProducing(self) -> None:
        """The client has taken its replies."""
        self._writer.blocked = False
        self.account_unsent()
        self._pending.resume_streams()
        self.continue_serving()

    def stopProducing(self) -> None:
        """The transport is about to be lost: :meth:`connectionLost` follows."""

    # What the registry and its budget call.

    @property
    def received(self) -> int:
        """The bytes of the messages that were served."""
        return self.receiver.served

    @property
    def peer(self) -> Peer:
        """The process that has connected."""
        return self.receiver.caller.peer

    def finish(self) -> None:
        """Serve what has arrived, and close."""
        self._handle(ConnectionEvent.FINISH)

    def resume(self, idle_since: float | None, *, identified: bool, framed: bool) -> None:
        """Note that the first message was served before there was a transport; see its receiver.

        :param idle_since: when the connection was found idle, in seconds.
        """
        self.receiver.resume(identified=identified, framed=framed)
        if idle_since is not None:
            self._idle_monitor = IdleMonitor(self.receiver.served, idle_since)

    def drain(self) -> None:
        """Send goaway if the client understands that, and serve it until it disconnects."""
        self._idle_monitor = None
        self._handle(ConnectionEvent.DRAIN)
        self._pending.drain()

    def abort(self) -> None:
        """Answer pending requests with 503, and close."""
        self._handle(ConnectionEvent.ABORT)

    def review_caller(self, review: Callable[[Caller], bool]) -> None:
        """Review the caller; if the client should reconnect, send goaway."""
        if review(self.receiver.caller):
            self.drain()

    def pending_calls(self) -> list[RunningAction | RunningStream]:
        """The requests whose replies are not complete."""
        return self._pending.running()

    def check_time(self, now: float, *, wait_for_idle: bool) -> None:
        """Act on time-outs.

        :param now: in seconds.
        :param wait_for_idle: false to close draining connections after half a second without a request.
        """
        receiver, pending, framer = self.receiver, self._pending, self.receiver.framer
        self.account_unsent()
        snapshot = ConnectionSnapshot(
            self._lifecycle.state,
            receiver.served + pending.item_batches,
            bool(pending.requests),
            pending.held,
            bool(framer.begun),
            framer.framed,
            self._writer.blocked,
            not receiver.reading
            and is_disconnected(self.transport),  # while reading, the transport reports it
        )
        if self._idle_monitor is None:
            self._idle_monitor = IdleMonitor()
        limits = self._registry.limits_for(receiver.caller, receiver.served)
        timeout = self._idle_monitor.check(snapshot, limits, now, wait_for_idle=wait_for_idle)
        if timeout is Timeout.IDLE:
            self.finish()
        elif timeout is Timeout.INCOMPLETE:
            self.refuse(Incomplete())
            if not snapshot.partial:  # a client that sends nothing need not be lingered for
                self.transport.loseConnection()
        elif timeout is Timeout.STALLED:
            self.transport.abortConnection()

    @property
    def delayed(self) -> bool:
        """True if the server has not answered yet, or not had the time to serve what has arrived."""
        return self.receiver.scheduled or not self._pending.held

    def resume_reading(self) -> None:
        """Read on, as the budget has room again."""
        self.receiver.set_room(available=True)

    def expire(self) -> None:
        """Refuse the client: it keeps others waiting."""
        if self._writer.blocked:
            self.transport.abortConnection()
        else:
            self.refuse(Incomplete())

    # What the parts call.

    def refuse(self, error: ServiceError) -> None:
        """Reply with an error that concerns the whole connection, and close it."""
        self._lifecycle.handle(ConnectionEvent.REFUSE)
        self._drop_input()
        self._pending.reply_in_order(error_to_reply(error))
        self.advance()

    def account(self) -> None:
        """Note how many bytes this connection makes the worker hold, unless the client has shown a token."""
        receiver = self.receiver
        size = receiver.framer.size + self._pending.held_bytes if self.receiver.caller.grant is None else 0
        if size == receiver.counted:
            return
        receiver.counted = size
        room = self._registry.budget.hold(self, size)
        if room is Room.LATER:
            receiver.set_room(available=False)
        elif room is Room.NONE and self._pending.requests:
            self.abort()
        elif room is Room.NONE:
            self.refuse(Unavailable())

    def account_unsent(self) -> None:
        """Note how many bytes of replies wait for the client, unless it has shown a token."""
        self._registry.unsent.update(self.transport, counted=self.receiver.caller.grant is None)

    def may_send(self, size: int) -> bool:
        """True if there is room for a large reply; else abort the connection."""
        return self.receiver.caller.grant is not None or self._registry.unsent.may_send(self.transport, size)

    def advance(self) -> None:
        """Carry out what the state demands by now."""
        self._writer.flush()
        state = self._lifecycle.state
        if state is _DRAINING:
            if self.receiver.served:  # the first message of a client is served
                identified = self.receiver.identified
                self._handle(ConnectionEvent.IDENTIFIED if identified else ConnectionEvent.ANONYMOUS)
        elif state >= _CLOSING and not (self._writer.blocked or self._pending.requests):
            # Twisted's own transports forget to close while the client does not take its replies.
            self._handle(_REPLIED)

    def continue_serving(self) -> None:
        """Go on after a reply: something that held up the connection may be over."""
        if self._writer.blocked:
            self.account_unsent()
        if self._lifecycle.state >= _CLOSING:
            self.advance()
        elif not self.receiver.reading:
            self.receiver.schedule()

    # The actions of the lifecycle.

    def _handle(self, event: ConnectionEvent) -> None:
        _ACTIONS[self._lifecycle.handle(event)](self)

    def _send_goaway(self) -> None:
        self._writer.write(GOAWAY)

    def _close(self) -> None:
        self.transport.loseConnection()

    def _linger(self) -> None:
        self._idle_monitor = None
        self.transport.loseWriteConnection()
        self.receiver.pause_or_resume()

    def _drop_input(self) -> None:
        self.receiver.framer.clear()
        if self.receiver.counted:
            self.account()

    def _cancel_pending(self) -> None:
        self._idle_monitor = None
        self._drop_input()
        self._pending.cancel_all(Unavailable())
        self.advance()
        if self._writer.blocked:
            self.transport.abortConnection()


_METHODS: Final[dict[ConnectionAction, Callable[[ServerProtocol], None]]] = {
    ConnectionAction.NOTHING: lambda _: None,
    ConnectionAction.SERVE: lambda connection: connection.receiver.serve(),
    ConnectionAction.SEND_GOAWAY: ServerProtocol._send_goaway,
    ConnectionAction.CLOSE: ServerProtocol._close,
    ConnectionAction.LINGER: ServerProtocol._linger,
    ConnectionAction.CANCEL_PENDING: ServerProtocol._cancel_pending,
}
# By number: the hash of an enum is computed by a function in Python.
_ACTIONS: Final = tuple(_METHODS[each] for each in ConnectionAction)

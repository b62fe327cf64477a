"""One client: what its transport tells, and its way to the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.internet.interfaces import IHalfCloseableProtocol, IPushProducer
from twisted.python.failure import Failure
from zope.interface import implementer

from unixsvc.domain.handle_message import error_to_reply
from unixsvc.errors import Cancelled, Incomplete, ServiceError, Unavailable
from unixsvc.server.lifecycle import (
    ConnectionAction,
    ConnectionSnapshot,
    ConnectionState,
    IdleMonitor,
    required_action,
)
from unixsvc.server.receiver import RequestReceiver
from unixsvc.server.registry import ConnectionRegistry
from unixsvc.transport.peer import has_gone, peer_of
from unixsvc.wire.messages import GOAWAY

__all__ = ["ServerProtocol"]


@implementer(IPushProducer, IHalfCloseableProtocol)
class ServerProtocol(RequestReceiver):
    """Serves one client.

    It produces replies: the transport pauses it while the client does not take them, and for that time,
    or while too many requests are unanswered, no more is read.

    :param clients: what all connections share.
    """

    def __init__(self, clients: ConnectionRegistry) -> None:
        super().__init__(clients)
        self._watch: IdleMonitor | None = None  # most are gone before anybody looks at them

    # What the transport calls.

    def connectionMade(self) -> None:
        """A client has connected."""
        self._caller.peer = peer_of(self.transport)
        self.transport.registerProducer(self, True)
        refusal = self._clients.opened(self, self._caller.peer)
        if refusal is not None:
            self._refuse(refusal)

    def readConnectionLost(self) -> None:
        """The client sends no more; it may be gone, or wait for its replies."""
        busy = self._full or self._later or self._unanswered.requests or self._framer.pending
        if not busy or self._stage is ConnectionState.LINGERING or has_gone(self.transport):
            self._stage = max(self._stage, ConnectionState.CLOSING)
            self.transport.loseConnection()
            return
        rest = self._framer.rest()
        if rest.strip() and self._stage < ConnectionState.CLOSING:
            self._serve(rest)
        self._stage = max(self._stage, ConnectionState.ENDED)
        self._serve_all()

    def writeConnectionLost(self) -> None:
        """We have shut down our sending side; nothing follows from that."""

    def connectionLost(self, reason: Failure | None = None) -> None:
        """The client is gone: nobody wants the replies any more."""
        self._stage = ConnectionState.LOST
        self._clients.closed(self)
        if self._unanswered.requests:
            for each in self._unanswered.all_running():
                each.cancel(Cancelled())

    def pauseProducing(self) -> None:
        """More is waiting to be sent than the client takes."""
        self._full = True

    def resumeProducing(self) -> None:
        """The client has taken its replies."""
        self._full = False
        self._unanswered.go_on()
        self._go_on()

    def stopProducing(self) -> None:
        """The transport is about to be gone."""

    # The way to the end.

    def leave(self) -> None:
        """Have the client go: tell it, if it can hear that, and serve it until it has gone."""
        self._stage = max(self._stage, ConnectionState.LEAVING)
        self._watch = None
        self._serve_all()

    def finish(self) -> None:
        """Serve what has arrived, answer it, and close."""
        self._stage = max(self._stage, ConnectionState.ENDING)
        self._serve_all()

    def give_up(self) -> None:
        """Answer what is unanswered with 503, and close."""
        self._stage = max(self._stage, ConnectionState.GIVEN_UP)
        self._watch = None
        for each in self._unanswered.all_running():
            each.cancel(Unavailable())
        self._go_further()
        if self._full:
            self.transport.abortConnection()  # the client does not take what is sent

    def check_time(self, now: float, *, hurry: bool) -> None:
        """Close the connection if its client has used up its time."""
        framer, busy, held = self._framer, bool(self._unanswered), self._unanswered.held
        gone = not self._reading and has_gone(self.transport)  # else the transport tells
        sight = ConnectionSnapshot(
            self._stage, self._served, busy, held, framer.partial, framer.framed, self._full, gone
        )
        if self._watch is None:
            self._watch = IdleMonitor()
        _ACTS[self._watch.look(sight, self._clients.limits, now, hurry=hurry)](self)

    def _go_further(self) -> None:
        """Do what the way to the end demands by now."""
        self._flush()
        # Twisted's own transports forget a wish to close while they wait for a client to take its replies.
        waiting = self._full or bool(self._unanswered)
        _ACTS[required_action(self._stage, named=self._named, served=self._served, waiting=waiting)](self)

    def _tell(self) -> None:
        self._stage = ConnectionState.TOLD
        self._write(GOAWAY)

    def _refuse(self, error: ServiceError) -> None:
        """Say what is wrong, and close: what follows cannot be trusted, or is not wanted."""
        self._stage = ConnectionState.REFUSING
        self._answer(None, error_to_reply(error))
        self._go_further()

    def _linger(self) -> None:
        self._stage = ConnectionState.LINGERING
        self._watch = None
        self.transport.loseWriteConnection()
        self._hold_or_read()

    # Flow.

    def _go_on(self) -> None:
        """Something that held us up is over."""
        if self._stage >= ConnectionState.CLOSING:
            self._go_further()
        elif not self._reading:
            self._serve_later()

    def _hold_or_read(self) -> None:
        """Read on only where what comes can be served: the rest stays with the client."""
        wanted = not (self._later or self._full or self._unanswered.crowded)
        if self._stage and self._stage >= ConnectionState.ENDED:
            wanted = self._stage is ConnectionState.LINGERING
        if wanted != self._reading and self._stage is not ConnectionState.LOST:
            self._reading = wanted
            if wanted:
                self.transport.resumeProducing()
            else:
                self.transport.pauseProducing()


_ACTS: Final[dict[ConnectionAction, Callable[[ServerProtocol], None]]] = {
    ConnectionAction.NOTHING: lambda connection: None,
    ConnectionAction.TELL: ServerProtocol._tell,
    ConnectionAction.FINISH: ServerProtocol.finish,
    ConnectionAction.REFUSE: lambda connection: connection._refuse(Incomplete()),
    ConnectionAction.LINGER: ServerProtocol._linger,
    ConnectionAction.CLOSE: lambda connection: connection.transport.loseConnection(),
    ConnectionAction.CUT_OFF: lambda connection: connection.transport.abortConnection(),
}

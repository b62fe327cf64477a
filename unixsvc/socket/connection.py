"""One client: its messages in, its replies out, and a bound on what it can make us hold."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from twisted.internet.interfaces import IHalfCloseableProtocol, IPushProducer
from twisted.python.failure import Failure
from zope.interface import implementer

from unixsvc.domain.begun import Begun
from unixsvc.domain.handle import reply_for
from unixsvc.domain.message import Caller, Reply, Request
from unixsvc.domain.stream import Stream
from unixsvc.errors import (
    Cancelled,
    Incomplete,
    Malformed,
    NotJSON,
    ServiceError,
    TooLarge,
    Unauthorized,
    Unavailable,
)
from unixsvc.running.driver import Running
from unixsvc.socket.answering import Answering
from unixsvc.socket.clients import Clients
from unixsvc.socket.envelope import WireRequest, decode, find_id, is_grant, is_oneway, request_from
from unixsvc.socket.framing import Framer
from unixsvc.socket.peer import has_gone, has_more, peer_of
from unixsvc.socket.security import MAX_WRONG_TOKENS
from unixsvc.socket.watch import Act, Sight, Stage, Watch, act_at

__all__ = ["Connection"]

# So many messages of one client are served before the others have their turn.
_TURN: Final = 64
_GOAWAY: Final = b'{"goaway":true}\n'
_IN_USE: Final = [{"field": "id", "message": "is that of an unanswered request"}]
# Compared with for each message, so they stand where they are found at once.
_CLOSING: Final = Stage.CLOSING
_UNAUTHORIZED: Final = Unauthorized.code


@implementer(IPushProducer, IHalfCloseableProtocol)
class Connection(Answering):
    """Serves one client.

    It produces replies: the transport pauses it while the client does not take them, and for that time,
    or while too many requests are unanswered, no more is read.

    :param clients: what all connections share.
    """

    def __init__(self, clients: Clients) -> None:
        super().__init__(clients.reactor)
        self._clients = clients
        self._handle = clients.handle
        self._caller = Caller()
        self._framer = Framer(clients.limits.max_message_bytes)
        self._watch = Watch()
        self._reading = True
        self._later = False  # messages that are here will be served in the next turn
        self._named = False  # the client has shown an id, so it can hear that it is to go

    # What the transport calls.

    def connectionMade(self) -> None:
        """A client has connected."""
        self._caller.peer = peer_of(self.transport)
        self.transport.registerProducer(self, True)
        refusal = self._clients.opened(self, self._caller.peer)
        if refusal is not None:
            self._refuse(refusal)

    def dataReceived(self, data: bytes) -> None:
        """Bytes have come."""
        if self._stage or self._full or self._later or self._unanswered.requests:
            if self._stage < _CLOSING:
                self._serve_all(data)
        elif self._framer.is_message(data):  # most often, with nothing else to think of
            self._serve(data)
            if self._stage or self._full:
                self._serve_all()
        else:
            self._serve_all(data)

    def readConnectionLost(self) -> None:
        """The client sends no more; it may be gone, or wait for its replies."""
        unanswered = self._full or self._later or self._unanswered.requests or self._framer.pending
        if not unanswered or self._stage is Stage.LINGERING or has_gone(self.transport):
            self.transport.loseConnection()
            return
        rest = self._framer.rest()
        if rest.strip() and self._stage < _CLOSING:
            self._serve(rest)
        self._stage = max(self._stage, Stage.ENDED)
        self._serve_all()

    def writeConnectionLost(self) -> None:
        """We have shut down our sending side; nothing follows from that."""

    def connectionLost(self, reason: Failure | None = None) -> None:
        """The client is gone: nobody wants the replies any more."""
        self._stage = Stage.LOST
        self._clients.closed(self)
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
        self._stage = max(self._stage, Stage.LEAVING)
        self._watch = Watch()
        self._serve_all()

    def finish(self) -> None:
        """Serve what has arrived, answer it, and close."""
        self._stage = max(self._stage, Stage.ENDING)
        self._serve_all()

    def give_up(self) -> None:
        """Answer what is unanswered with 503, and close."""
        self._stage = max(self._stage, Stage.GIVEN_UP)
        self._watch = Watch()
        for each in self._unanswered.all_running():
            each.cancel(Unavailable())
        self._go_further()
        if self._full:
            self.transport.abortConnection()  # the client does not take what is sent

    def check_time(self, now: float, *, hurry: bool) -> None:
        """Close the connection if its client has used up its time."""
        framer, busy, held = self._framer, bool(self._unanswered), self._unanswered.held
        gone = not self._reading and has_gone(self.transport)  # else the transport tells
        sight = Sight(self._stage, self._served, busy, held, framer.partial, framer.framed, self._full, gone)
        _ACTS[self._watch.look(sight, self._clients.limits, now, hurry=hurry)](self)

    def _go_further(self) -> None:
        """Do what the way to the end demands by now."""
        self._flush()
        # Twisted's own transports forget a wish to close while they wait for a client to take its replies.
        waiting = self._full or bool(self._unanswered)
        _ACTS[act_at(self._stage, named=self._named, served=self._served, waiting=waiting)](self)

    def _tell(self) -> None:
        self._stage = Stage.TOLD
        self._write(_GOAWAY)

    def _refuse(self, error: ServiceError) -> None:
        """Say what is wrong, and close: what follows cannot be trusted, or is not wanted."""
        self._stage = Stage.REFUSING
        self._answer(None, reply_for(error))
        self._go_further()

    def _linger(self) -> None:
        self._stage = Stage.LINGERING
        self._watch = Watch()
        self.transport.loseWriteConnection()
        self._hold_or_read()

    # Messages in.

    def _serve_all(self, data: bytes = b"") -> None:
        """Serve messages until there is none, or it is time to let others have their turn.

        :param data: what has arrived.
        """
        if self._full or self._stage >= _CLOSING or self._unanswered.crowded:
            self._framer.keep(data)
        else:
            try:
                messages = self._framer.take(_TURN, data)
            except TooLarge as error:
                self._refuse(error)
            else:
                self._gathering = len(messages) > 1
                if self._serve_each(messages) and len(messages) < _TURN:
                    self._served_all()
                self._gathering = False
                if self._gathered:
                    self._flush()
        if self._later or self._full or self._stage or self._unanswered.crowded or not self._reading:
            self._hold_or_read()
            if self._stage:
                self._go_further()

    def _serve_each(self, messages: list[bytes]) -> bool:
        """Serve them; false if more would have to be served in a later turn, or none any more."""
        for at, message in enumerate(messages):
            if self._full or self._stage >= _CLOSING or self._unanswered.crowded:
                self._framer.put_back(messages[at:])
                return False
            self._serve(message)
        if len(messages) == _TURN:
            self._serve_later()
        return True

    def _served_all(self) -> None:
        """See whether what has come besides whole messages is one as well, or is the end."""
        if not self._framer.framed:
            self._serve_unframed()
        if self._stage and self._is_over():
            self._stage = _CLOSING

    def _is_over(self) -> bool:
        # What has been sent by now is served too, before nothing more is.
        ending = self._stage is Stage.ENDING and not has_more(self.transport)
        return ending or self._stage is Stage.ENDED

    def _serve_unframed(self) -> None:
        """The one-message exchange of the original system: no line end, no id, one reply, the end."""
        message = self._framer.unframed()
        if message is not None and find_id(message) is None:
            self._framer.rest()
            self._end = b""
            self._stage = _CLOSING
            self._serve(message)

    def _serve(self, message: bytes) -> None:
        try:
            wire = decode(message)
        except (NotJSON, Malformed) as error:
            self._serve_wrong(message, error)
            return
        self._served += 1
        name = wire.id
        if name is not None:
            self._named = True
        if wire.cancel or (wire.credit is not None and is_grant(message)):
            self._unanswered.steer(wire)
        elif name in self._unanswered.requests:
            if not wire.oneway:
                self._answer(name, reply_for(Malformed(_IN_USE)))
        else:
            request = request_from(wire, self._caller)
            answer = self._handle(request)
            if isinstance(answer, Reply):
                if not wire.oneway:
                    self._answer(name, answer)
                if answer.code == _UNAUTHORIZED and self._caller.wrong_tokens >= MAX_WRONG_TOKENS:
                    self._stage = Stage.REFUSING
            else:
                self._wait(wire, request, answer)

    def _wait(self, wire: WireRequest, request: Request, answer: Stream | Begun[Reply | Stream]) -> None:
        pending = self._unanswered.wait(wire)
        done = partial(self._done, pending)
        if isinstance(answer, Stream):
            done(answer)
        else:
            seconds = self._handle.seconds_for(request)
            pending.running = Running(answer, self._clients.reactor, seconds, done)

    def _serve_wrong(self, message: bytes, error: ServiceError) -> None:
        if not message.strip():
            return  # an empty line is nothing
        self._served += 1
        if isinstance(error, NotJSON):
            self._refuse(error)
            return
        name = find_id(message)
        self._named |= name is not None
        if not is_oneway(message):
            self._answer(name, reply_for(error))

    # Flow.

    def _go_on(self) -> None:
        """Something that held us up is over."""
        if self._stage >= _CLOSING:
            self._go_further()
        elif not self._reading:
            self._serve_later()

    def _serve_later(self) -> None:
        if not self._later:
            self._later = True
            self._clients.reactor.callLater(0, self._serve_now)

    def _serve_now(self) -> None:
        self._later = False
        self._serve_all()

    def _hold_or_read(self) -> None:
        """Read on only where what comes can be served: the rest stays with the client."""
        wanted = not (self._later or self._full or self._unanswered.crowded)
        if self._stage and self._stage >= Stage.ENDED:
            wanted = self._stage is Stage.LINGERING
        if wanted != self._reading and self._stage is not Stage.LOST:
            self._reading = wanted
            if wanted:
                self.transport.resumeProducing()
            else:
                self.transport.pauseProducing()


_ACTS: Final[dict[Act, Callable[[Connection], None]]] = {
    Act.NOTHING: lambda connection: None,
    Act.TELL: Connection._tell,
    Act.FINISH: Connection.finish,
    Act.REFUSE: lambda connection: connection._refuse(Incomplete()),
    Act.LINGER: Connection._linger,
    Act.CLOSE: lambda connection: connection.transport.loseConnection(),
    Act.CUT_OFF: lambda connection: connection.transport.abortConnection(),
}

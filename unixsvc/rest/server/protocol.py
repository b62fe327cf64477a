"""One HTTP connection, on twisted.web's: with limits, and read strictly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from twisted.internet.interfaces import IAddress, ISSLTransport, ITCPTransport
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel
from twisted.web.http_headers import Headers
from twisted.web.server import Request

from unixsvc.domain import message
from unixsvc.domain.handle_message import error_to_reply
from unixsvc.errors import Incomplete, ServiceError
from unixsvc.rest.decode import meta_of
from unixsvc.rest.encode import response_context
from unixsvc.rest.server.parser import RequestParser
from unixsvc.rest.server.request_head import says_close
from unixsvc.rest.server.timeouts import ConnectionPhase, PhaseTimer, peer_has_closed, unsent_bytes
from unixsvc.rest.server.writer import last_answer
from unixsvc.transport.peer import has_more

if TYPE_CHECKING:
    from unixsvc.rest.server.site import HttpSite

__all__ = ["HttpProtocol"]

# So many requests of one client are served before the others have their turn.
_TURN: Final = 64
# More bytes than these, behind a request that is being answered, stay with the client.
_AHEAD: Final = 16_384


class HttpProtocol(HTTPChannel):
    """Serves one client.

    Of twisted.web's it keeps what requests see: to write, to register producers, to know the addresses.
    What comes is read here: a head at once, not line by line, and nothing is buffered beyond its limit. Of
    time, only the front knows, which asks each channel every now and then what it waits for.

    :param front: what all channels share.
    """

    transport: Any
    _peer: IAddress
    _host: IAddress

    def __init__(self, front: HttpSite) -> None:
        super().__init__()
        self.factory = self.site = front
        self.requestFactory: Any = front.requestFactory
        self._front = front
        self._framer = RequestParser(front.http.max_header_bytes, front.limits.max_message_bytes)
        self._told = False  # the client, that it may send the body
        self._busy = self._later = self._full = self._serving = False
        self._reading = True
        self._end: ConnectionPhase | None = None  # how it is being closed
        self._served = 0
        self._unsent = b""
        self._watch = PhaseTimer()

    # What the transport calls.

    def connectionMade(self) -> None:
        """A client has connected.

        Twisted's own starts a timer, and takes a transport for one that cannot be paused if it does not say
        that it is a producer, as that of an asyncio loop.
        """
        transport = self.transport
        if ITCPTransport.providedBy(transport):
            transport.setTcpNoDelay(True)
        self._networkProducer = transport
        transport.registerProducer(self, True)
        self._handlingRequest = True  # so that Twisted leaves to us when to read on
        self._peer, self._host = transport.getPeer(), transport.getHost()
        self._front.opened(self)

    def dataReceived(self, data: bytes) -> None:
        """Bytes have come. Twisted's own goes through them line by line, and restarts a timer."""
        if self._end is not None:
            return
        self._framer.arrived += data
        if not (self._busy or self._later or self._full):
            self._serve()
        elif self._reading:
            self._hold_or_read()

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        """The client is gone: nobody wants the answers any more."""
        self._end = ConnectionPhase.CLOSING
        self._front.closed(self)
        super().connectionLost(reason)

    def pauseProducing(self) -> None:
        """More is waiting to be sent than the client takes."""
        self._full = True
        super().pauseProducing()

    def resumeProducing(self) -> None:
        """The client has taken its answers."""
        self._full = False
        super().resumeProducing()
        self._go_on()

    # What requests call.

    def getPeer(self) -> IAddress:
        """The other end. Each request asks, and to ask the transport costs."""
        return self._peer

    def getHost(self) -> IAddress:
        """Where the client has connected to."""
        return self._host

    def writeHeaders(self, version: bytes, code: bytes, reason: bytes, headers: Headers) -> None:
        """Keep the head of an answer until :meth:`flush`; with Date, and the truth about the connection."""
        pieces = [b"%b %b %b\r\n" % (version, code, reason)]
        says, dated = False, False
        for name, values in headers.getAllRawHeaders():
            if name == b"Connection":
                says = says_close(list(values))
            elif name == b"Date":
                dated = True
            pieces += [b"%b: %b\r\n" % (name, value) for value in values]
        if says or self._front.leaving:
            self.persistent = False
        if not (says or self.persistent):
            pieces.append(b"Connection: close\r\n")
        if not dated:
            pieces.append(self._front.date)
        pieces.append(b"\r\n")
        self._unsent = b"".join(pieces)

    def write(self, data: bytes) -> None:
        """Send; the head goes along."""
        if self._unsent:
            data, self._unsent = self._unsent + data, b""
        self.transport.write(data)

    def writeSequence(self, iovec: list[bytes]) -> None:
        """Send several pieces."""
        self.write(b"".join(iovec))

    def flush(self) -> None:
        """Send the head, if nothing has taken it along."""
        if self._unsent:
            self.write(b"")

    def loseConnection(self) -> None:
        """Close when all is sent."""
        self._close()

    def requestDone(self, request: Request) -> None:
        """A request is answered. Twisted's own goes back to reading lines."""
        self.requests.remove(request)
        self._served += 1
        self._busy = False
        if self.persistent and not self._front.leaving:
            self._go_on()
        else:
            self._close()

    # The way to the end.

    def leave(self) -> None:
        """Have the client go: now, if it has nothing to wait for, else with its next answer."""
        if self._phase() is ConnectionPhase.PARTING:
            self._close_silent()

    def refuse(self, error: ServiceError) -> None:
        """Say what is wrong, and close: what follows cannot be trusted, or is not wanted."""
        head = self._framer.head
        method, fields = (b"", {}) if head is None else (head.method, head.fields)
        asked = message.Request("", "", meta=meta_of(fields))
        answer = self._front.answering.answer(error_to_reply(error), response_context(method, fields, asked))
        self.transport.write(last_answer(answer, self._front.date))
        self._linger()

    def cut_off(self) -> None:
        """Close now."""
        self._end = ConnectionPhase.CLOSING
        self.transport.abortConnection()

    def check_time(self, now: float) -> None:
        """Close the connection if its client has used up its time."""
        if not self._reading and self._end is None and peer_has_closed(self.transport):
            self.cut_off()
            return
        phase = self._phase()
        waiting = unsent_bytes(self.transport) if phase.sends else 0
        if self._watch.look(phase, self._served, waiting, now) >= self._front.limit(phase):
            if phase.silent:
                self._close_silent()
            elif phase.sends:
                self.cut_off()
            else:
                self.refuse(Incomplete())

    def _phase(self) -> ConnectionPhase:
        """What is waited for."""
        if self._end is not None:
            return self._end
        if self._full:
            return ConnectionPhase.SENDING
        if self._busy or self._later:
            return ConnectionPhase.ANSWERING
        if self._framer.head is not None:
            return ConnectionPhase.BODY
        if self._framer.arrived:
            return ConnectionPhase.HEAD
        if not self._served:
            return ConnectionPhase.FRESH
        return ConnectionPhase.PARTING if self._front.leaving else ConnectionPhase.IDLE

    def _close_silent(self) -> None:
        """Close, unless the client has said something just now: that is read in a moment."""
        if not has_more(self.transport):
            self._close()

    def _close(self) -> None:
        """Close when all is sent.

        A socket that is closed with bytes unread resets its client, which then may not see the answer.
        """
        if self._end is None:
            if self._framer.arrived or not self._reading or has_more(self.transport):
                self._linger()
                return
            self._end = ConnectionPhase.CLOSING
            self.transport.unregisterProducer()  # Twisted's transports would wait for it
            self.transport.loseConnection()

    def _linger(self) -> None:
        """Send no more when all is sent, and drop what comes."""
        self._end = ConnectionPhase.LINGERING
        self._framer.clear()
        self.transport.unregisterProducer()
        if ISSLTransport.providedBy(self.transport):  # cannot be closed on one side
            self.transport.loseConnection()
            return
        self.transport.loseWriteConnection()
        if not self._reading:
            self._reading = True
            self.transport.resumeProducing()

    # Requests in.

    def _go_on(self) -> None:
        if self._later or self._busy:
            self._hold_or_read()
        elif not self._serving:
            self._serve()

    def _serve(self) -> None:
        """Serve requests until there is none, or it is time to let others have their turn."""
        self._serving = True
        try:
            for _ in range(_TURN):
                if self._busy or self._full or self._end is not None or not self._take():
                    break
            else:
                self._later = True
                self._front.reactor.callLater(0, self._serve_later)
        except ServiceError as error:
            self.refuse(error)
        finally:
            self._serving = False
        self._hold_or_read()

    def _serve_later(self) -> None:
        self._later = False
        self._serve()

    def _take(self) -> bool:
        """Have a request answered, if a whole one has come; whether it has."""
        framer = self._framer
        found = framer.next()
        if found is None:
            head = framer.head
            if head is not None and head.expects and not self._told and not framer.arrived:
                self._told = True
                self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            return False
        head, body = found
        self._told = False
        self._busy = True
        self.persistent = head.keep
        request = self.requestFactory(self)
        self.requests.append(request)
        request.begin(head, body)
        return True

    def _hold_or_read(self) -> None:
        """Read on only where what comes can be served soon: the rest stays with the client.

        While a request is answered, a little is read on, as that is how the end of the client is noticed.
        """
        if self._end is not None:
            return
        wanted = len(self._framer.arrived) <= _AHEAD if self._busy else not (self._later or self._full)
        if wanted != self._reading:
            self._reading = wanted
            if wanted:
                self.transport.resumeProducing()
            else:
                self.transport.pauseProducing()

"""All HTTP connections of one service in one process, and what they share."""

from __future__ import annotations

import math
from typing import Any, Final

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IAddress
from twisted.internet.task import LoopingCall
from twisted.web.http import datetimeToString
from twisted.web.resource import IResource
from twisted.web.server import Site

from unixsvc.config.http import Http
from unixsvc.config.settings import Limits
from unixsvc.errors import Unavailable
from unixsvc.rest.encode import ResponseBuilder
from unixsvc.rest.server.protocol import HttpProtocol
from unixsvc.rest.server.request import HttpRequest
from unixsvc.rest.server.timeouts import ConnectionPhase

__all__ = ["HttpSite"]

# A client that is told why it is refused may still be sending: it is read on for so long, in seconds.
_LINGER: Final = 2.0
# Where nobody serves in our place, a client that has said nothing yet is given so long to do so.
_HURRIED: Final = 0.5
# Where others serve in our place, a client that waits for nothing is kept so long: what it has sent by now is
# on its way, and would be lost. Round the Earth and back takes less.
_ON_ITS_WAY: Final = 1.0
# So many clients that are one too many are told so at a time; further ones are cut off.
_TURNED_AWAY: Final = 64
# A limit of time is kept to a fourth of it, or to a second.
_EVERY: Final = 1.0


class HttpSite(Site):
    """Makes the server's side of HTTP connections, and has all of them keep their limits.

    :param gateway: answers all requests.
    :ivar answering: makes the answers to what never becomes a request.
    :ivar date: the line that tells the time.
    :ivar leaving: whether each connection is to end with its next answer.
    """

    noisy = False
    requestFactory = HttpRequest

    def __init__(self, gateway: IResource, http: Http, limits: Limits, reactor: Any) -> None:
        super().__init__(gateway, reactor=reactor, timeout=None)
        self.http = http
        self.limits = limits
        self.answering = ResponseBuilder(http)
        self.leaving = False
        self.date = b""
        self._channels: set[HttpProtocol] = set()
        self._turned_away: set[HttpProtocol] = set()
        self._all_gone: list[Deferred[None]] = []
        self._seconds = {
            ConnectionPhase.FRESH: http.header_timeout,
            ConnectionPhase.IDLE: limits.idle_timeout,
            ConnectionPhase.PARTING: 0.0,
            ConnectionPhase.HEAD: http.header_timeout,
            ConnectionPhase.BODY: limits.message_timeout,
            ConnectionPhase.ANSWERING: math.inf,  # HandleMessage sees to it
            ConnectionPhase.SENDING: http.send_timeout,
            ConnectionPhase.CLOSING: http.send_timeout,
            ConnectionPhase.LINGERING: _LINGER,
        }
        self._hurried = False
        self._checks = LoopingCall(self._check_time)
        self._checks.clock = reactor

    # What Twisted calls.

    def startFactory(self) -> None:
        """Nothing: Twisted's own opens the log of requests, for which it has a timer of its own."""

    def stopFactory(self) -> None:
        """Nothing, likewise."""

    def log(self, request: Any) -> None:
        """Nothing: requests are counted, not logged."""

    def buildProtocol(self, addr: IAddress | None) -> HttpProtocol:  # type: ignore[override]
        """The server's side of a connection; Twisted's own puts one in between that can switch to HTTP/2."""
        return HttpProtocol(self)

    def acceptableProtocols(self) -> list[bytes]:
        """What a client that encrypts may choose from."""
        return [b"http/1.1"]

    # What handlers call.

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return len(self._channels) + len(self._turned_away)

    def leave(self, wait_for_idle: bool) -> Deferred[None]:
        """Have every client go.

        Who waits for nothing goes at once, or after a second if we are patient; who waits for an answer, with
        that; and what is still asked is answered, once. It may be called again, with another value.

        :param wait_for_idle: wait for connections without a request yet, and for requests on their way.
        :returns: fires when the last is gone.
        """
        self.leaving = True
        self._hurried = self._hurried or not wait_for_idle
        if self._hurried:
            self._seconds[ConnectionPhase.FRESH] = min(_HURRIED, self.http.header_timeout)
            self._seconds[ConnectionPhase.PARTING] = 0.0
            for each in list(self._channels):
                each.leave()
        else:
            self._seconds[ConnectionPhase.PARTING] = min(_ON_ITS_WAY, self.limits.idle_timeout)
        if not self.connections:
            self._rest()
            return succeed(None)
        if self._checks.running:
            self._checks.stop()
            self._start_checks()
        gone: Deferred[None] = Deferred()
        self._all_gone.append(gone)
        return gone

    def abort(self) -> None:
        """Close every connection now."""
        for each in [*self._channels, *self._turned_away]:
            each.cut_off()

    # What channels call.

    def opened(self, channel: HttpProtocol) -> None:
        """Note a new connection, and turn it away if it is one too many."""
        if not self._checks.running:
            self._start_checks()
        if len(self._channels) < self.limits.max_connections:
            self._channels.add(channel)
            return
        self._turned_away.add(channel)
        if len(self._turned_away) > _TURNED_AWAY:
            channel.cut_off()
        else:
            channel.refuse(Unavailable())

    def closed(self, channel: HttpProtocol) -> None:
        """Note that a connection is gone."""
        self._channels.discard(channel)
        self._turned_away.discard(channel)
        if self._all_gone and not self.connections:
            gone, self._all_gone = self._all_gone, []
            self._rest()
            for each in gone:
                each.callback(None)

    def limit(self, phase: ConnectionPhase) -> float:
        """For how long a connection may be in a phase, in seconds."""
        return self._seconds[phase]

    def _start_checks(self) -> None:
        self.date = _date()
        every = min(_EVERY, *(each / 4 for each in self._seconds.values() if each))
        self._checks.start(every, now=False)

    def _check_time(self) -> None:
        """Close the connections whose clients have used up their time."""
        if not self.connections:
            self._rest()
            return
        self.date = _date()
        now = self.reactor.seconds()
        for each in [*self._channels, *self._turned_away]:
            each.check_time(now)

    def _rest(self) -> None:
        if self._checks.running:
            self._checks.stop()


def _date() -> bytes:
    return b"Date: %b\r\n" % datetimeToString()

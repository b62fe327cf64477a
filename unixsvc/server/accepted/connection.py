"""A connection whose first message is served, and that has no transport."""

from __future__ import annotations

from collections.abc import Callable
from socket import MSG_DONTWAIT, SocketType
from typing import Final

from msgspec import Struct

from unixsvc.domain.message import Caller, Peer
from unixsvc.listen.host import ConnectionHost
from unixsvc.server.protocol import ServerProtocol
from unixsvc.server.registry import ConnectionRegistry
from unixsvc.transport.peer import SocketCaller, forget_caller

__all__ = ["AcceptedConnection"]

_READ: Final = 8192


# A Struct is constructed without a Python function: a service may get a connection for each request.
class AcceptedConnection(Struct, eq=False):
    """Waits for the end of the connection, as a client with one request closes it after the reply.

    Everything else is the business of a :class:`ServerProtocol`, which takes its place then.

    :ivar connection: made without the methods of :class:`socket.socket` that are written in Python, which
        takes a third of the time.
    :ivar identified: the first message had an id, so the client understands goaway.
    :ivar framed: the first message had a line end. Otherwise it was the only one.
    """

    registry: ConnectionRegistry
    host: ConnectionHost
    connection: SocketType
    caller: SocketCaller
    identified: bool
    framed: bool
    _idle_since: float | None = None
    _steps: list[Callable[[ServerProtocol], object]] | None = None

    @property
    def received(self) -> int:
        """0: the first message is counted already."""
        return 0

    @property
    def peer(self) -> Peer:
        """The process that has connected."""
        return self.caller.peer

    def readable(self) -> None:
        """The client has sent more, or is disconnected."""
        connection = self.connection
        try:
            data = connection.recv(_READ, MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self._connect(lambda protocol: protocol.dataReceived(data))
            return
        self.host.unwatch(connection.fileno(), closes=True)
        self.registry.remove(self)
        forget_caller(self)
        connection.close()
        self.host.closed()

    def pending_calls(self) -> tuple[()]:
        """None: a connection with a request that waits has a transport."""
        return ()

    def check_time(self, now: float, *, wait_for_idle: bool) -> None:
        """Close the connection if it is idle for too long.

        :param now: in seconds.
        """
        if self._idle_since is None:
            self._idle_since = now
        elif now - self._idle_since >= self.registry.limits_for(self.caller, 1).idle_timeout:
            self._connect(ServerProtocol.finish)

    def drain(self) -> None:
        """Send goaway if the client understands that, and serve it until it disconnects."""
        self._connect(ServerProtocol.drain)

    def abort(self) -> None:
        """Answer a pending request with 503, and close."""
        self._connect(ServerProtocol.abort)

    def review_caller(self, review: Callable[[Caller], bool]) -> None:
        """Review the caller; if the client should reconnect, send goaway."""
        if review(self.caller):
            self.drain()

    def go_on(self, step: Callable[[ServerProtocol], object]) -> None:
        """Go on with a transport, as the first message is not answered yet, or its reply not sent.

        :param step: called with the protocol.
        """
        self.registry.add(self)
        self._steps = [step]
        self._make_transport()

    def _connect(self, step: Callable[[ServerProtocol], object]) -> None:
        """Go on with a transport after having waited."""
        if self._steps is None:
            self._steps = [step]
            self.host.unwatch(self.connection.fileno(), closes=False)
            self._make_transport()
        else:  # it is being made
            self._steps.append(step)

    def _make_transport(self) -> None:
        protocol = ServerProtocol(self.registry, self.caller)
        protocol.resume(self._idle_since, identified=self.identified, framed=self.framed)

        def start() -> None:
            self.registry.replace(self, protocol)
            for step in self._steps or ():
                step(protocol)

        def failed() -> None:
            self.registry.remove(self)
            if self.caller.known_peer is None:  # the descriptor is closed by now
                self.caller.known_peer = Peer()

        self.host.connect(self.connection.detach(), protocol, start, failed)

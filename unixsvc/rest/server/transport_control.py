"""A transport's reading and closing."""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import ISSLTransport, ITCPTransport

from unixsvc.rest.server.timeouts import ConnectionPhase
from unixsvc.transport.peer import has_unread_data

__all__ = ["TransportControl"]


class TransportControl:
    """Pauses, resumes and closes the transport of one connection.

    :param transport: ``Any``, as asyncio's and Twisted's transports have no type in common.
    :ivar reading: whether the transport delivers bytes.
    :ivar closing: the phase of the close; None while the connection is open.
    """

    __slots__ = ("_transport", "closing", "reading")

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        if ITCPTransport.providedBy(transport):
            transport.setTcpNoDelay(True)
        self.reading = True
        self.closing: ConnectionPhase | None = None

    def read(self, wanted: bool) -> None:
        """Pause or resume the transport."""
        if wanted != self.reading:
            self.reading = wanted
            if wanted:
                self._transport.resumeProducing()
            else:
                self._transport.pauseProducing()

    def has_unread(self) -> bool:
        """Whether the client has sent something that is not read."""
        return not self.reading or has_unread_data(self._transport)

    def close(self) -> None:
        """Close when all is sent."""
        self.closing = ConnectionPhase.CLOSING
        self._transport.unregisterProducer()  # Twisted's transports would wait for it
        self._transport.loseConnection()

    def linger(self) -> None:
        """Close the sending side when all is sent, and read on.

        A socket that is closed with bytes unread resets its connection, and the client may not see the
        response.
        """
        self.closing = ConnectionPhase.LINGERING
        self._transport.unregisterProducer()
        if ISSLTransport.providedBy(self._transport):  # TLS cannot be closed on one side
            self._transport.loseConnection()
            return
        self._transport.loseWriteConnection()
        self.read(True)

    def abort(self) -> None:
        """Close now."""
        self.closing = ConnectionPhase.CLOSING
        self._transport.abortConnection()

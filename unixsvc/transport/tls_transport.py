"""Connects Twisted's protocols to the TLS transports of an asyncio event loop."""

from __future__ import annotations

import asyncio
import socket
from typing import Any, cast

from twisted.internet.interfaces import ISSLTransport
from zope.interface import implementer

from unixsvc.domain.client_certificate import decode_certificate
from unixsvc.transport.loop_transport import LoopTransport
from unixsvc.transport.peer_certificate import certified_address
from unixsvc.transport.private_apis import transport_below_tls

__all__ = ["SecureLoopTransport"]

# Bytes in the write buffer at which a producer is paused: the limit of Twisted's own transports, and of the
# loops' transports without TLS.
_HIGH_WATER = 65_536


@implementer(ISSLTransport)
class SecureLoopTransport(LoopTransport):
    """A LoopTransport with TLS over TCP; the acceptor has set up TLS in the loop's transport.

    The loop's transport encrypts a large reply as a whole and hands it to the TCP connection before it looks
    whether the peer takes any of it. So it gets such a reply in pieces, and pauses the producer.
    """

    secure = True
    _below: asyncio.Transport | None = None
    _writes_pieces = False
    _paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The loop has a connection."""
        secure = cast(asyncio.Transport, transport)
        secure.set_write_buffer_limits(high=_HIGH_WATER)
        self._below = transport_below_tls(secure)
        super().connection_made(transport)
        self.write = self._write

    def write_buffer_size(self) -> int:
        """The number of bytes that the kernel has not taken yet, encrypted or not."""
        below = 0 if self._below is None else self._below.get_write_buffer_size()
        return super().write_buffer_size() + below

    def socket_writer(self) -> None:
        """None: what is written must be encrypted."""

    def pause_writing(self) -> None:
        """The write buffer is full; after the last piece, as the producer may ask for its size."""
        self._paused = True
        if not self._writes_pieces:
            super().pause_writing()

    def resume_writing(self) -> None:
        """The write buffer has room again."""
        self._paused = False
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """The loop has closed the connection."""
        super().connection_lost(exc)
        self.write = self._transport.write  # its own method would keep this object until a collection

    def _write(self, data: bytes) -> None:
        write = self._transport.write
        if len(data) <= _HIGH_WATER:
            write(data)
            return
        self._writes_pieces = True
        view = memoryview(data)
        for start in range(0, len(data), _HIGH_WATER):
            write(view[start : start + _HIGH_WATER])
        self._writes_pieces = False
        if self._paused:
            super().pause_writing()

    def getPeer(self) -> Any:
        """The address of the client, with its certificate if it has shown one that is verified."""
        address = super().getPeer()
        decoded = self._transport.get_extra_info("peercert")
        if not decoded:
            return address
        return certified_address(address, decode_certificate(decoded, self.getPeerCertificate() or b""))

    def getTcpNoDelay(self) -> bool:
        """TCP_NODELAY."""
        return bool(self._get_option(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    def setTcpNoDelay(self, enabled: bool) -> None:
        """Set TCP_NODELAY."""
        self.getHandle().setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, bool(enabled))

    def getTcpKeepAlive(self) -> bool:
        """SO_KEEPALIVE."""
        return bool(self._get_option(socket.SOL_SOCKET, socket.SO_KEEPALIVE))

    def setTcpKeepAlive(self, enabled: bool) -> None:
        """Set SO_KEEPALIVE."""
        self.getHandle().setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, bool(enabled))

    def _get_option(self, level: int, name: int) -> int:
        return cast(int, self.getHandle().getsockopt(level, name))

    def getPeerCertificate(self) -> bytes | None:
        """The peer's certificate in DER, if it has sent one."""
        ssl_object = self._transport.get_extra_info("ssl_object")
        return cast("bytes | None", ssl_object.getpeercert(binary_form=True))

"""What the server needs of a transport."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from twisted.internet.interfaces import IPushProducer
from zope.interface import Interface

if TYPE_CHECKING:
    from unixsvc.transport.socket_writer import SocketWriter

__all__ = ["ISocketWriting", "IWriteBuffer", "ServerTransport"]


class IWriteBuffer(Interface):
    """A transport that knows how much it has not handed to the kernel yet."""

    def write_buffer_size() -> int:
        """Return the number of bytes."""


class ISocketWriting(Interface):
    """A transport that lets others write to its socket."""

    def socket_writer() -> SocketWriter | None:
        """Return what writes to the socket; None while the transport itself has something to write.

        :raises OSError: if no file descriptor is left.
        """


class ServerTransport(Protocol):
    """The parts of Twisted's ITransport, IConsumer, IPushProducer and IHalfCloseableDescriptor in use.

    Twisted has no single interface for them.
    """

    def write(self, data: bytes, /) -> None:
        """Send bytes."""

    def loseConnection(self) -> None:
        """Close when all is written."""

    def abortConnection(self) -> None:
        """Close now."""

    def loseWriteConnection(self) -> None:
        """Shut down the sending side when all is written."""

    def registerProducer(self, producer: IPushProducer, streaming: bool, /) -> None:
        """Pause the producer while the buffer is full."""

    def unregisterProducer(self) -> None:
        """Forget the producer."""

    def pauseProducing(self) -> None:
        """Stop to receive."""

    def resumeProducing(self) -> None:
        """Receive again."""

"""A transport whose writes are made at the end of the turn of the event loop."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from twisted.internet.interfaces import IAddress, IProtocol

from unixsvc.transport.loop_transport import LoopTransport
from unixsvc.transport.socket_writer import SocketWriter
from unixsvc.transport.write_batch import MOST, WriteBatch

__all__ = ["BatchedTransport"]

_MOST_HELD: Final = 16_384  # bytes that wait for the end of the turn


class BatchedTransport(LoopTransport):
    """A LoopTransport that writes at the end of the turn if several connections write in it.

    :param batch: the transports that write at the end of the turn.
    :ivar unwritten: see :class:`~unixsvc.transport.write_batch.HoldsWrites`.
    :ivar send: see there.
    """

    def __init__(
        self,
        protocol: IProtocol,
        address: IAddress,
        lost: Callable[[], object],
        start: Callable[[], object] | None,
        batch: WriteBatch,
    ) -> None:
        super().__init__(protocol, address, lost, start)
        self._batch = batch
        self.unwritten = b""
        self.send: Callable[[bytes], None]

    def start_writing(self) -> None:
        """See :class:`LoopTransport`: here :meth:`write` is that of the loop's transport at times only."""
        self.send = self._transport.write

    def write(self, data: bytes) -> None:
        """Send bytes."""
        if self.unwritten:
            if len(self.unwritten) + len(data) <= _MOST_HELD:
                self.unwritten += data
            else:
                self.flush()
                self.send(data)
        elif self._batch.direct:
            self._batch.add_direct(self)
            self.send(data)
        elif len(data) > _MOST_HELD:  # the limit of all unsent replies does not see what waits here
            self.send(data)
        else:
            self.unwritten = data
            waiting = self._batch.waiting
            waiting.append(self)
            if len(waiting) == 1:
                self._batch.begin()
            elif len(waiting) == MOST:
                self._batch.flush()

    def flush(self) -> None:
        """Hand to the loop's transport what waits for the end of the turn."""
        data, self.unwritten = self.unwritten, b""
        if data:
            self.send(data)

    def write_at_once(self) -> None:
        """Make :meth:`write` that of the loop's transport. Nothing may wait for the end of the turn."""
        # mypy has no type for a method that an instance replaces. Another call would cost each reply 1 %.
        self.write = self.send  # type: ignore[assignment,method-assign]

    def hold_back(self) -> None:
        """Undo :meth:`write_at_once`."""
        self.__dict__.pop("write", None)

    def writeSequence(self, data: Iterable[bytes]) -> None:
        """Write several pieces."""
        self.flush()
        super().writeSequence(data)

    def write_buffer_size(self) -> int:
        """The number of bytes that the kernel has not taken yet."""
        return super().write_buffer_size() + len(self.unwritten)

    def socket_writer(self) -> SocketWriter | None:
        """See :class:`~unixsvc.transport.interfaces.ISocketWriting`."""
        self.flush()
        return super().socket_writer()

    def eof_received(self) -> bool:
        """The peer sends no more. If this returns False, the loop closes the connection and sends nothing."""
        stays_open = super().eof_received()
        self.flush()
        return stays_open

    def connection_lost(self, exc: Exception | None) -> None:
        """The loop has closed the connection."""
        self.unwritten = b""
        super().connection_lost(exc)

    def loseConnection(self) -> None:
        """Close when all is written."""
        self.flush()
        super().loseConnection()

    def abortConnection(self) -> None:
        """Close now; the kernel has got as much as it takes at once, as without a batch."""
        self.flush()
        super().abortConnection()

    def loseWriteConnection(self) -> None:
        """Shut down the sending side when all is written, and go on receiving."""
        self.flush()
        super().loseWriteConnection()

"""The transports that write at the end of a turn of the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context
from typing import Final, Protocol

from unixsvc.telemetry.limited_logger import LimitedLogger

__all__ = ["MOST", "HoldsWrites", "WriteBatch"]

_log: Final = LimitedLogger(__name__)

# With 30 µs for each request, a reply is delayed by a millisecond at most.
MOST: Final = 32
"""The most transports that wait."""
# With fewer in a turn, a call at its end costs more than is gained. After as many of such turns one after the
# other, transports write at once, for a time in seconds.
_FEWEST: Final = 4
_TURNS: Final = 4
_DIRECT: Final = 0.1


class HoldsWrites(Protocol):
    """A transport that holds back what it is to write.

    :ivar unwritten: these bytes.
    :ivar send: writes bytes.
    """

    unwritten: bytes
    send: Callable[[bytes], None]

    def write_at_once(self) -> None:
        """Hold nothing back any more."""

    def hold_back(self) -> None:
        """Hold back again."""


class WriteBatch:
    """Has transports write at the end of the turn, where many connections are readable in one.

    Sending runs much code of the kernel, with TCP that of both ends. It evicts ours from the CPU's caches,
    and ours evicts the kernel's. So each of them runs several times in a row instead of alternately.

    Transports have the code that adds them, as another call would cost as much as it.

    :param loop: whose turns are meant.
    :ivar waiting: the transports that write at the end of the turn. The first one that is added calls
        :meth:`begin`, and one that makes them :data:`MOST` calls :meth:`flush`.
    :ivar direct: whether transports write at once, as few connections are busy.
    """

    __slots__ = ("_at_once", "_context", "_few", "_full", "_loop", "direct", "waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._context = Context()  # that of the request would be kept until the end of the turn
        self.waiting: list[HoldsWrites] = []
        self._at_once: list[HoldsWrites] = []
        self._few = 0  # turns with few of them, one after the other
        self._full = False  # they were flushed in this turn already
        self.direct = False

    def begin(self) -> None:
        """Write at the end of the turn."""
        self._loop.call_soon(self._end_turn, context=self._context)

    def flush(self) -> None:
        """Write at once, as enough transports wait."""
        self._full = True
        self._write()

    def add_direct(self, transport: HoldsWrites) -> None:
        """Have a transport write at once, until it is tried again to hold back."""
        transport.write_at_once()
        self._at_once.append(transport)

    def _end_turn(self) -> None:
        if len(self.waiting) >= _FEWEST or self._full:
            self._few = 0
        elif self.waiting:
            self._few += 1
        self._full = False
        self._write()
        if self._few >= _TURNS and not self.direct:
            self.direct = True
            self._loop.call_later(_DIRECT, self._hold_back, context=self._context)

    def _write(self) -> None:
        waiting, self.waiting = self.waiting, []
        for transport in waiting:
            if data := transport.unwritten:
                transport.unwritten = b""
                try:
                    transport.send(data)
                except Exception as error:  # the others have to get their replies
                    _log.failure("a reply cannot be written", error)

    def _hold_back(self) -> None:
        self.direct, self._few = False, 0
        at_once, self._at_once = self._at_once, []
        for transport in at_once:
            transport.hold_back()

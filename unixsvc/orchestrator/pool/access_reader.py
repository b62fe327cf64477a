"""Reads what a worker has noted for the access log."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger, LogLevel

from unixsvc.orchestrator.reactor import IPoolReactor
from unixsvc.telemetry.access.entry import MESSAGE, NAMESPACE, fields_of, read_entries
from unixsvc.telemetry.access.journal import JournalReader, make_journal

__all__ = ["AccessReader", "relay_entries"]

# Many entries are read together, as a timer costs more than an entry; in seconds.
_INTERVAL: Final = 0.05
_IDLE_INTERVAL: Final = 0.2  # with nothing to read; the journal has room for twice this time


class AccessReader:
    """Reads a journal from time to time.

    :param deliver: called with entries, each on a line, and with the number of lost events.
    :ivar descriptor: of the memory, for the worker.
    """

    def __init__(self, reactor: IPoolReactor, deliver: Callable[[bytes, int], object]) -> None:
        self._reactor = reactor
        self._deliver = deliver
        self.descriptor = make_journal()
        self._journal = JournalReader(self.descriptor)
        self._timer: IDelayedCall | None = None

    def start(self) -> None:
        """Begin to read; the worker has the memory."""
        os.close(self.descriptor)
        self._timer = self._reactor.callLater(_INTERVAL, self._read_on)

    def abandon(self) -> None:
        """Release the memory: no worker was started."""
        os.close(self.descriptor)

    def end(self) -> None:
        """Read what is left: the worker has ended."""
        if self._timer is not None:
            self._timer.cancel()
        self._read()

    def _read_on(self) -> None:
        self._timer = self._reactor.callLater(_INTERVAL if self._read() else _IDLE_INTERVAL, self._read_on)

    def _read(self) -> bool:
        lines, lost = self._journal.take()
        if lines or lost:
            self._deliver(lines, lost)
        return bool(lines)


def relay_entries(log: Logger, lines: bytes, lost: int, service: str, slot: int) -> bool:
    """Log entries as other events, for an orchestrator whose log is not ours.

    The other parameters are those of :meth:`~unixsvc.telemetry.log_sink.LogSink.add_entries`.

    :param log: a logger whose namespace is the name of the worker.
    """
    if lost:
        log.warn("{number} events of the access log are missing", number=f"{lost:,}")
    entries = read_entries(lines)
    for each in entries or ():
        log.emit(
            LogLevel.info,
            MESSAGE,
            worker_time=each.time / 1e9,
            worker_logger=NAMESPACE,
            request_id=each.request_id,
            fields=fields_of(each, service, slot),
        )
    return entries is not None

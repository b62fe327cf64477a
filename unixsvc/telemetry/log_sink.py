"""Where the orchestrator's process brings events: the log, and the ring of the last ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace
from twisted.logger import ILogObserver, LogEvent
from zope.interface import implementer

from unixsvc.telemetry.log_record import FORMATS, LogRecord, lost_events
from unixsvc.telemetry.log_ring import LogRing
from unixsvc.telemetry.log_writer import LogWriter
from unixsvc.telemetry.logs import to_record

if TYPE_CHECKING:
    from unixsvc.telemetry.access.entry import EntryFormat

__all__ = ["LogSink"]

_JSON: Final = "json"
_TOO_SLOW: Final = "the orchestrator was too slow"
_as_json: Final = FORMATS[_JSON]


@implementer(ILogObserver)
class LogSink:
    """Writes events to the log, and keeps them in the ring.

    :param form: a key of :data:`~unixsvc.telemetry.log_record.FORMATS`.
    :param writer: of the log.
    :param ring: None to keep no events.
    :param to_line: makes the lines instead of the format, as for a terminal.
    :ivar ring: the same.
    """

    def __init__(
        self,
        form: str,
        writer: LogWriter,
        ring: LogRing | None,
        to_line: Callable[[LogRecord], bytes] | None = None,
    ) -> None:
        self._is_json = form == _JSON and to_line is None
        self._to_line = to_line or FORMATS[form]
        self._write = writer.write
        self._entries: dict[tuple[str, int], EntryFormat] = {}
        self.ring = ring

    def __call__(self, event: LogEvent) -> None:
        """Take an event."""
        self._add(to_record(event))

    def add_entries(self, lines: bytes, lost: int, service: str, slot: int) -> bool:
        """Take what a worker has noted for the access log.

        :param lines: entries, see :class:`~unixsvc.telemetry.access.entry.Entry`.
        :param lost: the number of events that are missing before them.
        :param slot: of the worker.
        :returns: false if they are not entries: an application may have written anything there.
        """
        from unixsvc.telemetry.access.entry import EntryFormat, read_entries  # late: few services log access

        if lost:
            self._add(replace(lost_events(lost, _TOO_SLOW), namespace=f"{service}[{slot}]", logger="log"))
        entries = read_entries(lines)
        if entries is None:
            return False
        known = self._entries.get((service, slot))
        if known is None:
            known = self._entries[service, slot] = EntryFormat(service, slot)
        as_json = known.as_json(entries) if self._is_json or self.ring is not None else b""
        shown = as_json if self._is_json else known.in_format(entries, self._to_line)
        if entries:
            self._write(shown, len(entries))
            if self.ring is not None:
                self.ring.add(as_json, len(entries))
        return True

    def _add(self, record: LogRecord) -> None:
        line = self._to_line(record)
        self._write(line)
        if self.ring is not None:
            self.ring.add(line if self._is_json else _as_json(record))

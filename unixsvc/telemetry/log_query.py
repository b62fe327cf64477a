"""Which events of the log a reader wants; pure."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from unixsvc.telemetry.log_record import LogRecord

__all__ = ["LogBatch", "LogQuery", "matching"]

_LEVELS: Final = ("debug", "info", "warn", "error", "critical")
_decode: Final = msgspec.json.Decoder(LogRecord).decode


class LogQuery(Struct, frozen=True):
    """What a reader wants.

    :ivar service: events of this service and its workers; empty for all.
    :ivar request_id: events of this request; empty for all.
    :ivar level: the lowest level.
    :ivar since: events of this time or later, in seconds since 1970.
    :ivar last: only the last of those that are there already; None for all.
    :ivar follow: whether those that come later are wanted too.
    """

    service: str = ""
    request_id: str = ""
    level: str = "debug"
    since: float = 0.0
    last: Annotated[int, Meta(ge=0)] | None = None
    follow: bool = False

    def fits(self, record: LogRecord) -> bool:
        """Whether an event is wanted."""
        return (
            record.time >= self.since
            and (not self.request_id or record.request_id == self.request_id)
            and (not self.service or record.namespace.partition("[")[0] == self.service)
            and _rank(record.level) >= _rank(self.level)
        )


class LogBatch(Struct, frozen=True, omit_defaults=True):
    """Events for a reader.

    :ivar missed: the number of events before them that the reader was too slow for, wanted or not.
    """

    events: list[LogRecord]
    missed: int = 0


def matching(lines: bytes, query: LogQuery) -> list[LogRecord]:
    """The wanted events of lines of the JSON format."""
    if query.request_id and msgspec.json.encode(query.request_id)[1:-1] not in lines:
        return []  # nearly always, and much faster than to decode each
    return [record for line in lines.splitlines() if query.fits(record := _decode(line))]


def _rank(level: str) -> int:
    return _LEVELS.index(level) if level in _LEVELS else 0

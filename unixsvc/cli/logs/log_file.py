"""Reads events that are older than those in the ring from the log file."""

from __future__ import annotations

import re
import time
from calendar import timegm
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from unixsvc.telemetry.log_query import LogQuery
from unixsvc.telemetry.log_record import LogRecord

__all__ = ["older_events"]

_BLOCK: Final = 1_048_576
_INDENT: Final = b"    "
_TEXT: Final = re.compile(
    r"(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?P<sign>[+-])(?P<hours>\d\d)(?P<minutes>\d\d) "
    r"(?P<level>[a-z]+) "
    r"(?P<namespace>[^ :]+)(?: (?P<logger>[^\[ :]+))?(?: \[(?P<request_id>[^\]]*)\])?: (?P<message>.*)",
    re.DOTALL,
)
# The clock of a worker and the way of an event to the file may differ by this time, in seconds.
_TOLERANCE: Final = 60.0


def older_events(path: Path, query: LogQuery, first: LogRecord | None) -> list[LogRecord]:
    """The wanted events of a log file that are older than the first one of the ring.

    The file is read from its end, as far as ``query.since``.

    :param first: None if there is none.
    :raises OSError: if it cannot be read.
    """
    found: list[LogRecord] = []
    in_ring = first is not None
    for record in _backwards(path):
        if record.time < query.since - _TOLERANCE:
            break
        if in_ring and first is not None:
            in_ring = record.time > first.time - _TOLERANCE and not _same(record, first)
            if in_ring or _same(record, first):
                continue
        if query.fits(record):
            found.append(record)
    return found[::-1]


def _same(one: LogRecord, other: LogRecord) -> bool:
    """Whether an event of the file is that of the ring; the text format has whole seconds and one text."""
    names = (int(one.time), one.namespace, one.request_id) == (
        int(other.time),
        other.namespace,
        other.request_id,
    )
    return names and one.text.startswith(other.text)


def _backwards(path: Path) -> Iterator[LogRecord]:
    """The events of a file, the last one first; what is none is left out."""
    further: list[bytes] = []
    for line in _lines_backwards(path):
        if line.startswith(_INDENT):  # of an event of several lines
            further.append(line[len(_INDENT) :])
            continue
        record = _parse(b"\n".join([line, *reversed(further)]))
        further = []
        if record is not None:
            yield record


def _lines_backwards(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        position = file.seek(0, 2)
        rest = b""
        while position:
            start = max(position - _BLOCK, 0)
            file.seek(start)
            first, *lines = (file.read(position - start) + rest).split(b"\n")
            yield from (line for line in reversed(lines) if line)
            position, rest = start, first
        if rest:
            yield rest


def _parse(text: bytes) -> LogRecord | None:
    if text.startswith(b"{"):
        try:
            return msgspec.json.decode(text, type=LogRecord)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
    found = _TEXT.fullmatch(text.decode("utf-8", "replace"))
    if found is None:
        return None
    offset = int(found["hours"]) * 3600 + int(found["minutes"]) * 60
    seconds = timegm(time.strptime(found["time"], "%Y-%m-%dT%H:%M:%S"))
    seconds -= offset if found["sign"] == "+" else -offset
    return LogRecord(
        seconds,
        found["level"],
        found["namespace"],
        found["message"],
        found["request_id"] or "",
        logger=found["logger"] or "",
    )

"""The events of the log, and the two formats of their lines."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import msgspec
from msgspec import Struct

from unixsvc.telemetry.escapes import escape_json, escape_line

__all__ = ["FORMATS", "LogRecord", "lost_events"]


class LogRecord(Struct, frozen=True, omit_defaults=True):
    """An event, as a line of a JSON log and as a message from a worker to the orchestrator.

    :ivar time: seconds since 1970.
    :ivar namespace: the namespace of the logger; for events of a worker, the name of the worker.
    :ivar logger: for events of a worker: the namespace of the logger in the worker.
    :ivar request_id: the id of the request, for events about a request.
    """

    time: float
    level: str
    namespace: str
    message: str
    request_id: str = ""
    traceback: str = ""
    logger: str = ""


def lost_events(number: int, reason: str) -> LogRecord:
    """The event that stands for events that are missing in the log."""
    message = f"{number:,} events are missing here: the log could not be written: {reason}"
    return LogRecord(time.time(), "warn", "log", message)


def _as_text(record: LogRecord) -> bytes:
    when = time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(record.time))
    about = f" [{record.request_id}]" if record.request_id else ""
    text = f"{when} {record.level} {record.namespace}{about}: {record.message}"
    if record.traceback:
        text += "\n" + record.traceback.rstrip()
    # Texts of peers and applications must not look like another event.
    return "\n    ".join(escape_line(line) for line in text.split("\n")).encode() + b"\n"


def _as_json(record: LogRecord) -> bytes:
    return escape_json(msgspec.json.encode(record).decode()).encode() + b"\n"


FORMATS: Final[dict[str, Callable[[LogRecord], bytes]]] = {"text": _as_text, "json": _as_json}

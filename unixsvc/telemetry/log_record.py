"""The events of the log, and the two formats of their lines."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import msgspec
from msgspec import Struct

from unixsvc.telemetry.escapes import escape_json, escape_line

__all__ = ["FORMATS", "LogRecord", "limited_text", "lost_events"]

# An event has three texts; with all characters escaped, they still fit into the longest line of a worker.
_MAX_TEXT: Final = 16_000  # characters


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

    @property
    def origin(self) -> str:
        """The namespace of the logger in the worker, unless that is the name of the service."""
        return "" if self.logger in (self.namespace, self.namespace.partition("[")[0]) else self.logger


def lost_events(number: int, reason: str) -> LogRecord:
    """The event that stands for events that are missing in the log."""
    message = f"{number:,} events are missing here: the log could not be written: {reason}"
    return LogRecord(time.time(), "warn", "log", message)


def limited_text(value: object) -> str:
    """A value as valid UTF-8 of limited length; the beginning is cut off."""
    try:
        text = str(value)
    except Exception as error:  # a value of an application may raise anything
        text = f"<{type(value).__name__} that has no text: {type(error).__name__}>"
    cut = text if len(text) <= _MAX_TEXT else "… " + text[-_MAX_TEXT:]
    return cut.encode("utf-8", "backslashreplace").decode()


def _as_text(record: LogRecord) -> bytes:
    when = time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(record.time))
    origin = f" {record.origin}" if record.origin else ""
    about = f" [{record.request_id}]" if record.request_id else ""
    text = f"{when} {record.level} {record.namespace}{origin}{about}: {record.message}"
    if record.traceback:
        text += "\n" + record.traceback.rstrip()
    # Texts of peers and applications must not look like another event.
    return "\n    ".join(escape_line(line) for line in text.split("\n")).encode() + b"\n"


def _as_json(record: LogRecord) -> bytes:
    return escape_json(msgspec.json.encode(record).decode()).encode() + b"\n"


FORMATS: Final[dict[str, Callable[[LogRecord], bytes]]] = {"text": _as_text, "json": _as_json}

"""The events of the log, and the two formats of their lines."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Final

import msgspec
from msgspec import Struct

from unixsvc.domain.json import Json, JsonObject
from unixsvc.telemetry.escapes import escape_json, escape_line

__all__ = ["FORMATS", "LAST_TIME", "LogRecord", "limited_name", "limited_text", "lost_events"]

# An event has two long texts, fields, and three names; with all characters escaped, they still fit into the
# longest line of a worker. All are limits of characters.
_MAX_TEXT: Final = 16_000
_MAX_NAME: Final = 1_000
LAST_TIME: Final = 253_402_300_799
"""The end of the year 9999: no format has a later time."""

_WORD: Final = re.compile(r"[^\s\"'=\\{}\[\],]+")  # a value that needs no quotes


class LogRecord(Struct, frozen=True, omit_defaults=True):
    """An event, as a line of a JSON log and as a message from a worker to the orchestrator.

    :ivar time: seconds since 1970.
    :ivar namespace: the namespace of the logger; for events of a worker, the name of the worker.
    :ivar logger: for events of a worker: the namespace of the logger in the worker.
    :ivar fields: further data of the application, by name.
    :ivar request_id: the id of the request, for events about a request.
    :ivar trace_id: that of the request's trace (W3C Trace Context), in hexadecimal; empty without one.
    :ivar span_id: that of the part of the trace in this service.
    """

    time: float
    level: str
    namespace: str
    message: str
    request_id: str = ""
    traceback: str = ""
    logger: str = ""
    fields: JsonObject = {}
    trace_id: str = ""
    span_id: str = ""

    @property
    def origin(self) -> str:
        """The namespace of the logger in the worker, unless that is the name of the service."""
        return "" if self.logger in (self.namespace, self.namespace.partition("[")[0]) else self.logger

    @property
    def text(self) -> str:
        """The message, the fields, and the ids of the trace."""
        fields: dict[str, Json] = {**self.fields}
        if self.trace_id:
            fields |= {"trace_id": self.trace_id, "span_id": self.span_id}
        return " ".join(
            [self.message, *(f"{_shown(name)}={_shown(value)}" for name, value in fields.items())]
        )


def lost_events(number: int, reason: str) -> LogRecord:
    """The event that stands for events that are missing in the log."""
    message = f"{number:,} events are missing here: the log could not be written: {reason}"
    return LogRecord(time.time(), "warn", "log", message)


def limited_text(value: object, limit: int = _MAX_TEXT) -> str:
    """A value as valid UTF-8 of limited length; the beginning is cut off.

    :param limit: in characters.
    """
    try:
        text = str(value)
    except Exception as error:  # a value of an application may raise anything
        text = f"<{type(value).__name__} that has no text: {type(error).__name__}>"
    cut = text if len(text) <= limit else "… " + text[-limit:]
    return cut.encode("utf-8", "backslashreplace").decode()


def limited_name(value: object) -> str:
    """The same for a name, such as that of a logger."""
    return limited_text(value, _MAX_NAME)


def _shown(value: Json) -> str:
    """The name or the value of a field in the text format: as it is if that is one word."""
    return _shown_text(value) if isinstance(value, str) else msgspec.json.encode(value).decode()


@lru_cache(1024)  # most texts are names, or said of many requests
def _shown_text(value: str) -> str:
    return value if _WORD.fullmatch(value) else msgspec.json.encode(value).decode()


@lru_cache(16)  # of the last seconds
def _shown_second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(seconds))


def _as_text(record: LogRecord) -> bytes:
    when = _shown_second(int(record.time))
    origin = f" {record.origin}" if record.origin else ""
    about = f" [{record.request_id}]" if record.request_id else ""
    text = f"{when} {record.level} {record.namespace}{origin}{about}: {record.text}"
    if record.traceback:
        text += "\n" + record.traceback.rstrip()
    # Texts of peers and applications must not look like another event.
    return "\n    ".join(escape_line(line) for line in text.split("\n")).encode() + b"\n"


def _as_json(record: LogRecord) -> bytes:
    return escape_json(msgspec.json.encode(record).decode()).encode() + b"\n"


FORMATS: Final[dict[str, Callable[[LogRecord], bytes]]] = {"text": _as_text, "json": _as_json}

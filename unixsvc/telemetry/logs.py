"""Logging: the formats of the log, and the events of workers.

Workers write events as JSON to their standard error, and the orchestrator passes them to its own observers.
So one place decides the format, for events of all processes.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable
from typing import Final, TextIO

import msgspec
from msgspec import Struct
from twisted.logger import (
    FilteringLogObserver,
    ILogObserver,
    InvalidLogLevelError,
    LogEvent,
    Logger,
    LogLevel,
    LogLevelFilterPredicate,
    formatEvent,
)
from twisted.python.failure import Failure
from zope.interface import implementer

__all__ = ["FORMATS", "LogLevelFilter", "LogRecord", "WorkerObserver", "observer", "relay"]

# An event has three texts; with all characters escaped, they still fit into the longest line of a worker.
_MAX_TEXT: Final = 16_000  # characters
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


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


def _to_record(event: LogEvent) -> LogRecord:
    failure = event.get("log_failure")
    traceback = event.get("traceback") or (failure.getTraceback() if isinstance(failure, Failure) else "")
    return LogRecord(
        event.get("worker_time") or event.get("log_time") or time.time(),
        (event.get("log_level") or LogLevel.info).name,
        event.get("log_namespace") or "-",
        _bounded(formatEvent(event) or ""),
        _bounded(str(event.get("request_id", ""))),
        _bounded(traceback),
        event.get("worker_logger", ""),
    )


def _bounded(text: str) -> str:
    """Return a text as valid UTF-8 of limited length; the beginning is cut off."""
    cut = text if len(text) <= _MAX_TEXT else "… " + text[-_MAX_TEXT:]
    return cut.encode("utf-8", "backslashreplace").decode()


def _as_text(record: LogRecord) -> str:
    when = time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(record.time))
    about = f" [{record.request_id}]" if record.request_id else ""
    text = f"{record.level} {record.namespace}{about}: {record.message}"
    if record.traceback:
        text += "\n" + record.traceback.rstrip()
    # Texts of peers and applications must not look like another event, or contain terminal control sequences.
    return f"{when} " + _CONTROLS.sub("?", text).replace("\n", "\n    ")


def _as_json(record: LogRecord) -> str:
    return msgspec.json.encode(record).decode()


FORMATS: Final[dict[str, Callable[[LogRecord], str]]] = {"text": _as_text, "json": _as_json}


class LogLevelFilter:
    """The minimum level of the log, which can be changed at run time.

    :param name: ``debug``, ``info``, ``warn`` or ``error``.
    """

    def __init__(self, name: str) -> None:
        self._predicate = LogLevelFilterPredicate(LogLevel.levelWithName(name))
        self.name = name

    def set(self, name: str) -> None:
        """Change the minimum level."""
        self._predicate.setLogLevelForNamespace("", LogLevel.levelWithName(name))
        self.name = name

    def filter(self, inner: ILogObserver) -> ILogObserver:
        """Wrap an observer: it gets the events of at least the minimum level."""
        return FilteringLogObserver(inner, [self._predicate])


def observer(form: str, level: LogLevelFilter, file: TextIO) -> ILogObserver:
    """Return the observer that writes the log.

    :param form: a key of :data:`FORMATS`.
    :param level: the minimum level.
    """
    write = FORMATS[form]

    @implementer(ILogObserver)
    def observe(event: LogEvent) -> None:
        file.write(write(_to_record(event)) + "\n")
        file.flush()

    return level.filter(observe)


@implementer(ILogObserver)
class WorkerObserver:
    """Writes the events of a worker for the orchestrator.

    :param file: the worker's standard error.
    """

    def __init__(self, file: TextIO | None = None) -> None:
        self._file = file or sys.stderr

    def __call__(self, event: LogEvent) -> None:
        """Write one event."""
        self._file.write(_as_json(_to_record(event)) + "\n")
        self._file.flush()


def relay(log: Logger, text: bytes, level: str) -> None:
    """Log a line from a worker's standard error: an event, or any text.

    :param log: a logger whose namespace is the name of the worker.
    :param level: the level for text that is not an event.
    """
    try:
        record = msgspec.json.decode(text, type=LogRecord)
        record_level = LogLevel.levelWithName(record.level)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, InvalidLogLevelError):
        log.emit(LogLevel.levelWithName(level), "{text}", text=text.decode("utf-8", "replace"))
        return
    log.emit(
        record_level,
        "{text}",
        text=record.message,
        worker_time=record.time,
        worker_logger=record.namespace,
        request_id=record.request_id,
        traceback=record.traceback,
    )

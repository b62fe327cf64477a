"""Logging: from events to lines, and the events of workers.

Workers write events as JSON to their standard error, and the orchestrator passes them to its own observers.
So one place decides the format, for events of all processes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from twisted.logger import (
    FilteringLogObserver,
    ILogFilterPredicate,
    ILogObserver,
    InvalidLogLevelError,
    LogEvent,
    Logger,
    LogLevel,
    LogLevelFilterPredicate,
    PredicateResult,
    formatEvent,
)
from twisted.python.failure import Failure
from zope.interface import implementer

from unixsvc.domain.json import JsonObject
from unixsvc.domain.request_context import current_request_id
from unixsvc.telemetry.log_file import LogOutput
from unixsvc.telemetry.log_record import (
    FORMATS,
    LAST_TIME,
    LogRecord,
    limited_name,
    limited_text,
    lost_events,
)
from unixsvc.telemetry.log_writer import LogWriter
from unixsvc.telemetry.stdlib.fields import json_fields
from unixsvc.telemetry.stdlib.levels import LevelObserver
from unixsvc.telemetry.trace_ids import trace_of

__all__ = ["LogLevelFilter", "LogObserver", "log_writer", "relay", "to_record"]


@implementer(ILogFilterPredicate)
class LogLevelFilter:
    """The minimum levels of the log, which can be changed at run time.

    :param name: ``debug``, ``info``, ``warn`` or ``error``.
    :param loggers: other levels of some loggers, and of those below them, by their names.
    """

    def __init__(self, name: str, loggers: Mapping[str, str] | None = None) -> None:
        self._observer: LevelObserver | None = None
        self._levels = LogLevelFilterPredicate()
        self.name = name
        self.loggers: Mapping[str, str] = {}
        self.set(name, loggers)

    def set(self, name: str, loggers: Mapping[str, str] | None = None) -> None:
        """Change the minimum level.

        :param loggers: the levels of loggers; None for those that are set already.
        """
        loggers = self.loggers if loggers is None else loggers
        levels = LogLevelFilterPredicate()
        for namespace, level in {**loggers, "": name}.items():
            levels.setLogLevelForNamespace(namespace, LogLevel.levelWithName(level))
        self._levels, self.name, self.loggers = levels, name, loggers  # replaced at once: other threads log
        if self._observer is not None:
            self._observer(name, loggers)

    def observe(self, observer: LevelObserver | None) -> None:
        """Call a function with the levels, now and when they change; None for no function."""
        self._observer = observer
        if observer is not None:
            observer(self.name, self.loggers)

    def filter(self, inner: ILogObserver) -> ILogObserver:
        """Wrap an observer: it gets the events of at least the minimum level."""
        return FilteringLogObserver(inner, [self])

    def __call__(self, event: LogEvent) -> Any:  # Twisted's constants have no types
        """Return whether an event has the minimum level of its logger, which may be one of a worker."""
        level = event.get("log_level")
        namespace = event.get("worker_logger") or event.get("log_namespace")
        if level is None or not isinstance(namespace, str):
            return PredicateResult.no
        return (
            PredicateResult.no
            if level < self._levels.logLevelForNamespace(namespace)
            else PredicateResult.yes
        )


@implementer(ILogObserver)
class LogObserver:
    """Makes a line of each event.

    :param form: a key of :data:`~unixsvc.telemetry.log_record.FORMATS`.
    :param write: called with each line.
    """

    def __init__(self, form: str, write: Callable[[bytes], object]) -> None:
        self._format = FORMATS[form]
        self._write = write

    def __call__(self, event: LogEvent) -> None:
        """Write one event."""
        self._write(self._format(to_record(event)))


def log_writer(form: str, output: LogOutput) -> LogWriter:
    """The writer of a log.

    :param form: a key of :data:`~unixsvc.telemetry.log_record.FORMATS`.
    """
    to_line = FORMATS[form]
    return LogWriter(output, lambda number, reason: to_line(lost_events(number, reason)))


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
        fields=record.fields,
        trace=(record.trace_id, record.span_id),
    )


def to_record(event: LogEvent) -> LogRecord:
    """An event as a record. Applications may give events fields of any type and value."""
    failure = event.get("log_failure")
    trace_id, span_id = trace_of(event)
    traceback = event.get("traceback") or (failure.getTraceback() if isinstance(failure, Failure) else "")
    return LogRecord(
        _time_of(event),
        (event.get("log_level") or LogLevel.info).name,
        limited_name(event.get("log_namespace") or "-"),
        limited_text(formatEvent(event)),
        limited_name(event["request_id"] if "request_id" in event else current_request_id()),
        limited_text(traceback),
        limited_name(event.get("worker_logger", "")),
        _fields_of(event),
        trace_id,
        span_id,
    )


def _fields_of(event: LogEvent) -> JsonObject:
    fields = event.get("fields")
    return json_fields(fields) if fields and isinstance(fields, Mapping) else {}


def _time_of(event: LogEvent) -> float:
    for name in ("worker_time", "log_time"):
        seconds = event.get(name)
        if isinstance(seconds, int | float) and 0 < seconds <= LAST_TIME:
            return float(seconds)
    return time.time()

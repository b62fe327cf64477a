"""Logging: from events to lines, and the events of workers.

Workers write events as JSON to their standard error, and the orchestrator passes them to its own observers.
So one place decides the format, for events of all processes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
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
    PredicateResult,
    formatEvent,
)
from twisted.python.failure import Failure
from zope.interface import implementer

from unixsvc.domain.json import JsonObject
from unixsvc.domain.message import Request
from unixsvc.domain.request_context import current_request, current_request_id
from unixsvc.domain.route_info import RouteInfo
from unixsvc.telemetry.log_file import LogOutput
from unixsvc.telemetry.log_levels import LEVELS, LevelRule, LogLevels
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
    :param rules: levels that count more than those.
    :param service: that of this process; None for one that logs the events of several.
    :ivar route_of: finds the route of a request; None to know none.
    """

    def __init__(
        self,
        name: str,
        loggers: Mapping[str, str] | None = None,
        rules: Sequence[LevelRule] = (),
        service: str | None = None,
    ) -> None:
        self._observer: LevelObserver | None = None
        self._service = service
        self.route_of: Callable[[Request], RouteInfo | None] | None = None
        self.name = name
        self.loggers: Mapping[str, str] = {}
        self.rules: Sequence[LevelRule] = ()
        self.set(name, loggers, rules)

    def set(
        self, name: str, loggers: Mapping[str, str] | None = None, rules: Sequence[LevelRule] | None = None
    ) -> None:
        """Change the minimum level.

        :param loggers: the levels of loggers; None for those that are set already.
        :param rules: in the same way.
        """
        loggers = self.loggers if loggers is None else loggers
        rules = self.rules if rules is None else rules
        found = [*(LevelRule(level, logger) for logger, level in loggers.items()), *rules]
        for level in (name, *(each.level for each in found)):
            LogLevel.levelWithName(level)  # raises an error that is in no other case
        # Replaced at once: other threads log.
        self._levels, self.name, self.loggers, self.rules = LogLevels(name, found), name, loggers, rules
        if self._observer is not None:
            self._observer(*self._levels.by_logger(self._service))

    def set_rule(self, rule: LevelRule | None, key: tuple[str, str, str]) -> None:
        """Add a rule, or replace the one about the same; None to remove it.

        :param key: what it is about.
        """
        others = [each for each in self.rules if each.key != key]
        self.set(self.name, rules=others if rule is None else [*others, rule])

    def observe(self, observer: LevelObserver | None) -> None:
        """Call a function with the levels, now and when they change; None for no function.

        They are the lowest ones that a route may have.
        """
        self._observer = observer
        if observer is not None:
            observer(*self._levels.by_logger(self._service))

    def filter(self, inner: ILogObserver) -> ILogObserver:
        """Wrap an observer: it gets the events of at least the minimum level."""
        return FilteringLogObserver(inner, [self])

    def admitted_routes(self, namespace: str, level: str) -> Callable[[str], bool] | None:
        """Return a function that says whether an event of a route is logged; None if all are.

        :param namespace: its logger.
        """
        levels, service, number = self._levels, self._service or "", LEVELS[level]
        if not levels.has_routes and levels.number(namespace, service) <= number:
            return None
        return lambda route: levels.number(namespace, service, route) <= number

    def __call__(self, event: LogEvent) -> Any:  # Twisted's constants have no types
        """Return whether an event has the minimum level of its logger, which may be one of a worker."""
        level, namespace = event.get("log_level"), event.get("log_namespace")
        if level is None or not isinstance(namespace, str):
            return PredicateResult.no
        service = self._service or namespace.partition("[")[0]
        if logger := event.get("worker_logger"):
            # The worker knows the route of the event.
            number = self._levels.least(str(logger), service)
        else:
            number = self._levels.number(namespace, service, self._route())
        return PredicateResult.no if LEVELS[level.name] < number else PredicateResult.yes

    def _route(self) -> str:
        """The route of the current request; empty if no rule is about routes."""
        if self.route_of is None or not self._levels.has_routes or (current := current_request()) is None:
            return ""
        route = self.route_of(current[0])
        return "" if route is None else f"{route.method} {route.pattern}"


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

"""Turns the records of :mod:`logging` and Python's warnings into events of the log."""

from __future__ import annotations

import logging
import threading
from abc import abstractmethod
from collections.abc import Callable, Mapping
from traceback import format_exception
from typing import Final

from twisted.logger import LogEvent, LogLevel, globalLogPublisher

from unixsvc.domain.request_context import current_request_id
from unixsvc.telemetry.limited_logger import LimitedLogger
from unixsvc.telemetry.log_record import limited_text
from unixsvc.telemetry.stdlib.fields import json_fields
from unixsvc.telemetry.stdlib.levels import LevelObserver, LoggingLevels, level_name

__all__ = ["EventHandler", "PythonLogging"]

_ASYNCIO: Final = "asyncio"
_MAX_KIND: Final = 80  # characters
# Every other attribute of a record is a field that the application has added.
_ATTRIBUTES: Final = frozenset({*logging.makeLogRecord({}).__dict__, "asctime", "message", "taskName"})


class PythonLogging:
    """Turns records of :mod:`logging` and Python's warnings into events, once it is installed.

    :param observe: has a function called with the levels of the log, now and when they change; with None, no
        function. The levels are set for :mod:`logging` as well.
    """

    def __init__(self, observe: Callable[[LevelObserver | None], object]) -> None:
        self._observe = observe
        self._handlers = {"": EventHandler(), _ASYNCIO: _AsyncioHandler()}
        self._levels = LoggingLevels()

    def install(self) -> None:
        """Handle the records that no logger keeps to itself, and the warnings."""
        for name, handler in self._handlers.items():
            logging.getLogger(name).addHandler(handler)
        logging.getLogger(_ASYNCIO).propagate = False
        logging.captureWarnings(True)
        self._observe(self._levels.set)

    def remove(self) -> None:
        """Leave them to others again."""
        self._observe(None)
        self._levels.restore()
        logging.captureWarnings(False)
        logging.getLogger(_ASYNCIO).propagate = True
        for name, handler in self._handlers.items():
            logging.getLogger(name).removeHandler(handler)


class _Handler(logging.Handler):
    """Turns each record into an event. It never raises: a call that logs must not fail.

    Any thread may log.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Log a record, unless an observer of events has made it: that would never end."""
        if _publishing.active:
            return
        try:
            if _is_event(record):
                return
            level, fields = _read(record)
        except Exception as error:  # an application may put anything into a record
            level, fields = "error", {"text": f"a record cannot be logged: {_describe(error)}"}
        _publishing.active = True
        try:
            self._publish(record, level, fields)
        except Exception:
            self.handleError(record)
        finally:
            _publishing.active = False

    @abstractmethod
    def _publish(self, record: logging.LogRecord, level: str, fields: Mapping[str, object]) -> None:
        """Make the event."""


class EventHandler(_Handler):
    """Handles the records of all loggers.

    :param observe: called with each event.
    """

    def __init__(self, observe: Callable[[LogEvent], object] = globalLogPublisher) -> None:
        super().__init__()
        self._event = observe

    def _publish(self, record: logging.LogRecord, level: str, fields: Mapping[str, object]) -> None:
        """Make the event, with the time and the logger of the record."""
        self._event(
            {
                "log_level": LogLevel.levelWithName(level),
                "log_namespace": record.name,
                "log_time": record.created,
                "log_format": "{text}",
                **fields,
            }
        )


class _AsyncioHandler(_Handler):
    """Handles the records of asyncio and its event loops, at a limited rate.

    Peers can cause many of them: uvloop logs each write to a TLS connection that the peer has closed.
    """

    def __init__(self) -> None:
        super().__init__()
        self._log = LimitedLogger(_ASYNCIO)

    def _publish(self, record: logging.LogRecord, level: str, fields: Mapping[str, object]) -> None:
        """Make the event, unless there are too many of its kind."""
        kind = limited_text(record.msg).partition("\n")[0][:_MAX_KIND]
        if record.exc_info:  # of a task or callback, which may belong to a request
            fields = {"request_id": current_request_id(), **fields}
        self._log.emit(level, kind, "{text}", **fields)


class _Publishing(threading.local):
    active = False


_publishing: Final = _Publishing()


def _is_event(record: logging.LogRecord) -> bool:
    """Whether a record is the copy of an event, as Twisted's ``STDLibLogObserver`` makes them."""
    event = getattr(record.msg, "event", None)
    return isinstance(event, dict) and "log_time" in event


def _read(record: logging.LogRecord) -> tuple[str, dict[str, object]]:
    """The level of a record, and the fields of its event."""
    level = level_name(record.levelno)
    try:
        text = record.getMessage()
    except Exception as error:
        level, text = "error", _unformatted(record, error)
    fields = {name: value for name, value in record.__dict__.items() if name not in _ATTRIBUTES}
    found: dict[str, object] = {"text": text, "traceback": _traceback(record)}
    if "request_id" in fields:
        found["request_id"] = fields.pop("request_id")
    if fields:
        found["fields"] = json_fields(fields)
    return level, found


def _unformatted(record: logging.LogRecord, error: Exception) -> str:
    message, arguments = limited_text(record.msg), limited_text(record.args)
    place = f"{record.pathname}:{record.lineno}"
    return f"{message!r} cannot be formatted with {arguments} ({place}): {_describe(error)}"


def _describe(error: Exception) -> str:
    return f"{type(error).__name__}: {limited_text(error)}"


def _traceback(record: logging.LogRecord) -> str:
    """The exception of a record, and the stack if the caller wants it."""
    parts = [record.exc_text or ""]
    if record.exc_info and record.exc_info[1] is not None:
        parts = ["".join(format_exception(*record.exc_info))]
    if record.stack_info:
        parts.append(record.stack_info)
    return "\n".join(part.rstrip("\n") for part in parts if part)

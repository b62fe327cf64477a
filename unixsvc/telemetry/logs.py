"""The log: how it looks, and how what workers log gets into it.

Workers write events as JSON to their standard error; the orchestrator gives them to its own observers. So
the form of the log is decided in one place, and is one, whatever process an event comes from.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Final, TextIO

import msgspec
from msgspec import Struct
from twisted.logger import (
    FilteringLogObserver,
    ILogObserver,
    LogEvent,
    Logger,
    LogLevel,
    LogLevelFilterPredicate,
    formatEvent,
)
from twisted.python.failure import Failure
from zope.interface import implementer

from unixsvc.domain.interfaces import IFailureLog
from unixsvc.domain.message import Request

__all__ = ["FORMATS", "FailureLog", "Line", "WorkerObserver", "at_level", "observer", "relay"]


class Line(Struct, frozen=True, omit_defaults=True):
    """One event, as it stands in a JSON log and goes from a worker to the orchestrator.

    :ivar time: in seconds since 1970.
    :ivar namespace: what logged it.
    :ivar request_id: of the request that it is about, if it is about one.
    """

    time: float
    level: str
    namespace: str
    message: str
    request_id: str = ""
    traceback: str = ""


def _line(event: LogEvent) -> Line:
    failure = event.get("log_failure")
    return Line(
        event.get("log_time") or time.time(),
        (event.get("log_level") or LogLevel.info).name,
        event.get("log_namespace") or "-",
        formatEvent(event) or event.get("log_legacy_message", ""),
        event.get("request_id", ""),
        event.get("traceback") or (failure.getTraceback() if isinstance(failure, Failure) else ""),
    )


def _as_text(line: Line) -> str:
    when = time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(line.time))
    about = f" [{line.request_id}]" if line.request_id else ""
    text = f"{when} {line.level} {line.namespace}{about}: {line.message}"
    return text + ("\n" + line.traceback.rstrip() if line.traceback else "")


def _as_json(line: Line) -> str:
    return msgspec.json.encode(line).decode()


FORMATS: Final[dict[str, Callable[[Line], str]]] = {"text": _as_text, "json": _as_json}


def observer(form: str, level: str, file: TextIO) -> ILogObserver:
    """What writes the log.

    :param form: a key of :data:`FORMATS`.
    :param level: the least level that is written.
    """
    write = FORMATS[form]

    @implementer(ILogObserver)
    def observe(event: LogEvent) -> None:
        file.write(write(_line(event)) + "\n")
        file.flush()

    return at_level(observe, level)


def at_level(inner: ILogObserver, level: str) -> ILogObserver:
    """Let through what is at least at a level."""
    return FilteringLogObserver(inner, [LogLevelFilterPredicate(LogLevel.levelWithName(level))])


@implementer(ILogObserver)
class WorkerObserver:
    """Writes a worker's events for the orchestrator.

    :param file: the worker's standard error.
    """

    def __init__(self, file: TextIO | None = None) -> None:
        self._file = file or sys.stderr

    def __call__(self, event: LogEvent) -> None:
        """Write one event."""
        self._file.write(_as_json(_line(event)) + "\n")
        self._file.flush()


def relay(log: Logger, text: bytes, level: str) -> None:
    """Log what a worker has written: an event of its own, or any line of text.

    :param log: has the worker's name for a namespace.
    :param level: of a line of text.
    """
    try:
        line = msgspec.json.decode(text, type=Line)
        found = LogLevel.levelWithName(line.level)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError):
        log.emit(LogLevel.levelWithName(level), "{text}", text=text.decode("utf-8", "replace"))
        return
    log.emit(
        found,
        "{text}",
        text=line.message,
        log_time=line.time,
        request_id=line.request_id,
        traceback=line.traceback,
    )


@implementer(IFailureLog)
class FailureLog:
    """Writes down what an action raised, under the request's id.

    :param service: whose action it was.
    """

    def __init__(self, service: str) -> None:
        self._log = Logger(namespace=service)

    def failed(self, request: Request, error: BaseException) -> None:
        """An action raised something that the peer must not see."""
        self._log.failure(
            "{method} {path} failed: {error!r}",
            Failure(error),
            level=LogLevel.error,
            method=request.method,
            path=request.path,
            error=error,
            request_id=request.request_id,
        )

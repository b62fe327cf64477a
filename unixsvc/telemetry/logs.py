"""The log: how it looks, and how what workers log gets into it.

Workers write events as JSON to their standard error; the orchestrator gives them to its own observers. So
the form of the log is decided in one place, and is one, whatever process an event comes from.
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

from unixsvc.domain.interfaces import IFailureLog
from unixsvc.domain.message import Request
from unixsvc.errors import Cancelled

__all__ = ["FORMATS", "FailureLog", "LogLevelFilter", "LogRecord", "WorkerObserver", "observer", "relay"]

# Three texts of it stay below what a worker's line may have, even if JSON escapes all of them.
_MAX_TEXT: Final = 16_000
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class LogRecord(Struct, frozen=True, omit_defaults=True):
    """One event, as it stands in a JSON log and goes from a worker to the orchestrator.

    :ivar time: in seconds since 1970.
    :ivar namespace: what logged it; of a worker's event, the worker.
    :ivar logger: of a worker's event, what logged it there.
    :ivar request_id: of the request that it is about, if it is about one.
    """

    time: float
    level: str
    namespace: str
    message: str
    request_id: str = ""
    traceback: str = ""
    logger: str = ""


def _line(event: LogEvent) -> LogRecord:
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
    """What UTF-8 can hold of a text, and not more than fits through a pipe in one line: its end."""
    cut = text if len(text) <= _MAX_TEXT else "… " + text[-_MAX_TEXT:]
    return cut.encode("utf-8", "backslashreplace").decode()


def _as_text(line: LogRecord) -> str:
    when = time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(line.time))
    about = f" [{line.request_id}]" if line.request_id else ""
    text = f"{line.level} {line.namespace}{about}: {line.message}"
    if line.traceback:
        text += "\n" + line.traceback.rstrip()
    # What peers and applications say must not look like an entry of its own, or move a terminal's cursor.
    return f"{when} " + _CONTROLS.sub("?", text).replace("\n", "\n    ")


def _as_json(line: LogRecord) -> str:
    return msgspec.json.encode(line).decode()


FORMATS: Final[dict[str, Callable[[LogRecord], str]]] = {"text": _as_text, "json": _as_json}


class LogLevelFilter:
    """The least level that is written; it can be changed while events come.

    :param name: ``debug``, ``info``, ``warn`` or ``error``.
    """

    def __init__(self, name: str) -> None:
        self._predicate = LogLevelFilterPredicate(LogLevel.levelWithName(name))
        self.name = name

    def set(self, name: str) -> None:
        """Have another one from now on."""
        self._predicate.setLogLevelForNamespace("", LogLevel.levelWithName(name))
        self.name = name

    def filter(self, inner: ILogObserver) -> ILogObserver:
        """Let through to an observer what is at least at this level."""
        return FilteringLogObserver(inner, [self._predicate])


def observer(form: str, level: LogLevelFilter, file: TextIO) -> ILogObserver:
    """What writes the log.

    :param form: a key of :data:`FORMATS`.
    :param level: the least level that is written.
    """
    write = FORMATS[form]

    @implementer(ILogObserver)
    def observe(event: LogEvent) -> None:
        file.write(write(_line(event)) + "\n")
        file.flush()

    return level.filter(observe)


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
        line = msgspec.json.decode(text, type=LogRecord)
        found = LogLevel.levelWithName(line.level)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, InvalidLogLevelError):
        log.emit(LogLevel.levelWithName(level), "{text}", text=text.decode("utf-8", "replace"))
        return
    log.emit(
        found,
        "{text}",
        text=line.message,
        worker_time=line.time,
        worker_logger=line.namespace,
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

    def aborted(self, request: Request, code: int) -> None:
        """An action was cancelled, or ran out of time."""
        self._log.info(
            "{method} {path} {outcome}",
            method=request.method,
            path=request.path,
            outcome="was cancelled" if code == Cancelled.code else "ran out of time",
            request_id=request.request_id,
        )

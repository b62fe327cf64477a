"""A logger for messages that peers can cause, and that must not fill the log."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, cast

from twisted.logger import Logger, LogLevel
from twisted.python.failure import Failure

from unixsvc.telemetry.rate_limit import RateLimit

__all__ = ["LimitedLogger", "next_report", "report_suppressed"]


# Messages about connections, and those that stand for others, belong to no request, whatever is running now.
_NO_REQUEST: Final[dict[str, object]] = {"request_id": ""}


class LimitedLogger:
    """Logs at most 20 messages of each kind in 10 seconds, and the number of the others.

    The number is logged with the next message after the interval, or by :func:`report_suppressed`. Any thread
    may log. A kind is a short text from the code, which says what its messages have in common; it must not
    contain anything that a peer has sent.

    :param namespace: as of :class:`twisted.logger.Logger`.
    :param limit: not shared with other loggers.
    :param clock: a monotonic clock, in seconds.
    """

    def __init__(
        self, namespace: str, limit: RateLimit | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._log = Logger(namespace)
        self._limit = limit or RateLimit()
        self._clock = clock

    def emit(self, level: str, kind: str, message: str, **fields: object) -> None:
        """Log a message, unless there are too many of its kind.

        :param level: a name, as ``info``.
        :param message: the format, as of :meth:`twisted.logger.Logger.emit`.
        """
        if self._admit(level, kind):
            self._log.emit(LogLevel.levelWithName(level), message, **_NO_REQUEST | fields)

    def failure(self, message: str, error: BaseException | Failure, **fields: object) -> None:
        """Log an exception with its traceback, unless there are too many of its kind.

        The kind is the type of the exception, and the place that has raised it.
        """
        value = cast(BaseException, error.value) if isinstance(error, Failure) else error
        if self._admit("error", f"{type(value).__name__}{_origin(value.__traceback__)}"):
            failure = error if isinstance(error, Failure) else Failure(error)
            self._log.failure(message, failure, LogLevel.error, **_NO_REQUEST | fields)

    def report(self, now: float | None = None) -> None:
        """Log the numbers of messages that were suppressed in intervals that have ended.

        :param now: by the clock of this logger; without it, all intervals end.
        """
        with _lock:
            ended = self._limit.take_ended(math.inf if now is None else now)
            if self._limit.next_end == math.inf:
                _limiting.pop(self, None)
        for each in ended:
            self._log.emit(
                LogLevel.levelWithName(each.level),
                "… {number} more like this in {seconds:g} s: {kind}",
                number=f"{each.count:,}",
                seconds=self._limit.interval,
                kind=each.kind,
                **_NO_REQUEST,
            )

    def _admit(self, level: str, kind: str) -> bool:
        now = self._clock()
        self.report(now)
        with _lock:
            _limiting[self] = None
            return self._limit.admit(kind, level, now)

    def _next_end(self) -> float:
        with _lock:
            return self._limit.next_end - self._clock()


def _origin(traceback: TracebackType | None) -> str:
    """The function and the line that have raised an exception."""
    if traceback is None:
        return ""
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    code = traceback.tb_frame.f_code
    return f" in {code.co_name} ({os.path.basename(code.co_filename)}:{traceback.tb_lineno})"


_lock = threading.Lock()
_limiting: Final[dict[LimitedLogger, None]] = {}  # those with an interval that has not ended


def report_suppressed(*, final: bool = False) -> None:
    """Log the numbers of messages that were suppressed in intervals that have ended.

    :param final: true if the process ends: then all intervals end.
    """
    for logger in list(_limiting):
        logger.report(None if final else logger._clock())


def next_report() -> float:
    """The seconds until an interval ends; infinity if there is none."""
    return min((logger._next_end() for logger in list(_limiting)), default=math.inf)


def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()
    _limiting.clear()  # the parent reports them


os.register_at_fork(after_in_child=_after_fork)

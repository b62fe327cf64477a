"""Writes a log in a thread, so that the event loop never waits for a disk or for the reader of a pipe."""

from __future__ import annotations

import math
import os
import signal
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Final

from msgspec import Struct
from twisted.logger import Logger

from unixsvc.telemetry.limited_logger import next_report, report_suppressed
from unixsvc.telemetry.log_file import LogOutput

__all__ = ["LogWriter"]

# Up to this length, bytes are not mixed with those of other writers of a pipe, see pipe(7).
_PIPE_BUF: Final = 4096
_MAX_QUEUED: Final = 4_194_304  # bytes
_TOO_SLOW: Final = "its reader is too slow"

_log = Logger()


class _Lines(Struct, frozen=True):
    """Lines to write at once.

    :ivar events: the number of events that they stand for.
    """

    data: bytes
    events: int = 1


class LogWriter:
    """A bounded queue of lines, and the thread that writes them. Adding a line never blocks.

    Until :meth:`start`, lines are kept; a process that forks before, as a daemon does, takes them along. In
    the child of a later fork, each line is written at once: threads do not survive a fork.

    :param output: where the lines are written.
    :param lost: makes the line for a number of lost events and the reason.
    :param max_queued: the limit of bytes that wait to be written. Beyond it, events are lost until half of
        the bytes are written.
    """

    def __init__(
        self, output: LogOutput, lost: Callable[[int, str], bytes], max_queued: int = _MAX_QUEUED
    ) -> None:
        self._output = output
        self._make_lost = lost
        self._max_queued = max_queued
        self._queue: deque[_Lines] = deque()
        self._queued = 0  # bytes that are not written yet
        self._lost = 0
        self._reason = ""  # of the loss
        self._overflow = False
        self._reopening = False
        self._forked = False
        self._thread: threading.Thread | None = None
        self._changed = threading.Condition()
        _writers.add(self)

    def write(self, line: bytes, events: int = 1) -> None:
        """Add a line with its line end, or some that are written at once. Any thread may call it.

        :param events: the number of events that they stand for.
        """
        if self._forked:
            with suppress(OSError):
                self._output.write(line)
            return
        with self._changed:
            if self._overflow or self._queued + len(line) > self._max_queued:
                self._overflow = True
                self._lose(events, _TOO_SLOW)
                return
            self._add_loss()
            self._add(_Lines(line, events))

    def start(self) -> None:
        """Start the thread."""
        if self._thread is None and not self._forked:
            # A daemon thread: one that waits for the reader of a pipe must not delay the end of the process.
            self._thread = threading.Thread(target=self._run, name="log", daemon=True)
            self._thread.start()

    def reopen(self) -> None:
        """Open the file again, before the next line is written."""
        with self._changed:
            self._reopening = True
            self._changed.notify_all()

    def flush(self, seconds: float) -> None:
        """Report the messages that were suppressed, and wait until everything is written.

        :param seconds: the limit.
        """
        report_suppressed(final=True)
        if not self._queued:
            return
        try:
            self.start()
        except RuntimeError:  # from Python 3.12 on, no thread can be started while the interpreter ends
            self._write_within(seconds)
        with self._changed:
            self._changed.wait_for(lambda: not self._queued, seconds)

    def write_queued(self) -> None:
        """Write everything that is queued; only the thread calls this."""
        self._reopen()
        with self._changed:
            queue, self._queue = self._queue, deque()
        for lines in _joined(queue):
            self._write(lines)
        with self._changed:
            if not self._overflow and self._reason == _TOO_SLOW:
                self._add_loss()
            self._changed.notify_all()

    def _write_within(self, seconds: float) -> None:
        """Write everything in the main thread, which a signal frees if the output does not accept it."""
        self._thread = None
        signal.signal(signal.SIGALRM, _raise_out_of_time)
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            with suppress(_OutOfTime):
                self.write_queued()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            self._queued = 0

    # Under the lock.

    def _add(self, lines: _Lines) -> None:
        self._queue.append(lines)
        self._queued += len(lines.data)
        if len(self._queue) == 1:
            self._changed.notify_all()

    def _lose(self, events: int, reason: str) -> None:
        self._lost += events
        self._reason = reason

    def _add_loss(self) -> None:
        if self._lost:
            lost, self._lost = self._lost, 0
            self._add(_Lines(self._make_lost(lost, self._reason), lost))

    # In the thread.

    def _run(self) -> None:
        while True:
            seconds = next_report()
            with self._changed:
                waiting = self._changed.wait_for(
                    lambda: self._queue or self._reopening, None if seconds == math.inf else max(seconds, 0.0)
                )
            if waiting:
                self.write_queued()
            else:
                report_suppressed()

    def _reopen(self) -> None:
        if not self._reopening:
            return
        self._reopening = False
        try:
            self._output.reopen()
        except OSError as error:
            _log.error("the log file cannot be opened again, so the old one is used: {error}", error=error)

    def _write(self, lines: _Lines) -> None:
        problem = ""
        try:
            self._output.write(lines.data)
        except OSError as error:
            problem = error.strerror or str(error)
        with self._changed:
            self._queued -= len(lines.data)
            if self._queued <= self._max_queued // 2:
                self._overflow = False
            if problem:
                self._lose(lines.events, problem)

    def _after_fork(self) -> None:
        self._changed = threading.Condition()  # another thread may have held it
        if self._thread is not None:
            self._thread, self._forked = None, True
            self._queue.clear()  # the parent writes them
            self._queued = self._lost = 0


class _OutOfTime(Exception):  # no error; and no OSError, which is one of the output
    """The output has not accepted the log in time."""


def _raise_out_of_time(_number: int, _frame: object) -> None:
    raise _OutOfTime


def _joined(queue: deque[_Lines]) -> Iterator[_Lines]:
    """The same lines in longer parts that are still written at once."""
    data, events = b"", 0
    for lines in queue:
        if data and len(data) + len(lines.data) > _PIPE_BUF:
            yield _Lines(data, events)
            data, events = b"", 0
        data += lines.data
        events += lines.events
    if data:
        yield _Lines(data, events)


_writers: Final[weakref.WeakSet[LogWriter]] = weakref.WeakSet()


def _after_fork() -> None:
    for writer in _writers:
        writer._after_fork()


os.register_at_fork(after_in_child=_after_fork)

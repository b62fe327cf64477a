"""What is logged during a test."""

from __future__ import annotations

import logging
from typing import Final, cast
from weakref import WeakSet

from twisted.logger import ILogObserver, LogEvent, globalLogPublisher

from unixsvc.telemetry.log_record import LogRecord
from unixsvc.telemetry.logs import to_record
from unixsvc.telemetry.stdlib.handlers import EventHandler

__all__ = ["LogCapture"]


class LogCapture:
    """Collects the events of this process, of :mod:`logging` and of :mod:`twisted.logger`.

    While there is one, the level of the root logger is that of a worker, unless the test has chosen another.

    :ivar records: the events.
    """

    def __init__(self) -> None:
        self.records: list[LogRecord] = []
        if not _captures:
            _source.begin()
        _captures.add(self)

    def stop(self) -> None:
        """Collect no more; done by the garbage collector otherwise."""
        _captures.discard(self)
        if not _captures:
            _source.end()


class _Source:
    def __init__(self) -> None:
        # Not to Twisted's log, which the test may have copied to logging.
        self._handler = EventHandler(self._observe)
        self._observer = cast(ILogObserver, self._observe)
        self._is_level_changed = False

    def begin(self) -> None:
        self.end()  # if the garbage collector has taken the last capture
        globalLogPublisher.addObserver(self._observer)
        root = logging.getLogger()
        root.addHandler(self._handler)
        if root.level == logging.WARNING:  # Python's default
            root.setLevel(logging.INFO)
            self._is_level_changed = True

    def end(self) -> None:
        root = logging.getLogger()
        if self._is_level_changed and root.level == logging.INFO:
            root.setLevel(logging.WARNING)
        self._is_level_changed = False
        root.removeHandler(self._handler)
        globalLogPublisher.removeObserver(self._observer)

    def _observe(self, event: LogEvent) -> None:
        captures = [*_captures]
        if captures:
            record = to_record(event)  # now: the request is that of the caller
            for capture in captures:
                capture.records.append(record)


_captures: Final[WeakSet[LogCapture]] = WeakSet()
_source: Final = _Source()

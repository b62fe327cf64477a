"""Asks for signs of life, and notices when it was itself that stood still."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.task import LoopingCall

__all__ = ["Heartbeat"]

_LONGEST: Final = 1.0  # what a killed worker has counted since the last beat is lost; in seconds


class Heartbeat:
    """Calls, once a second or four times within a watchdog's time.

    :param beat: called with the seconds that this process was late: nobody can be blamed for having been
        silent while it was suspended, or too busy to listen.
    """

    def __init__(self, reactor: Any, beat: Callable[[float], object]) -> None:
        self._reactor = reactor
        self._beat = beat
        self._call = LoopingCall(self._tick)
        self._call.clock = reactor
        self._expected = 0.0

    def start(self, watchdog: float) -> None:
        """Begin, or go on with another interval.

        :param watchdog: the time after which who is silent is taken for stuck, in seconds.
        """
        self.stop()
        interval = min(_LONGEST, watchdog / 4)
        self._expected = self._reactor.seconds() + interval
        self._call.start(interval, now=False)

    def stop(self) -> None:
        """Call no more."""
        if self._call.running:
            self._call.stop()

    def _tick(self) -> None:
        now, interval = self._reactor.seconds(), self._call.interval or 0.0
        late = now - self._expected
        self._expected = now + interval
        self._beat(late if late > interval else 0.0)

"""Asks for signs of life, and notices when it was itself that stood still."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.task import LoopingCall

__all__ = ["Heartbeat"]

_LONGEST: Final = 1.0  # what a killed worker has counted since the last beat is lost; in seconds


class Heartbeat:
    """Calls, once a second or four times within a watchdog's time.

    :param beat: asks for signs of life.
    :param forgive: called, before anything else, with the seconds for which this process may have stood
        still, suspended or too busy to listen: nobody can be blamed for having been silent then.
    """

    def __init__(self, reactor: Any, beat: Callable[[], object], forgive: Callable[[float], object]) -> None:
        self._reactor = reactor
        self._beat = beat
        self._forgive = forgive
        self._call = LoopingCall(self._tick)
        self._call.clock = reactor
        self._expected = 0.0
        self._interval = _LONGEST

    def start(self, watchdog: float) -> None:
        """Begin, or go on with another interval.

        :param watchdog: the time after which who is silent is taken for stuck, in seconds.
        """
        self.stop()
        self._interval = min(_LONGEST, watchdog / 4)
        self._expected = self._reactor.seconds() + self._interval
        self._call.start(self._interval, now=False)

    def stop(self) -> None:
        """Call no more."""
        if self._call.running:
            self._call.stop()

    def catch_up(self) -> bool:
        """Forgive the time for which we may have stood still.

        :returns: whether there was any.
        """
        now = self._reactor.seconds()
        late = now - self._expected
        if not self._call.running or late <= self._interval:
            return False
        self._expected = now + self._interval
        self._forgive(late + self._interval)  # it may have begun right after the last beat
        return True

    def _tick(self) -> None:
        self.catch_up()
        self._expected = self._reactor.seconds() + self._interval
        self._beat()

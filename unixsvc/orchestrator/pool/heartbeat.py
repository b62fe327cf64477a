"""The timers of a pool: requests reports at an interval, detects stalls, and wakes the policy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import LoopingCall

__all__ = ["Heartbeat", "PolicyTimer"]

# Maximum interval, in seconds. Requests that a killed worker has counted since its last report are lost.
_MAX_INTERVAL: Final = 1.0
# A worker is seen several times within its watchdog time, so that one late report does no harm.
_BEATS_PER_WATCHDOG: Final = 4


class Heartbeat:
    """Calls a function once a second, or four times within the watchdog time if that is shorter.

    :param beat: requests reports from the workers.
    :param on_stall: called, before anything else, with the seconds for which this process may have stood
        still: it was suspended or overloaded. Reports of workers could not be read meanwhile.
    """

    def __init__(
        self, reactor: IReactorTime, beat: Callable[[], object], on_stall: Callable[[float], object]
    ) -> None:
        self._reactor = reactor
        self._beat = beat
        self._on_stall = on_stall
        self._call = LoopingCall(self._tick)
        self._call.clock = reactor
        self._expected = 0.0
        self._interval = _MAX_INTERVAL

    def start(self, watchdog: float) -> None:
        """Start, or continue with another interval.

        :param watchdog: the time after which a silent worker counts as stuck, in seconds.
        """
        self.stop()
        self._interval = min(_MAX_INTERVAL, watchdog / _BEATS_PER_WATCHDOG)
        self._expected = self._reactor.seconds() + self._interval
        self._call.start(self._interval, now=False)

    def stop(self) -> None:
        """Stop to call."""
        if self._call.running:
            self._call.stop()

    def check_stall(self) -> bool:
        """Report a stall of this process.

        :returns: whether there was one since the last beat.
        """
        now = self._reactor.seconds()
        late = now - self._expected
        if not self._call.running or late <= self._interval:
            return False
        self._expected = now + self._interval
        self._on_stall(late + self._interval)  # it may have begun right after the last beat
        return True

    def _tick(self) -> None:
        self.check_stall()
        self._expected = self._reactor.seconds() + self._interval
        self._beat()


class PolicyTimer:
    """Calls a function at a time that may change.

    :param call: is called without arguments.
    """

    def __init__(self, reactor: IReactorTime, call: Callable[[], object]) -> None:
        self._reactor = reactor
        self._call = call
        self._delayed: IDelayedCall | None = None

    def set(self, at: float | None) -> None:
        """Call it at a time, in seconds, instead of the time that was set before; None for never."""
        if self._delayed is not None and self._delayed.active():
            self._delayed.cancel()
        self._delayed = None
        if at is not None:
            self._delayed = self._reactor.callLater(max(at - self._reactor.seconds(), 0.0), self._call)

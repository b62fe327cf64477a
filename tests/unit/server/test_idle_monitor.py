"""The time-outs of a connection."""

from __future__ import annotations

from msgspec.structs import replace
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.config.settings import Limits
from unixsvc.server.idle_monitor import ConnectionSnapshot, IdleMonitor, Timeout
from unixsvc.server.lifecycle import ConnectionState

LIMITS = Limits(message_timeout=5, idle_timeout=20)
QUIET = ConnectionSnapshot(
    ConnectionState.SERVING,
    activity=1,
    busy=False,
    held=False,
    partial=False,
    framed=True,
    blocked=False,
    disconnected=False,
)


class TimeTests(SynchronousTestCase):
    """What follows from the time."""

    def last(
        self,
        snapshot: ConnectionSnapshot,
        seconds: int,
        *,
        wait_for_idle: bool = True,
        limits: Limits = LIMITS,
    ) -> Timeout:
        """What comes of it if that is what is seen at every tenth of a second, for so long."""
        monitor, timeout = IdleMonitor(), Timeout.NONE
        for tenth in range(seconds * 10 + 1):
            self.assertIs(timeout, Timeout.NONE, tenth)
            timeout = monitor.check(snapshot, limits, 1000 + tenth / 10, wait_for_idle=wait_for_idle)
        return timeout

    def test_idle(self) -> None:
        """After the idle time a connection is finished; refused, if nobody has ever said anything."""
        self.assertIs(self.last(QUIET, 19), Timeout.NONE)
        self.assertIs(self.last(QUIET, 20), Timeout.IDLE)
        self.assertIs(self.last(replace(QUIET, activity=0, framed=False), 20), Timeout.INCOMPLETE)

    def test_stuck(self) -> None:
        """One that takes nothing of what is sent to it is cut off then."""
        self.assertIs(self.last(replace(QUIET, blocked=True), 20), Timeout.STALLED)
        for state in (ConnectionState.CLOSING, ConnectionState.REFUSING):
            self.assertIs(self.last(replace(QUIET, state=state), 20), Timeout.STALLED, state)

    def test_held(self) -> None:
        """One that wants nothing more of its streams, and asks for nothing, is cut off then, not before."""
        held = replace(QUIET, busy=True, held=True)
        self.assertIs(self.last(held, 20), Timeout.STALLED)
        self.assertIs(self.last(replace(held, blocked=True), 20), Timeout.STALLED)
        for state in (
            ConnectionState.DRAINING,
            ConnectionState.GOAWAY_SENT,
        ):  # it is waited for: it has not been answered
            self.assertIs(self.last(replace(held, state=state), 19, wait_for_idle=False), Timeout.NONE, state)

    def test_not_quiet(self) -> None:
        """Neither who waits for a reply is idle, nor who asks again and again."""
        self.assertIs(self.last(replace(QUIET, busy=True), 100, wait_for_idle=False), Timeout.NONE)
        monitor = IdleMonitor()
        for second in range(100):
            snapshot = replace(QUIET, activity=second // 10)
            self.assertIs(monitor.check(snapshot, LIMITS, second, wait_for_idle=False), Timeout.NONE)

    def test_partial(self) -> None:
        """A message that has begun must end in time, however many times it is looked at."""
        partial = replace(QUIET, partial=True)
        self.assertIs(self.last(partial, 4), Timeout.NONE)
        self.assertIs(self.last(partial, 5), Timeout.INCOMPLETE)

    def test_partial_that_is_not_late(self) -> None:
        """Not where we do not read or serve any more ourselves; nor if it is another each time."""
        partial = replace(QUIET, partial=True)
        for snapshot in (
            replace(partial, busy=True),
            replace(partial, blocked=True),
            replace(partial, state=ConnectionState.CLOSING),
        ):
            self.assertIs(self.last(snapshot, 19), Timeout.NONE)
        monitor = IdleMonitor()
        for second in range(100):
            snapshot = replace(partial, activity=second // 3)
            self.assertIs(monitor.check(snapshot, LIMITS, second, wait_for_idle=True), Timeout.NONE)

    def test_gone(self) -> None:
        """Who is gone is cut off at the first look."""
        self.assertIs(self.last(replace(QUIET, disconnected=True), 0), Timeout.STALLED)

    def test_hurry(self) -> None:
        """In a hurry, who is to go and is quiet for half a second is finished; nobody else is."""
        for state in ConnectionState:
            monitor, snapshot = IdleMonitor(), replace(QUIET, state=state)
            timeouts = [
                monitor.check(snapshot, LIMITS, second, wait_for_idle=False) for second in (0, 0.4, 0.5)
            ]
            told = state in (ConnectionState.DRAINING, ConnectionState.GOAWAY_SENT)
            last = (
                Timeout.IDLE
                if told
                else Timeout.STALLED
                if state is ConnectionState.ABORTED
                else Timeout.NONE
            )
            self.assertEqual(timeouts, [Timeout.NONE, Timeout.NONE, last], state)

    def test_no_hurry(self) -> None:
        """Else it has its time."""
        for state in (ConnectionState.DRAINING, ConnectionState.GOAWAY_SENT):
            self.assertIs(self.last(replace(QUIET, state=state), 19), Timeout.NONE)
            self.assertIs(self.last(replace(QUIET, state=state), 20), Timeout.IDLE)

    def test_hurry_does_not_hide_the_end(self) -> None:
        """The idle time comes also in a hurry, so what could not be finished is cut off."""
        monitor, snapshot = IdleMonitor(), replace(QUIET, state=ConnectionState.GOAWAY_SENT, blocked=True)
        timeouts = [monitor.check(snapshot, LIMITS, second, wait_for_idle=False) for second in (0, 10, 20)]
        self.assertEqual(timeouts, [Timeout.NONE, Timeout.IDLE, Timeout.STALLED])

    def test_last_seconds(self) -> None:
        """Who is refused has two seconds, and who is given up half a second, whatever the limits are."""
        short = Limits(message_timeout=0.1, idle_timeout=0.1)
        for state, seconds in ((ConnectionState.LINGERING, 2.0), (ConnectionState.ABORTED, 0.5)):
            monitor, snapshot = IdleMonitor(), replace(QUIET, state=state, partial=True)
            for now, timeout in (
                (0.0, Timeout.NONE),
                (seconds - 0.1, Timeout.NONE),
                (seconds, Timeout.STALLED),
            ):
                self.assertIs(monitor.check(snapshot, short, now, wait_for_idle=False), timeout, (state, now))

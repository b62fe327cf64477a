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
    """The time-out that follows from snapshots."""

    def last(
        self,
        snapshot: ConnectionSnapshot,
        seconds: int,
        *,
        wait_for_idle: bool = True,
        limits: Limits = LIMITS,
    ) -> Timeout:
        """The result if a snapshot stays the same for this time, checked ten times a second."""
        monitor, timeout = IdleMonitor(), Timeout.NONE
        for tenth in range(seconds * 10 + 1):
            self.assertIs(timeout, Timeout.NONE, tenth)
            timeout = monitor.check(snapshot, limits, 1000 + tenth / 10, wait_for_idle=wait_for_idle)
        return timeout

    def test_idle(self) -> None:
        """After the idle time-out a connection is finished; one that has never sent a message is refused."""
        self.assertIs(self.last(QUIET, 19), Timeout.NONE)
        self.assertIs(self.last(QUIET, 20), Timeout.IDLE)
        self.assertIs(self.last(replace(QUIET, activity=0, framed=False), 20), Timeout.INCOMPLETE)

    def test_stalled(self) -> None:
        """A client that does not take its replies is aborted then."""
        self.assertIs(self.last(replace(QUIET, blocked=True), 20), Timeout.STALLED)
        for state in (ConnectionState.CLOSING, ConnectionState.REFUSING):
            self.assertIs(self.last(replace(QUIET, state=state), 20), Timeout.STALLED, state)

    def test_held(self) -> None:
        """A client whose streams wait for credit is aborted then, not before."""
        held = replace(QUIET, busy=True, held=True)
        self.assertIs(self.last(held, 20), Timeout.STALLED)
        self.assertIs(self.last(replace(held, blocked=True), 20), Timeout.STALLED)
        for state in (
            ConnectionState.DRAINING,
            ConnectionState.GOAWAY_SENT,
        ):  # it is waited for: it has not been answered
            self.assertIs(self.last(replace(held, state=state), 19, wait_for_idle=False), Timeout.NONE, state)

    def test_busy(self) -> None:
        """A client with pending requests, or with new ones, is not idle."""
        self.assertIs(self.last(replace(QUIET, busy=True), 100, wait_for_idle=False), Timeout.NONE)
        monitor = IdleMonitor()
        for second in range(100):
            snapshot = replace(QUIET, activity=second // 10)
            self.assertIs(monitor.check(snapshot, LIMITS, second, wait_for_idle=False), Timeout.NONE)

    def test_partial(self) -> None:
        """An incomplete message has the message time-out."""
        partial = replace(QUIET, partial=True)
        self.assertIs(self.last(partial, 4), Timeout.NONE)
        self.assertIs(self.last(partial, 5), Timeout.INCOMPLETE)

    def test_partial_that_is_not_late(self) -> None:
        """It has not while the server itself does not read, or if each is a new message."""
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

    def test_disconnected(self) -> None:
        """A disconnected client is aborted at the first check."""
        self.assertIs(self.last(replace(QUIET, disconnected=True), 0), Timeout.STALLED)

    def test_no_wait_for_idle(self) -> None:
        """If idle clients are not waited for, draining ones are finished after half a second."""
        for state in ConnectionState:
            monitor, snapshot = IdleMonitor(), replace(QUIET, state=state)
            timeouts = [
                monitor.check(snapshot, LIMITS, second, wait_for_idle=False) for second in (0, 0.4, 0.5)
            ]
            goaway = state in (ConnectionState.DRAINING, ConnectionState.GOAWAY_SENT)
            last = (
                Timeout.IDLE
                if goaway
                else Timeout.STALLED
                if state is ConnectionState.ABORTED
                else Timeout.NONE
            )
            self.assertEqual(timeouts, [Timeout.NONE, Timeout.NONE, last], state)

    def test_wait_for_idle_clients(self) -> None:
        """Otherwise they have the idle time-out."""
        for state in (ConnectionState.DRAINING, ConnectionState.GOAWAY_SENT):
            self.assertIs(self.last(replace(QUIET, state=state), 19), Timeout.NONE)
            self.assertIs(self.last(replace(QUIET, state=state), 20), Timeout.IDLE)

    def test_idle_timeout_holds(self) -> None:
        """The idle time-out holds as well, so a connection that cannot be finished is aborted."""
        monitor, snapshot = IdleMonitor(), replace(QUIET, state=ConnectionState.GOAWAY_SENT, blocked=True)
        timeouts = [monitor.check(snapshot, LIMITS, second, wait_for_idle=False) for second in (0, 10, 20)]
        self.assertEqual(timeouts, [Timeout.NONE, Timeout.IDLE, Timeout.STALLED])

    def test_last_seconds(self) -> None:
        """A refused client has two seconds, an aborted one half a second, whatever the limits are."""
        short = Limits(message_timeout=0.1, idle_timeout=0.1)
        for state, seconds in ((ConnectionState.LINGERING, 2.0), (ConnectionState.ABORTED, 0.5)):
            monitor, snapshot = IdleMonitor(), replace(QUIET, state=state, partial=True)
            for now, timeout in (
                (0.0, Timeout.NONE),
                (seconds - 0.1, Timeout.NONE),
                (seconds, Timeout.STALLED),
            ):
                self.assertIs(monitor.check(snapshot, short, now, wait_for_idle=False), timeout, (state, now))

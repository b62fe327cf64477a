"""What a connection's stage demands, and what the time."""

from __future__ import annotations

from msgspec.structs import replace
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.config.settings import Limits
from unixsvc.server.lifecycle import (
    ConnectionAction,
    ConnectionSnapshot,
    ConnectionState,
    IdleMonitor,
    required_action,
)

LIMITS = Limits(message_timeout=5, idle_timeout=20)
QUIET = ConnectionSnapshot(
    ConnectionState.SERVING,
    served=1,
    busy=False,
    held=False,
    partial=False,
    framed=True,
    full=False,
    gone=False,
)


class StageTests(SynchronousTestCase):
    """What follows from how far a connection is."""

    def act(
        self, stage: ConnectionState, *, named: bool = False, served: int = 1, waiting: bool = False
    ) -> ConnectionAction:
        """What is to be done."""
        return required_action(stage, named=named, served=served, waiting=waiting)

    def test_leaving(self) -> None:
        """Who is to go is told if it can hear that, else finished; who has said nothing, neither."""
        self.assertIs(self.act(ConnectionState.LEAVING, named=True), ConnectionAction.TELL)
        self.assertIs(self.act(ConnectionState.LEAVING, named=False), ConnectionAction.FINISH)
        self.assertIs(self.act(ConnectionState.LEAVING, served=0), ConnectionAction.NOTHING)

    def test_told_once(self) -> None:
        """After that, nothing follows before the client goes."""
        for stage in (
            ConnectionState.SERVING,
            ConnectionState.TOLD,
            ConnectionState.ENDING,
            ConnectionState.ENDED,
        ):
            for named in (True, False):
                self.assertIs(self.act(stage, named=named), ConnectionAction.NOTHING, stage)

    def test_answered(self) -> None:
        """Once all is answered and taken: closed; or read on, if the client may still be sending."""
        for stage, act in (
            (ConnectionState.CLOSING, ConnectionAction.CLOSE),
            (ConnectionState.REFUSING, ConnectionAction.LINGER),
            (ConnectionState.GIVEN_UP, ConnectionAction.CLOSE),
            (ConnectionState.LINGERING, ConnectionAction.NOTHING),
            (ConnectionState.LOST, ConnectionAction.NOTHING),
        ):
            self.assertIs(self.act(stage), act, stage)
            self.assertIs(self.act(stage, waiting=True), ConnectionAction.NOTHING, stage)

    def test_order(self) -> None:
        """The stages stand in the order in which a connection goes through them."""
        names = "SERVING LEAVING TOLD ENDING ENDED CLOSING REFUSING LINGERING GIVEN_UP LOST"
        self.assertEqual([each.name for each in sorted(ConnectionState)], names.split())
        self.assertFalse(ConnectionState.SERVING)  # where nothing is to be done, nothing is to be asked


class TimeTests(SynchronousTestCase):
    """What follows from the time."""

    def last(
        self, sight: ConnectionSnapshot, seconds: int, *, hurry: bool = False, limits: Limits = LIMITS
    ) -> ConnectionAction:
        """What comes of it if that is what is seen at every tenth of a second, for so long."""
        watch, act = IdleMonitor(), ConnectionAction.NOTHING
        for tenth in range(seconds * 10 + 1):
            self.assertIs(act, ConnectionAction.NOTHING, tenth)
            act = watch.look(sight, limits, 1000 + tenth / 10, hurry=hurry)
        return act

    def test_idle(self) -> None:
        """After the idle time a connection is finished; refused, if nobody has ever said anything."""
        self.assertIs(self.last(QUIET, 19), ConnectionAction.NOTHING)
        self.assertIs(self.last(QUIET, 20), ConnectionAction.FINISH)
        self.assertIs(self.last(replace(QUIET, served=0, framed=False), 20), ConnectionAction.REFUSE)

    def test_stuck(self) -> None:
        """One that takes nothing of what is sent to it is cut off then."""
        self.assertIs(self.last(replace(QUIET, full=True), 20), ConnectionAction.CUT_OFF)
        for stage in (ConnectionState.CLOSING, ConnectionState.REFUSING):
            self.assertIs(self.last(replace(QUIET, stage=stage), 20), ConnectionAction.CUT_OFF, stage)

    def test_held(self) -> None:
        """One that wants nothing more of its streams, and asks for nothing, is cut off then, not before."""
        held = replace(QUIET, busy=True, held=True)
        self.assertIs(self.last(held, 20), ConnectionAction.CUT_OFF)
        self.assertIs(self.last(replace(held, full=True), 20), ConnectionAction.CUT_OFF)
        for stage in (
            ConnectionState.LEAVING,
            ConnectionState.TOLD,
        ):  # it is waited for: it has not been answered
            self.assertIs(
                self.last(replace(held, stage=stage), 19, hurry=True), ConnectionAction.NOTHING, stage
            )

    def test_not_quiet(self) -> None:
        """Neither who waits for a reply is idle, nor who asks again and again."""
        self.assertIs(self.last(replace(QUIET, busy=True), 100, hurry=True), ConnectionAction.NOTHING)
        watch = IdleMonitor()
        for second in range(100):
            sight = replace(QUIET, served=second // 10)
            self.assertIs(watch.look(sight, LIMITS, second, hurry=True), ConnectionAction.NOTHING)

    def test_partial(self) -> None:
        """A message that has begun must end in time, however many times it is looked at."""
        suspended = replace(QUIET, partial=True)
        self.assertIs(self.last(suspended, 4), ConnectionAction.NOTHING)
        self.assertIs(self.last(suspended, 5), ConnectionAction.REFUSE)

    def test_partial_that_is_not_late(self) -> None:
        """Not where we do not read or serve any more ourselves; nor if it is another each time."""
        suspended = replace(QUIET, partial=True)
        for sight in (
            replace(suspended, busy=True),
            replace(suspended, full=True),
            replace(suspended, stage=ConnectionState.CLOSING),
        ):
            self.assertIs(self.last(sight, 19), ConnectionAction.NOTHING)
        watch = IdleMonitor()
        for second in range(100):
            sight = replace(suspended, served=second // 3)
            self.assertIs(watch.look(sight, LIMITS, second, hurry=False), ConnectionAction.NOTHING)

    def test_gone(self) -> None:
        """Who is gone is cut off at the first look."""
        self.assertIs(self.last(replace(QUIET, gone=True), 0), ConnectionAction.CUT_OFF)

    def test_hurry(self) -> None:
        """In a hurry, who is to go and is quiet for half a second is finished; nobody else is."""
        for stage in ConnectionState:
            watch, sight = IdleMonitor(), replace(QUIET, stage=stage)
            acts = [watch.look(sight, LIMITS, second, hurry=True) for second in (0, 0.4, 0.5)]
            told = stage in (ConnectionState.LEAVING, ConnectionState.TOLD)
            last = (
                ConnectionAction.FINISH
                if told
                else ConnectionAction.CUT_OFF
                if stage is ConnectionState.GIVEN_UP
                else ConnectionAction.NOTHING
            )
            self.assertEqual(acts, [ConnectionAction.NOTHING, ConnectionAction.NOTHING, last], stage)

    def test_no_hurry(self) -> None:
        """Else it has its time."""
        for stage in (ConnectionState.LEAVING, ConnectionState.TOLD):
            self.assertIs(self.last(replace(QUIET, stage=stage), 19), ConnectionAction.NOTHING)
            self.assertIs(self.last(replace(QUIET, stage=stage), 20), ConnectionAction.FINISH)

    def test_hurry_does_not_hide_the_end(self) -> None:
        """The idle time comes also in a hurry, so what could not be finished is cut off."""
        watch, sight = IdleMonitor(), replace(QUIET, stage=ConnectionState.TOLD, full=True)
        acts = [watch.look(sight, LIMITS, second, hurry=True) for second in (0, 10, 20)]
        self.assertEqual(acts, [ConnectionAction.NOTHING, ConnectionAction.FINISH, ConnectionAction.CUT_OFF])

    def test_last_seconds(self) -> None:
        """Who is refused has two seconds, and who is given up half a second, whatever the limits are."""
        short = Limits(message_timeout=0.1, idle_timeout=0.1)
        for stage, seconds in ((ConnectionState.LINGERING, 2.0), (ConnectionState.GIVEN_UP, 0.5)):
            watch, sight = IdleMonitor(), replace(QUIET, stage=stage, partial=True)
            for now, act in (
                (0.0, ConnectionAction.NOTHING),
                (seconds - 0.1, ConnectionAction.NOTHING),
                (seconds, ConnectionAction.CUT_OFF),
            ):
                self.assertIs(watch.look(sight, short, now, hurry=True), act, (stage, now))

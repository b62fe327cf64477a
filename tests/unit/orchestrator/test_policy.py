"""What is done about workers, and when."""

from __future__ import annotations

import math
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.orchestrator.policy import (
    Action,
    Drain,
    History,
    Kill,
    Phase,
    Plan,
    PoolView,
    Rules,
    Spawn,
    Terminate,
    WorkerView,
    after_exit,
    decide,
)

RULES = Rules(boot_timeout=10, drain_timeout=30, kill_timeout=5, stable_after=10)


def view(*workers: WorkerView, wanted: int = 1, stopping: bool = False, failures: int = 0) -> PoolView:
    """A service; if there were failures, they were those of slot 1, the last one at 100."""
    histories = {1: History(failures, 100)} if failures else {}
    return PoolView(wanted, workers, histories, stopping)


def worker(phase: Phase, since: float = 0.0, slot: int = 1) -> WorkerView:
    """One worker."""
    return WorkerView(slot, phase, since)


class DecideTests(SynchronousTestCase):
    """Each rule alone."""

    def decided(self, of: PoolView, now: float, *actions: Action, wake_at: float | None = None) -> None:
        """Assert what is decided."""
        self.assertEqual(decide(of, RULES, now), Plan(actions, wake_at))

    def test_starts_what_is_wanted(self) -> None:
        """At the beginning every slot gets a worker."""
        self.decided(view(wanted=3), 0, Spawn(1), Spawn(2), Spawn(3))

    def test_replaces_what_is_missing(self) -> None:
        """Only slots without a worker get one."""
        self.decided(view(worker(Phase.READY, slot=2), wanted=3), 0, Spawn(1), Spawn(3))

    def test_content(self) -> None:
        """With all workers ready there is nothing to do, ever."""
        self.decided(view(worker(Phase.READY), worker(Phase.READY, slot=2), wanted=2), 1e9)

    def test_boot(self) -> None:
        """A worker has its time to become ready, and is killed after that."""
        self.decided(view(worker(Phase.STARTING, 5)), 14.9, wake_at=15)
        self.decided(view(worker(Phase.STARTING, 5)), 15, Kill(1))

    def test_first_restart_at_once(self) -> None:
        """One death is no reason to wait."""
        self.decided(view(failures=1), 100, Spawn(1))

    def test_back_off(self) -> None:
        """Further deaths in a row make the next start wait, each time twice as long, up to a limit."""
        for failures, delay in [(2, 0.5), (3, 1), (4, 2), (7, 16), (8, 30), (9, 30), (5000, 30)]:
            self.decided(view(failures=failures), 100 + delay - 0.01, wake_at=100 + delay)
            self.decided(view(failures=failures), 100 + delay, Spawn(1))

    def test_slots_are_apart(self) -> None:
        """A slot whose workers die holds up no other."""
        self.decided(view(wanted=2, failures=4), 100, Spawn(2), wake_at=102)

    def test_stop(self) -> None:
        """To stop, ready workers drain; those that are not ready yet just end; none is started."""
        workers = worker(Phase.READY), worker(Phase.STARTING, slot=2)
        self.decided(view(*workers, wanted=3, stopping=True), 1, Drain(1), Terminate(2))

    def test_too_many(self) -> None:
        """A worker in a slot that is not wanted is drained, the others are left alone."""
        self.decided(view(worker(Phase.READY), worker(Phase.READY, slot=2)), 1, Drain(2))

    def test_escalation(self) -> None:
        """Who does not drain in time is told to end, and who does not end in time is killed."""
        self.decided(view(worker(Phase.DRAINING, 5), stopping=True), 34, wake_at=35)
        self.decided(view(worker(Phase.DRAINING, 5), stopping=True), 35, Terminate(1))
        self.decided(view(worker(Phase.TERMINATING, 35), stopping=True), 39, wake_at=40)
        self.decided(view(worker(Phase.TERMINATING, 35), stopping=True), 40, Kill(1))
        self.decided(view(worker(Phase.KILLED, 40), stopping=True), 1e9)

    def test_earliest(self) -> None:
        """With several deadlines, the first one is the time to look again."""
        workers = worker(Phase.DRAINING, 75, 3), worker(Phase.STARTING, 96, 2)
        self.decided(view(*workers, wanted=2, failures=3), 100.5, wake_at=101)
        self.decided(view(*workers, wanted=2, failures=8), 100.5, wake_at=105)


class AfterExitTests(SynchronousTestCase):
    """What is remembered of the end of a worker."""

    def test_failures_add_up(self) -> None:
        """A worker that dies while it starts, or soon after, is one more failure."""
        for phase in Phase.STARTING, Phase.READY, Phase.KILLED:
            after = after_exit(History(3, 1), worker(phase, 50), RULES, 59.9)
            self.assertEqual(after, History(4, 59.9))

    def test_stable(self) -> None:
        """After a stable time, a death counts as the first."""
        after = after_exit(History(3, 1), worker(Phase.READY, 50), RULES, 60)
        self.assertEqual(after, History(1, 60))

    def test_asked_to_end(self) -> None:
        """To end when asked is no failure."""
        for phase in Phase.DRAINING, Phase.TERMINATING:
            after = after_exit(History(3, 1), worker(phase, 50), RULES, 51)
            self.assertEqual(after.failures, 3)


times = st.floats(0, 100)
views = st.builds(
    PoolView,
    st.integers(0, 4),
    st.lists(
        st.builds(WorkerView, st.integers(1, 5), st.sampled_from(Phase), times),
        unique_by=lambda each: each.slot,
    ).map(tuple),
    st.dictionaries(st.integers(1, 5), st.builds(History, st.integers(0, 9), times)),
    st.booleans(),
)


class PropertyTests(SynchronousTestCase):
    """What holds for any workers at any time."""

    @given(views, times)
    def test_wakes_for_a_reason(self, of: PoolView, now: float) -> None:
        """Nothing new comes up before the time to look again, and then something does."""
        plan = decide(of, RULES, now)
        if plan.wake_at is None:
            self.assertEqual(decide(of, RULES, 1e9).actions, plan.actions)
        else:
            self.assertGreater(plan.wake_at, now)
            self.assertEqual(decide(of, RULES, math.nextafter(plan.wake_at, 0)).actions, plan.actions)
            self.assertNotEqual(decide(of, RULES, plan.wake_at).actions, plan.actions)

    @given(views, times)
    def test_one_thing_at_a_time(self, of: PoolView, now: float) -> None:
        """A slot gets at most one action; nothing starts where a worker is, or when all are to end."""
        actions = decide(of, RULES, now).actions
        slots = [action.slot for action in actions]
        self.assertEqual(len(slots), len(set(slots)))
        started = {action.slot for action in actions if isinstance(action, Spawn)}
        self.assertFalse(started & {each.slot for each in of.workers})
        self.assertFalse(started and of.stopping)

    @given(views)
    def test_all_end(self, of: PoolView) -> None:
        """Workers that end only when they are killed are gone within the time-outs together."""
        start = now = 100.0
        workers = {each.slot: each for each in of.workers if each.phase is not Phase.KILLED}
        effects: dict[type, Callable[[int], WorkerView]] = {
            Drain: lambda slot: WorkerView(slot, Phase.DRAINING, now),
            Terminate: lambda slot: WorkerView(slot, Phase.TERMINATING, now),
        }
        while workers:
            plan = decide(replace(of, workers=tuple(workers.values()), stopping=True), RULES, now)
            for action in plan.actions:
                effect = effects.get(type(action))
                workers.pop(action.slot)
                if effect is not None:
                    workers[action.slot] = effect(action.slot)
            if not plan.actions:
                wake_at = plan.wake_at or now
                self.assertGreater(wake_at, now)
                now = wake_at
        self.assertLessEqual(now, start + RULES.drain_timeout + RULES.kill_timeout)

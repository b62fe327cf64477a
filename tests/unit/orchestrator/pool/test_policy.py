"""What is done about workers, and when."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.orchestrator.pool.model import (
    Action,
    Drain,
    Dump,
    Kill,
    Plan,
    PoolView,
    SlotHistory,
    Spawn,
    SupervisionPolicy,
    Terminate,
    WorkerPhase,
    WorkerView,
)
from unixsvc.orchestrator.pool.policy import decide

POLICY = SupervisionPolicy(boot_timeout=10, drain_timeout=30, kill_timeout=5)


def view(
    *workers: WorkerView, wanted: int = 1, stopping: bool = False, pause: float | None = None
) -> PoolView:
    """A service; if there is a pause, slot 1 is to stay empty until then."""
    histories = {} if pause is None else {1: SlotHistory(2, (), pause)}
    return PoolView(wanted, workers, histories, stopping)


def worker(phase: WorkerPhase, since: float = 0.0, slot: int = 1, **more: Any) -> WorkerView:
    """One worker, heard when it entered its phase; its number is that of its slot if not another one."""
    return WorkerView(
        **{"number": slot, "slot": slot, "last_seen": since, **more}, phase=phase, since=since, policy=POLICY
    )


class DecideTestCase(SynchronousTestCase):
    """Has a way to say what is to be decided."""

    def decided(self, of: PoolView, now: float, *actions: Action, wake_at: float | None = None) -> None:
        """Assert what is decided."""
        self.assertEqual(decide(of, now), Plan(actions, wake_at))


class SlotTests(DecideTestCase):
    """Which slots get a worker."""

    def test_starts_what_is_wanted(self) -> None:
        """At the beginning every slot gets a worker."""
        self.decided(view(wanted=3), 0, Spawn(1), Spawn(2), Spawn(3))

    def test_replaces_what_is_missing(self) -> None:
        """Only slots without a worker get one."""
        self.decided(view(worker(WorkerPhase.READY, slot=2), wanted=3), 0, Spawn(1), Spawn(3), wake_at=10)

    def test_content(self) -> None:
        """With all workers ready, and heard, there is nothing to do."""
        workers = worker(WorkerPhase.READY, 1, last_seen=90), worker(WorkerPhase.READY, 1, 2, last_seen=91)
        self.decided(view(*workers, wanted=2), 99, wake_at=100)

    def test_ends(self) -> None:
        """A slot whose worker ends, for whatever reason, gets another one at once."""
        for phase in WorkerPhase.STUCK, WorkerPhase.DRAINING, WorkerPhase.TERMINATING, WorkerPhase.KILLED:
            self.assertIn(Spawn(1), decide(view(worker(phase)), 0).actions)

    def test_pause(self) -> None:
        """A slot stays empty until its pause is over; it holds up no other."""
        self.decided(view(wanted=2, pause=102), 101.9, Spawn(2), wake_at=102)
        self.decided(view(wanted=2, pause=102), 102, Spawn(1), Spawn(2))

    def test_stop(self) -> None:
        """To stop, ready workers drain; those that are not ready yet just end; none is started."""
        workers = worker(WorkerPhase.READY), worker(WorkerPhase.STARTING, slot=2)
        self.decided(view(*workers, wanted=3, stopping=True), 1, Drain(1), Terminate(2))

    def test_too_many(self) -> None:
        """A worker in a slot that is not wanted is drained, the others are left alone."""
        self.decided(
            view(worker(WorkerPhase.READY), worker(WorkerPhase.READY, slot=2)), 1, Drain(2), wake_at=10
        )
        self.decided(
            view(worker(WorkerPhase.READY), worker(WorkerPhase.STARTING, slot=2)), 1, Terminate(2), wake_at=10
        )


class DeadlineTests(DecideTestCase):
    """Each phase has a time of its own, and the next harder means after it."""

    def test_escalation(self) -> None:
        """Who does not drain in time is told to end, who does not end in time is killed; then it is over."""
        self.decided(view(worker(WorkerPhase.DRAINING, 5), stopping=True), 34, wake_at=35)
        self.decided(view(worker(WorkerPhase.DRAINING, 5), stopping=True), 35, Terminate(1))
        self.decided(view(worker(WorkerPhase.TERMINATING, 35), stopping=True), 39, wake_at=40)
        self.decided(view(worker(WorkerPhase.TERMINATING, 35), stopping=True), 40, Kill(1))
        self.decided(view(worker(WorkerPhase.KILLED, 40), stopping=True), 1e9)

    def test_boot(self) -> None:
        """A worker has its time to become ready, and is killed after that."""
        self.decided(view(worker(WorkerPhase.STARTING, 5)), 14.9, wake_at=15)
        self.decided(view(worker(WorkerPhase.STARTING, 5)), 15, Kill(1))

    def test_watchdog(self) -> None:
        """A ready worker that is silent for too long, since whenever it is ready, has its stack written."""
        self.decided(view(worker(WorkerPhase.READY, 5, last_seen=50)), 59.9, wake_at=60)
        self.decided(view(worker(WorkerPhase.READY, 5, last_seen=50)), 60, Dump(1))

    def test_stuck(self) -> None:
        """It has a moment for that, and is killed then; another one takes its slot meanwhile."""
        workers = worker(WorkerPhase.STUCK, 60, number=1), worker(WorkerPhase.STARTING, 60, number=2)
        self.decided(view(worker(WorkerPhase.STUCK, 60)), 60, Spawn(1), wake_at=60.2)
        self.decided(view(*workers), 60.1, wake_at=60.2)
        self.decided(view(*workers), 60.2, Kill(1), wake_at=70)

    def test_only_the_ready_are_watched(self) -> None:
        """Who starts, or ends, has other times to keep to."""
        for phase, until in (WorkerPhase.STARTING, 10), (WorkerPhase.DRAINING, 30):
            plan = decide(view(worker(phase, 0, last_seen=-100), stopping=phase is WorkerPhase.DRAINING), 1)
            self.assertEqual(plan, Plan((), until))

    def test_own_rules(self) -> None:
        """The times are those that the worker was started under."""
        wait_for_idle = replace(worker(WorkerPhase.DRAINING), policy=replace(POLICY, drain_timeout=100))
        self.decided(view(wait_for_idle, stopping=True), 99, wake_at=100)

    def test_earliest(self) -> None:
        """With several deadlines, the first one is the time to look again."""
        workers = worker(WorkerPhase.DRAINING, 75, 3), worker(WorkerPhase.STARTING, 96, 2)
        self.decided(view(*workers, wanted=2, pause=101), 100.5, wake_at=101)
        self.decided(view(*workers, wanted=2, pause=130), 100.5, wake_at=105)


class RenewalTests(DecideTestCase):
    """Workers that are to be replaced although they are well."""

    def test_successor_first(self) -> None:
        """The successor is started, then waited for, and only when it is ready the old one drains."""
        old = worker(WorkerPhase.READY, number=1, outdated=True)
        self.decided(view(old), 1, Spawn(1), wake_at=10)
        self.decided(view(old, worker(WorkerPhase.STARTING, 1, number=2)), 2, wake_at=10)
        self.decided(view(old, worker(WorkerPhase.READY, 2, number=2)), 2, Drain(1), wake_at=12)

    def test_one_at_a_time(self) -> None:
        """As long as one starts, no other is replaced; then it is the next one's turn."""
        old = [worker(WorkerPhase.READY, 0, slot, outdated=True) for slot in (1, 2, 3)]
        self.decided(view(*old, wanted=3), 1, Spawn(1), wake_at=10)
        self.decided(view(*old, worker(WorkerPhase.STARTING, 1, number=4), wanted=3), 1, wake_at=10)
        new = worker(WorkerPhase.READY, 2, number=4)
        self.decided(view(*old, new, wanted=3), 2, Drain(1), Spawn(2), wake_at=10)

    def test_any_start_is_waited_for(self) -> None:
        """Also while a dead worker is being replaced, no other one is."""
        workers = worker(WorkerPhase.STARTING), worker(WorkerPhase.READY, 0, 2, outdated=True)
        self.decided(view(*workers, wanted=2), 1, wake_at=10)

    def test_pause(self) -> None:
        """A successor that dies is not started again before its slot's pause is over."""
        self.decided(view(worker(WorkerPhase.READY, outdated=True), pause=5), 1, wake_at=5)

    def test_dead_first(self) -> None:
        """A slot that is empty is filled whatever is being replaced."""
        workers = worker(WorkerPhase.READY, 0, 1, outdated=True), worker(WorkerPhase.STARTING, 0, number=9)
        self.decided(view(*workers, wanted=2), 1, Spawn(2), wake_at=10)

    def test_not_wanted(self) -> None:
        """One whose slot is not wanted has no successor."""
        workers = worker(WorkerPhase.READY), worker(WorkerPhase.READY, 0, 2, outdated=True)
        self.decided(view(*workers, wanted=1), 1, Drain(2), wake_at=10)

    def test_outdated_before_it_is_ready(self) -> None:
        """One that is out of date before it has answered anybody is ended, and another one started."""
        self.decided(view(worker(WorkerPhase.STARTING, outdated=True)), 1, Terminate(1))
        plan = decide(view(worker(WorkerPhase.TERMINATING, 1, outdated=True)), 1)
        self.assertEqual(plan, Plan((Spawn(1),), 6))

    def test_two_of_a_kind(self) -> None:
        """Of two ready ones in a slot, the younger stays."""
        workers = worker(WorkerPhase.READY, number=2), worker(WorkerPhase.READY, number=1)
        self.decided(view(*workers), 1, Drain(1), wake_at=10)


class FailedTests(DecideTestCase):
    """When it is not tried any more."""

    def start_limit_hit(self, wanted: int, slots: int, *workers: WorkerView) -> Plan:
        """What is decided at 100 if so many slots have had too many early deaths."""
        start_limit_hit = SlotHistory(5, (99,), 130, start_limit_hit=True)
        return decide(PoolView(wanted, workers, dict.fromkeys(range(1, slots + 1), start_limit_hit)), 100)

    def test_every_slot(self) -> None:
        """When every slot has had too many early deaths, the service has failed."""
        self.assertEqual(self.start_limit_hit(2, 2), Plan((), None, failed=True))

    def test_not_every_slot(self) -> None:
        """As long as another slot has not, it has not failed, and goes on."""
        self.assertEqual(self.start_limit_hit(2, 1), Plan((Spawn(2),), 130))

    def test_another_serves(self) -> None:
        """As long as another worker serves, or may, it has not; the slot is tried again after its pause."""
        for phase in WorkerPhase.READY, WorkerPhase.STARTING:
            plan = self.start_limit_hit(2, 2, worker(phase, 95, 2))
            self.assertEqual(plan, Plan((), 105))

    def test_what_ends(self) -> None:
        """A worker that is ending serves nobody, and its time still counts."""
        plan = self.start_limit_hit(2, 2, worker(WorkerPhase.DRAINING, 95, 2))
        self.assertEqual(plan, Plan((), 125, failed=True))

    def test_stopping(self) -> None:
        """What is to stop does not fail."""
        start_limit_hit = SlotHistory(5, (99,), 130, start_limit_hit=True)
        self.decided(PoolView(1, (), {1: start_limit_hit}, stopping=True), 100)


times = st.floats(0, 100)
histories = st.builds(SlotHistory, st.integers(0, 9), st.just(()), st.floats(0, 130), st.booleans())
workers_of_any_kind = st.builds(
    WorkerView,
    number=st.integers(1, 9),
    slot=st.integers(1, 4),
    phase=st.sampled_from(WorkerPhase),
    since=times,
    policy=st.just(POLICY),
    last_seen=times,
    ready_at=st.none() | times,
    outdated=st.booleans(),
    retiring=st.booleans(),
)
views = st.builds(
    PoolView,
    st.integers(0, 4),
    st.lists(workers_of_any_kind, unique_by=lambda each: each.number).map(tuple),
    st.dictionaries(st.integers(1, 4), histories),
    st.booleans(),
)


class PropertyTests(SynchronousTestCase):
    """What holds for any workers at any time."""

    @given(views, times)
    def test_wakes_for_a_reason(self, of: PoolView, now: float) -> None:
        """Nothing new comes up before the time to look again, and then something does."""
        plan = decide(of, now)
        if plan.wake_at is None:
            self.assertEqual(decide(of, 1e9).actions, plan.actions)
        else:
            self.assertGreater(plan.wake_at, now)
            self.assertEqual(decide(of, math.nextafter(plan.wake_at, 0)).actions, plan.actions)
            self.assertNotEqual(decide(of, plan.wake_at).actions, plan.actions)

    @given(views, times)
    def test_one_thing_at_a_time(self, of: PoolView, now: float) -> None:
        """A worker gets at most one action, a slot at most one start, and none where one starts already."""
        plan = decide(of, now)
        commands = [each.number for each in plan.actions if not isinstance(each, Spawn)]
        started = [each.number for each in plan.actions if isinstance(each, Spawn)]
        self.assertEqual(len(commands), len(set(commands)))
        self.assertEqual(len(started), len(set(started)))
        self.assertFalse(
            set(started) & {each.slot for each in of.workers if each.phase is WorkerPhase.STARTING}
        )
        self.assertFalse(started and (of.stopping or plan.failed))
        well = {each.slot for each in of.workers if each.phase is WorkerPhase.READY and not each.outdated}
        self.assertFalse(set(started) & well)

    @given(views, times)
    def test_never_without(self, of: PoolView, now: float) -> None:
        """Of a wanted slot's ready workers, all that are heard, one is never told to end."""
        last_seen = tuple(replace(each, last_seen=now) for each in of.workers)
        plan = decide(replace(of, workers=last_seen, stopping=False), now)
        commands = {each.number for each in plan.actions if not isinstance(each, Spawn)}
        for slot in range(1, of.wanted + 1):
            ready = {
                each.number for each in last_seen if each.slot == slot and each.phase is WorkerPhase.READY
            }
            self.assertFalse(ready and ready <= commands)

    @given(views)
    def test_all_end(self, of: PoolView) -> None:
        """Workers that end only when they are killed are gone within the time-outs together."""
        start = now = 100.0
        workers = {each.number: each for each in of.workers if each.phase is not WorkerPhase.KILLED}
        effects: dict[type, Callable[[WorkerView], WorkerView]] = {
            Drain: lambda each: replace(each, phase=WorkerPhase.DRAINING, since=now),
            Terminate: lambda each: replace(each, phase=WorkerPhase.TERMINATING, since=now),
        }
        while workers:
            plan = decide(replace(of, workers=tuple(workers.values()), stopping=True), now)
            for action in plan.actions:
                effect = effects.get(type(action))
                before = workers.pop(action.number)
                if effect is not None:
                    workers[action.number] = effect(before)
            if not plan.actions:
                wake_at = plan.wake_at or now
                self.assertGreater(wake_at, now)
                now = wake_at
        self.assertLessEqual(now, start + POLICY.drain_timeout + POLICY.kill_timeout)

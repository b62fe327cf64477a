"""Tests of the supervision policy."""

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
    """The workers of a service; slot 1 stays empty until ``pause``, if that is given."""
    histories = {} if pause is None else {1: SlotHistory(2, (), pause)}
    return PoolView(wanted, workers, histories, stopping)


def worker(phase: WorkerPhase, since: float = 0.0, slot: int = 1, **more: Any) -> WorkerView:
    """A worker that was last seen when it entered its phase; its number is that of its slot by default."""
    return WorkerView(
        **{"number": slot, "slot": slot, "last_seen": since, **more}, phase=phase, since=since, policy=POLICY
    )


class DecideTestCase(SynchronousTestCase):
    """A test of decisions."""

    def decided(self, of: PoolView, now: float, *actions: Action, wake_at: float | None = None) -> None:
        """Assert a decision."""
        self.assertEqual(decide(of, now), Plan(actions, wake_at))


class SlotTests(DecideTestCase):
    """Which slots get a worker."""

    def test_starts_what_is_wanted(self) -> None:
        """At the start every slot gets a worker."""
        self.decided(view(wanted=3), 0, Spawn(1), Spawn(2), Spawn(3))

    def test_replaces_what_is_missing(self) -> None:
        """Only slots without a worker get one."""
        self.decided(view(worker(WorkerPhase.READY, slot=2), wanted=3), 0, Spawn(1), Spawn(3), wake_at=10)

    def test_all_ready(self) -> None:
        """If all workers are ready and seen, there is nothing to do."""
        workers = worker(WorkerPhase.READY, 1, last_seen=90), worker(WorkerPhase.READY, 1, 2, last_seen=91)
        self.decided(view(*workers, wanted=2), 99, wake_at=100)

    def test_ends(self) -> None:
        """A slot whose worker ends, for any reason, gets a new one at once."""
        for phase in WorkerPhase.STUCK, WorkerPhase.DRAINING, WorkerPhase.TERMINATING, WorkerPhase.KILLED:
            self.assertIn(Spawn(1), decide(view(worker(phase)), 0).actions)

    def test_back_off(self) -> None:
        """A slot stays empty until its back-off is over, and delays no other slot."""
        self.decided(view(wanted=2, pause=102), 101.9, Spawn(2), wake_at=102)
        self.decided(view(wanted=2, pause=102), 102, Spawn(1), Spawn(2))

    def test_stop(self) -> None:
        """At a stop, ready workers drain, starting workers are terminated, and none is started."""
        workers = worker(WorkerPhase.READY), worker(WorkerPhase.STARTING, slot=2)
        self.decided(view(*workers, wanted=3, stopping=True), 1, Drain(1), Terminate(2))

    def test_too_many(self) -> None:
        """A worker in an unwanted slot is drained; the others stay."""
        self.decided(
            view(worker(WorkerPhase.READY), worker(WorkerPhase.READY, slot=2)), 1, Drain(2), wake_at=10
        )
        self.decided(
            view(worker(WorkerPhase.READY), worker(WorkerPhase.STARTING, slot=2)), 1, Terminate(2), wake_at=10
        )


class DeadlineTests(DecideTestCase):
    """Each phase has a deadline, and then the next harder means."""

    def test_escalation(self) -> None:
        """A worker that does not drain in time gets TERM, then KILL, and nothing after that."""
        self.decided(view(worker(WorkerPhase.DRAINING, 5), stopping=True), 34, wake_at=35)
        self.decided(view(worker(WorkerPhase.DRAINING, 5), stopping=True), 35, Terminate(1))
        self.decided(view(worker(WorkerPhase.TERMINATING, 35), stopping=True), 39, wake_at=40)
        self.decided(view(worker(WorkerPhase.TERMINATING, 35), stopping=True), 40, Kill(1))
        self.decided(view(worker(WorkerPhase.KILLED, 40), stopping=True), 1e9)

    def test_boot(self) -> None:
        """A worker that is not ready within the boot timeout is killed."""
        self.decided(view(worker(WorkerPhase.STARTING, 5)), 14.9, wake_at=15)
        self.decided(view(worker(WorkerPhase.STARTING, 5)), 15, Kill(1))

    def test_watchdog(self) -> None:
        """A ready worker that is not seen within the watchdog time must write its stack."""
        self.decided(view(worker(WorkerPhase.READY, 5, last_seen=50)), 59.9, wake_at=60)
        self.decided(view(worker(WorkerPhase.READY, 5, last_seen=50)), 60, Dump(1))

    def test_stuck(self) -> None:
        """A stuck worker is killed after the dump time; meanwhile its slot gets a new worker."""
        workers = worker(WorkerPhase.STUCK, 60, number=1), worker(WorkerPhase.STARTING, 60, number=2)
        self.decided(view(worker(WorkerPhase.STUCK, 60)), 60, Spawn(1), wake_at=60.2)
        self.decided(view(*workers), 60.1, wake_at=60.2)
        self.decided(view(*workers), 60.2, Kill(1), wake_at=70)

    def test_only_the_ready_are_watched(self) -> None:
        """Starting and draining workers have no watchdog."""
        for phase, until in (WorkerPhase.STARTING, 10), (WorkerPhase.DRAINING, 30):
            plan = decide(view(worker(phase, 0, last_seen=-100), stopping=phase is WorkerPhase.DRAINING), 1)
            self.assertEqual(plan, Plan((), until))

    def test_own_policy(self) -> None:
        """The deadlines are those of the policy that the worker was started with."""
        wait_for_idle = replace(worker(WorkerPhase.DRAINING), policy=replace(POLICY, drain_timeout=100))
        self.decided(view(wait_for_idle, stopping=True), 99, wake_at=100)

    def test_drain_delay(self) -> None:
        """The time in which load balancers notice a drain is not part of the drain timeout."""
        delayed = replace(worker(WorkerPhase.DRAINING), policy=replace(POLICY, drain_delay=7))
        self.decided(view(delayed, stopping=True), 36, wake_at=37)
        self.decided(view(delayed, stopping=True), 37, Terminate(1), wake_at=None)

    def test_earliest(self) -> None:
        """The earliest of several deadlines is the time of the next decision."""
        workers = worker(WorkerPhase.DRAINING, 75, 3), worker(WorkerPhase.STARTING, 96, 2)
        self.decided(view(*workers, wanted=2, pause=101), 100.5, wake_at=101)
        self.decided(view(*workers, wanted=2, pause=130), 100.5, wake_at=105)


class RenewalTests(DecideTestCase):
    """Healthy workers that are replaced."""

    def test_successor_first(self) -> None:
        """A successor is started; when it is ready, the old worker drains."""
        old = worker(WorkerPhase.READY, number=1, outdated=True)
        self.decided(view(old), 1, Spawn(1), wake_at=10)
        self.decided(view(old, worker(WorkerPhase.STARTING, 1, number=2)), 2, wake_at=10)
        self.decided(view(old, worker(WorkerPhase.READY, 2, number=2)), 2, Drain(1), wake_at=12)

    def test_one_at_a_time(self) -> None:
        """While a worker starts, no other one is replaced; then the next one is."""
        old = [worker(WorkerPhase.READY, 0, slot, outdated=True) for slot in (1, 2, 3)]
        self.decided(view(*old, wanted=3), 1, Spawn(1), wake_at=10)
        self.decided(view(*old, worker(WorkerPhase.STARTING, 1, number=4), wanted=3), 1, wake_at=10)
        new = worker(WorkerPhase.READY, 2, number=4)
        self.decided(view(*old, new, wanted=3), 2, Drain(1), Spawn(2), wake_at=10)

    def test_any_start_is_waited_for(self) -> None:
        """While a dead worker is being replaced, no other one is replaced."""
        workers = worker(WorkerPhase.STARTING), worker(WorkerPhase.READY, 0, 2, outdated=True)
        self.decided(view(*workers, wanted=2), 1, wake_at=10)

    def test_back_off(self) -> None:
        """A successor that dies is not started again before the back-off is over."""
        self.decided(view(worker(WorkerPhase.READY, outdated=True), pause=5), 1, wake_at=5)

    def test_dead_first(self) -> None:
        """An empty slot gets a worker even while another one is replaced."""
        workers = worker(WorkerPhase.READY, 0, 1, outdated=True), worker(WorkerPhase.STARTING, 0, number=9)
        self.decided(view(*workers, wanted=2), 1, Spawn(2), wake_at=10)

    def test_not_wanted(self) -> None:
        """An outdated worker in an unwanted slot gets no successor."""
        workers = worker(WorkerPhase.READY), worker(WorkerPhase.READY, 0, 2, outdated=True)
        self.decided(view(*workers, wanted=1), 1, Drain(2), wake_at=10)

    def test_outdated_before_it_is_ready(self) -> None:
        """An outdated worker that still starts is terminated, and a new one started."""
        self.decided(view(worker(WorkerPhase.STARTING, outdated=True)), 1, Terminate(1))
        plan = decide(view(worker(WorkerPhase.TERMINATING, 1, outdated=True)), 1)
        self.assertEqual(plan, Plan((Spawn(1),), 6))

    def test_two_ready_workers(self) -> None:
        """Of two ready workers in a slot, the newer one stays."""
        workers = worker(WorkerPhase.READY, number=2), worker(WorkerPhase.READY, number=1)
        self.decided(view(*workers), 1, Drain(1), wake_at=10)


class FailedTests(DecideTestCase):
    """When the service has failed."""

    def start_limit_hit(self, wanted: int, slots: int, *workers: WorkerView) -> Plan:
        """The decision at 100 if that number of slots has hit the start limit."""
        start_limit_hit = SlotHistory(5, (99,), 130, start_limit_hit=True)
        return decide(PoolView(wanted, workers, dict.fromkeys(range(1, slots + 1), start_limit_hit)), 100)

    def test_every_slot(self) -> None:
        """When every slot has hit the start limit, the service has failed."""
        self.assertEqual(self.start_limit_hit(2, 2), Plan((), None, failed=True))

    def test_not_every_slot(self) -> None:
        """While a slot has not hit the start limit, the service has not failed."""
        self.assertEqual(self.start_limit_hit(2, 1), Plan((Spawn(2),), 130))

    def test_another_serves(self) -> None:
        """While a worker serves or starts, the service has not failed; the slot is tried again later."""
        for phase in WorkerPhase.READY, WorkerPhase.STARTING:
            plan = self.start_limit_hit(2, 2, worker(phase, 95, 2))
            self.assertEqual(plan, Plan((), 105))

    def test_draining_worker(self) -> None:
        """A draining worker does not keep the service from failing, and its deadline still counts."""
        plan = self.start_limit_hit(2, 2, worker(WorkerPhase.DRAINING, 95, 2))
        self.assertEqual(plan, Plan((), 125, failed=True))

    def test_stopping(self) -> None:
        """A service that stops does not fail."""
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
    """Properties for any workers at any time."""

    @given(views, times)
    def test_wakes_for_a_reason(self, of: PoolView, now: float) -> None:
        """The decision does not change before the time of the next one, and changes then."""
        plan = decide(of, now)
        if plan.wake_at is None:
            self.assertEqual(decide(of, 1e9).actions, plan.actions)
        else:
            self.assertGreater(plan.wake_at, now)
            self.assertEqual(decide(of, math.nextafter(plan.wake_at, 0)).actions, plan.actions)
            self.assertNotEqual(decide(of, plan.wake_at).actions, plan.actions)

    @given(views, times)
    def test_one_thing_at_a_time(self, of: PoolView, now: float) -> None:
        """A worker gets at most one action, a slot at most one start, and none if one starts."""
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
        """Of the responsive ready workers in a wanted slot, one is never asked to exit."""
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
        """Workers that only end by KILL have ended when all timeouts together have passed."""
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

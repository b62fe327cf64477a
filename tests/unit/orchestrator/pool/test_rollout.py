"""Tests of changes without a pool."""

from __future__ import annotations

from typing import Any

from msgspec import Struct
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.orchestrator.pool.fake_processes import Processes
from tests.unit.orchestrator.pool.pool_harness import spec_for
from unixsvc.errors import ConfigError
from unixsvc.orchestrator.pool.model import WorkerPhase
from unixsvc.orchestrator.pool.rollout import Rollout
from unixsvc.orchestrator.pool.spec import WorkerSpec
from unixsvc.orchestrator.pool.worker_record import WorkerRecord
from unixsvc.telemetry.metrics.page import MetricsPage


class Slot(Struct):
    """The part of a process that a rollout reads."""

    slot: int


class RolloutTests(SynchronousTestCase):
    """Changes succeed, are rolled back, or are cancelled."""

    def setUp(self) -> None:
        """Make a rollout for two workers; there are none yet."""
        self.reactor = Processes()
        self.old, self.new = spec_for(self.reactor, 1), spec_for(self.reactor, 2)
        self.rollout = Rollout("services.home", self.old)
        self.page = MetricsPage()
        self.addCleanup(self.page.close)

    def record(self, slot: int, spec: WorkerSpec, phase: WorkerPhase = WorkerPhase.READY) -> WorkerRecord:
        """A worker that has been in its phase since 100."""
        process: Any = Slot(slot)
        record = WorkerRecord(slot, process, spec, self.page, 100, 0.0)
        record.enter(phase, 100)
        return record

    def all_of(self, spec: WorkerSpec, count: int = 2) -> list[WorkerRecord]:
        """Ready workers in the first slots."""
        return [self.record(slot + 1, spec) for slot in range(count)]

    def test_boot(self) -> None:
        """The first start is done when all slots are ready."""
        self.rollout.begin_start()
        when_ready = self.rollout.when_ready()
        self.assertTrue(self.rollout.is_starting)
        starting = self.record(2, self.old, WorkerPhase.STARTING)
        self.rollout.update([self.record(1, self.old), starting])
        self.assertNoResult(when_ready)
        self.rollout.update(self.all_of(self.old))
        self.successResultOf(when_ready)
        self.assertFalse(self.rollout.is_starting)

    def test_boot_fails(self) -> None:
        """The first start fails when a worker ends that was never ready."""
        self.rollout.begin_start()
        when_ready = self.rollout.when_ready()
        record = self.record(1, self.old, WorkerPhase.STARTING)
        self.assertTrue(self.rollout.worker_ended(record, "no disk", [], 101))
        self.assertNoResult(when_ready)  # first the pool sees to it that it has failed
        self.rollout.cancel("cannot start: no disk")
        error = self.failureResultOf(when_ready, ConfigError).value
        self.assertEqual(str(error), "services.home: cannot start: no disk")
        self.assertFalse(self.rollout.worker_ended(record, "no disk", [], 101))

    def test_change(self) -> None:
        """During a change there are as many workers as before or after, whichever is more."""
        for wanted, meanwhile in (1, 2), (2, 2), (5, 5):
            self.setUp()
            self.rollout.begin_change(self.new, wanted)
            self.assertEqual((self.rollout.spec, self.rollout.wanted), (self.new, meanwhile))
            self.rollout.update(self.all_of(self.new, wanted))
            self.assertEqual(self.rollout.wanted, wanted)

    def test_old_ones_do_not_count(self) -> None:
        """Workers of another spec do not complete a change."""
        done = self.rollout.begin_change(self.new, 2)
        self.rollout.update(self.all_of(self.old))
        self.assertNoResult(done)
        self.assertFalse(self.rollout.all_ready(self.all_of(self.old)))
        self.assertTrue(self.rollout.all_ready(self.all_of(self.new)))
        self.rollout.update(self.all_of(self.new))
        self.successResultOf(done)

    def test_old_ones_still_accept(self) -> None:
        """A change is not done while an old worker accepts connections."""
        leaving = self.record(1, self.old, WorkerPhase.DRAINING)
        done = self.rollout.begin_change(self.new, 2)
        self.rollout.update([*self.all_of(self.new), leaving, self.record(2, self.old)])
        self.rollout.update([*self.all_of(self.new), leaving])
        self.assertNoResult(done)
        leaving.closed = True
        self.rollout.update([*self.all_of(self.new), leaving])
        self.successResultOf(done)

    def test_rolled_back(self) -> None:
        """If a new worker ends before it is ready, the change is rolled back, and the error says why."""
        done = self.rollout.begin_change(self.new, 3)
        worker_ended = self.record(3, self.new, WorkerPhase.STARTING)
        self.assertTrue(self.rollout.worker_ended(worker_ended, "no disk", self.all_of(self.old), 101))
        self.assertEqual((self.rollout.spec, self.rollout.wanted), (self.old, 2))
        self.assertIn("no disk", str(self.failureResultOf(done, ConfigError).value))
        self.assertIn("no disk", self.rollout.problem)

    def test_ready_ones_stay(self) -> None:
        """New workers that are ready at a roll-back count as old ones."""
        self.rollout.begin_change(self.new, 2).addErrback(lambda failure: None)
        ready, starting = self.record(1, self.new), self.record(2, self.new, WorkerPhase.STARTING)
        self.rollout.worker_ended(self.record(2, self.new, WorkerPhase.STARTING), "", [ready, starting], 101)
        self.assertFalse(ready.view(self.rollout.spec).outdated)
        self.assertTrue(starting.view(self.rollout.spec).outdated)

    def test_whose_fault(self) -> None:
        """Only the early death of a new worker rolls a change back."""
        commands = self.record(1, self.new)
        commands.retiring = True
        for record, now, ends in [
            (self.record(1, self.old), 100.5, False),  # an old one
            (commands, 100.5, False),  # had to end
            (self.record(1, self.new), 102, False),  # was stable before its exit
            (self.record(1, self.new), 100.5, True),  # was not stable
            (self.record(1, self.new, WorkerPhase.STARTING), 109, True),  # was never ready
        ]:
            self.rollout = Rollout("services.home", self.old)
            self.rollout.begin_change(self.new, 2).addErrback(lambda failure: None)
            self.assertEqual(self.rollout.worker_ended(record, "", [], now), ends)

    def test_scaling(self) -> None:
        """A change of the number alone is rolled back only by a worker that was never ready."""
        done = self.rollout.begin_change(self.old, 3)
        self.assertFalse(self.rollout.worker_ended(self.record(1, self.old), "", [], 100.5))
        self.assertNoResult(done)
        self.assertTrue(
            self.rollout.worker_ended(self.record(3, self.old, WorkerPhase.STARTING), "", [], 100.5)
        )
        self.failureResultOf(done, ConfigError)
        self.assertEqual(self.rollout.wanted, 2)

    def test_no_change(self) -> None:
        """Without a change, the end of a worker has no effect."""
        self.assertFalse(
            self.rollout.worker_ended(self.record(1, self.old, WorkerPhase.STARTING), "", [], 101)
        )

    def test_another(self) -> None:
        """A second change makes the first one fail; its roll-back state is that before the first."""
        first = self.rollout.begin_change(self.new, 5)
        third = spec_for(self.reactor, 3)
        second = self.rollout.begin_change(third, 1)
        self.failureResultOf(first, ConfigError)
        self.assertTrue(self.rollout.worker_ended(self.record(1, third, WorkerPhase.STARTING), "", [], 101))
        self.failureResultOf(second, ConfigError)
        self.assertEqual((self.rollout.spec, self.rollout.wanted), (self.old, 2))

    def test_cancel(self) -> None:
        """Cancelling rolls a change back, and makes the first start fail."""
        done = self.rollout.begin_change(self.new, 3)
        self.rollout.cancel()
        self.failureResultOf(done, ConfigError)
        self.assertEqual((self.rollout.spec, self.rollout.wanted), (self.old, 2))
        self.assertFalse(
            self.rollout.worker_ended(self.record(1, self.new, WorkerPhase.STARTING), "", [], 101)
        )
        self.rollout.begin_start()
        when_ready = self.rollout.when_ready()
        self.rollout.cancel()
        self.failureResultOf(when_ready, ConfigError)

    def test_cancel_when_ready(self) -> None:
        """When all new workers are ready, cancelling does not roll back."""
        leaving = self.record(1, self.old, WorkerPhase.DRAINING)
        done = self.rollout.begin_change(self.new, 3)
        self.rollout.update([*self.all_of(self.new, 3), leaving])
        self.assertFalse(self.rollout.worker_ended(self.record(1, self.new), "", [leaving], 100.5))
        self.rollout.cancel()
        self.failureResultOf(done, ConfigError)
        self.assertEqual((self.rollout.spec, self.rollout.wanted), (self.new, 3))

    def test_problem_goes_away(self) -> None:
        """The problem of a failed change is removed by the next successful change or start."""
        for again in False, True:
            self.rollout.begin_change(self.new, 2).addErrback(lambda failure: None)
            self.rollout.worker_ended(self.record(1, self.new, WorkerPhase.STARTING), "no disk", [], 101)
            self.assertNotEqual(self.rollout.problem, "")
            if again:
                self.rollout.begin_start()
            else:
                self.rollout.begin_change(self.new, 2)
                self.rollout.update(self.all_of(self.new))
            self.assertEqual(self.rollout.problem, "")
            self.setUp()

    def test_set_spec(self) -> None:
        """A spec that is only set is used at the next start."""
        self.rollout.set_spec(spec_for(self.reactor, 3, wanted=7))
        self.assertEqual((self.rollout.spec.number, self.rollout.wanted), (3, 7))

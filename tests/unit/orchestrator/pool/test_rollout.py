"""The change that is under way, without a pool."""

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


class Slot(Struct):
    """As much of a process as is looked at."""

    slot: int


class RolloutTests(SynchronousTestCase):
    """What is done, undone, or given up."""

    def setUp(self) -> None:
        """Two workers are wanted; there are none yet."""
        self.reactor = Processes()
        self.old, self.new = spec_for(self.reactor, 1), spec_for(self.reactor, 2)
        self.rollout = Rollout("services.home", self.old)

    def record(self, slot: int, spec: WorkerSpec, phase: WorkerPhase = WorkerPhase.READY) -> WorkerRecord:
        """A worker, that is in its phase since 100."""
        process: Any = Slot(slot)
        record = WorkerRecord(slot, process, spec, 100, 0.0)
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
        """It has failed when one ends that was never ready; when it is given up, whoever waits is told."""
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
        """During a change there are as many as before or after, whichever are more; new ones are new."""
        for wanted, meanwhile in (1, 2), (2, 2), (5, 5):
            self.setUp()
            self.rollout.begin_change(self.new, wanted)
            self.assertEqual((self.rollout.spec, self.rollout.wanted), (self.new, meanwhile))
            self.rollout.update(self.all_of(self.new, wanted))
            self.assertEqual(self.rollout.wanted, wanted)

    def test_old_ones_do_not_count(self) -> None:
        """Workers of another version do not make a change done."""
        done = self.rollout.begin_change(self.new, 2)
        self.rollout.update(self.all_of(self.old))
        self.assertNoResult(done)
        self.assertFalse(self.rollout.all_ready(self.all_of(self.old)))
        self.assertTrue(self.rollout.all_ready(self.all_of(self.new)))
        self.rollout.update(self.all_of(self.new))
        self.successResultOf(done)

    def test_old_ones_still_accept(self) -> None:
        """Nor is it done while clients may still come to an old one, if only while it drains."""
        leaving = self.record(1, self.old, WorkerPhase.DRAINING)
        done = self.rollout.begin_change(self.new, 2)
        self.rollout.update([*self.all_of(self.new), leaving, self.record(2, self.old)])
        self.rollout.update([*self.all_of(self.new), leaving])
        self.assertNoResult(done)
        leaving.closed = True
        self.rollout.update([*self.all_of(self.new), leaving])
        self.successResultOf(done)

    def test_undone(self) -> None:
        """When a new one is lost before it was ready, all is as before, and it is said why."""
        done = self.rollout.begin_change(self.new, 3)
        worker_ended = self.record(3, self.new, WorkerPhase.STARTING)
        self.assertTrue(self.rollout.worker_ended(worker_ended, "no disk", self.all_of(self.old), 101))
        self.assertEqual((self.rollout.spec, self.rollout.wanted), (self.old, 2))
        self.assertIn("no disk", str(self.failureResultOf(done, ConfigError).value))
        self.assertIn("no disk", self.rollout.problem)

    def test_ready_ones_stay(self) -> None:
        """New ones that are ready by then count as old ones; those that are not, do not."""
        self.rollout.begin_change(self.new, 2).addErrback(lambda failure: None)
        ready, starting = self.record(1, self.new), self.record(2, self.new, WorkerPhase.STARTING)
        self.rollout.worker_ended(self.record(2, self.new, WorkerPhase.STARTING), "", [ready, starting], 101)
        self.assertFalse(ready.view(self.rollout.spec).outdated)
        self.assertTrue(starting.view(self.rollout.spec).outdated)

    def test_whose_fault(self) -> None:
        """It is undone by the early end of a new one, and of nobody else."""
        commands = self.record(1, self.new)
        commands.retiring = True
        for record, now, ends in [
            (self.record(1, self.old), 100.5, False),  # an old one
            (commands, 100.5, False),  # was told to end
            (self.record(1, self.new), 102, False),  # has shown that it can stay
            (self.record(1, self.new), 100.5, True),  # has not
            (self.record(1, self.new, WorkerPhase.STARTING), 109, True),  # was never ready
        ]:
            self.rollout = Rollout("services.home", self.old)
            self.rollout.begin_change(self.new, 2).addErrback(lambda failure: None)
            self.assertEqual(self.rollout.worker_ended(record, "", [], now), ends)

    def test_scaling(self) -> None:
        """Another number of the same workers is undone only by one that was never ready."""
        done = self.rollout.begin_change(self.old, 3)
        self.assertFalse(self.rollout.worker_ended(self.record(1, self.old), "", [], 100.5))
        self.assertNoResult(done)
        self.assertTrue(
            self.rollout.worker_ended(self.record(3, self.old, WorkerPhase.STARTING), "", [], 100.5)
        )
        self.failureResultOf(done, ConfigError)
        self.assertEqual(self.rollout.wanted, 2)

    def test_none_under_way(self) -> None:
        """Without a change nothing is undone by whatever ends."""
        self.assertFalse(
            self.rollout.worker_ended(self.record(1, self.old, WorkerPhase.STARTING), "", [], 101)
        )

    def test_another(self) -> None:
        """A change that another one comes in between of has failed; what was before it stays known."""
        first = self.rollout.begin_change(self.new, 5)
        third = spec_for(self.reactor, 3)
        second = self.rollout.begin_change(third, 1)
        self.failureResultOf(first, ConfigError)
        self.assertTrue(self.rollout.worker_ended(self.record(1, third, WorkerPhase.STARTING), "", [], 101))
        self.failureResultOf(second, ConfigError)
        self.assertEqual((self.rollout.spec, self.rollout.wanted), (self.old, 2))

    def test_stop(self) -> None:
        """To stop gives up what is under way, as if it had not been asked for, the first start as well."""
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

    def test_stop_after_the_swap(self) -> None:
        """What is only not done because clients may still come to an old one is not undone any more."""
        leaving = self.record(1, self.old, WorkerPhase.DRAINING)
        done = self.rollout.begin_change(self.new, 3)
        self.rollout.update([*self.all_of(self.new, 3), leaving])
        self.assertFalse(self.rollout.worker_ended(self.record(1, self.new), "", [leaving], 100.5))
        self.rollout.cancel()
        self.failureResultOf(done, ConfigError)
        self.assertEqual((self.rollout.spec, self.rollout.wanted), (self.new, 3))

    def test_problem_goes_away(self) -> None:
        """Why one was given up is forgotten when the next one is done, or all is started again."""
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

    def test_replace(self) -> None:
        """A version that is only set is what the next start brings."""
        self.rollout.set_spec(spec_for(self.reactor, 3, wanted=7))
        self.assertEqual((self.rollout.spec.number, self.rollout.wanted), (3, 7))

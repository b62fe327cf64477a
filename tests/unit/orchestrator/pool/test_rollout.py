"""The change that is under way, without a pool."""

from __future__ import annotations

from typing import Any

from msgspec import Struct
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.orchestrator.pool.fake_processes import Processes
from tests.unit.orchestrator.pool.pool_harness import version_for
from unixsvc.errors import ConfigError
from unixsvc.orchestrator.pool.policy import WorkerPhase
from unixsvc.orchestrator.pool.rollout import Rollout
from unixsvc.orchestrator.pool.worker_record import WorkerRecord, WorkerSpec


class Slot(Struct):
    """As much of a process as is looked at."""

    slot: int


class TargetTests(SynchronousTestCase):
    """What is done, undone, or given up."""

    def setUp(self) -> None:
        """Two workers are wanted; there are none yet."""
        self.reactor = Processes()
        self.old, self.new = version_for(self.reactor, 1), version_for(self.reactor, 2)
        self.target = Rollout("services.home", self.old)

    def member(self, slot: int, version: WorkerSpec, phase: WorkerPhase = WorkerPhase.READY) -> WorkerRecord:
        """A worker, that is in its phase since 100."""
        process: Any = Slot(slot)
        member = WorkerRecord(slot, process, version, 100, 0.0)
        member.enter(phase, 100)
        return member

    def all_of(self, version: WorkerSpec, count: int = 2) -> list[WorkerRecord]:
        """Ready workers in the first slots."""
        return [self.member(slot + 1, version) for slot in range(count)]

    def test_boot(self) -> None:
        """The first start is done when all slots are ready."""
        self.target.boot()
        when_ready = self.target.when_ready()
        self.assertTrue(self.target.booting)
        starting = self.member(2, self.old, WorkerPhase.STARTING)
        self.target.look([self.member(1, self.old), starting])
        self.assertNoResult(when_ready)
        self.target.look(self.all_of(self.old))
        self.successResultOf(when_ready)
        self.assertFalse(self.target.booting)

    def test_boot_fails(self) -> None:
        """It has failed when one ends that was never ready; when it is given up, whoever waits is told."""
        self.target.boot()
        when_ready = self.target.when_ready()
        member = self.member(1, self.old, WorkerPhase.STARTING)
        self.assertTrue(self.target.lost(member, "no disk", [], 101))
        self.assertNoResult(when_ready)  # first the pool sees to it that it has failed
        self.target.stop("cannot start: no disk")
        error = self.failureResultOf(when_ready, ConfigError).value
        self.assertEqual(str(error), "services.home: cannot start: no disk")
        self.assertFalse(self.target.lost(member, "no disk", [], 101))

    def test_change(self) -> None:
        """During a change there are as many as before or after, whichever are more; new ones are new."""
        for wanted, meanwhile in (1, 2), (2, 2), (5, 5):
            self.setUp()
            self.target.change(self.new, wanted)
            self.assertEqual((self.target.version, self.target.wanted), (self.new, meanwhile))
            self.target.look(self.all_of(self.new, wanted))
            self.assertEqual(self.target.wanted, wanted)

    def test_old_ones_do_not_count(self) -> None:
        """Workers of another version do not make a change done."""
        done = self.target.change(self.new, 2)
        self.target.look(self.all_of(self.old))
        self.assertNoResult(done)
        self.assertFalse(self.target.all_ready(self.all_of(self.old)))
        self.assertTrue(self.target.all_ready(self.all_of(self.new)))
        self.target.look(self.all_of(self.new))
        self.successResultOf(done)

    def test_old_ones_still_accept(self) -> None:
        """Nor is it done while clients may still come to an old one, if only while it drains."""
        leaving = self.member(1, self.old, WorkerPhase.DRAINING)
        done = self.target.change(self.new, 2)
        self.target.look([*self.all_of(self.new), leaving, self.member(2, self.old)])
        self.target.look([*self.all_of(self.new), leaving])
        self.assertNoResult(done)
        leaving.closed = True
        self.target.look([*self.all_of(self.new), leaving])
        self.successResultOf(done)

    def test_undone(self) -> None:
        """When a new one is lost before it was ready, all is as before, and it is said why."""
        done = self.target.change(self.new, 3)
        lost = self.member(3, self.new, WorkerPhase.STARTING)
        self.assertTrue(self.target.lost(lost, "no disk", self.all_of(self.old), 101))
        self.assertEqual((self.target.version, self.target.wanted), (self.old, 2))
        self.assertIn("no disk", str(self.failureResultOf(done, ConfigError).value))
        self.assertIn("no disk", self.target.problem)

    def test_ready_ones_stay(self) -> None:
        """New ones that are ready by then count as old ones; those that are not, do not."""
        self.target.change(self.new, 2).addErrback(lambda failure: None)
        ready, starting = self.member(1, self.new), self.member(2, self.new, WorkerPhase.STARTING)
        self.target.lost(self.member(2, self.new, WorkerPhase.STARTING), "", [ready, starting], 101)
        self.assertFalse(ready.view(self.target.version).outdated)
        self.assertTrue(starting.view(self.target.version).outdated)

    def test_whose_fault(self) -> None:
        """It is undone by the early end of a new one, and of nobody else."""
        told = self.member(1, self.new)
        told.retiring = True
        for member, now, ends in [
            (self.member(1, self.old), 100.5, False),  # an old one
            (told, 100.5, False),  # was told to end
            (self.member(1, self.new), 102, False),  # has shown that it can stay
            (self.member(1, self.new), 100.5, True),  # has not
            (self.member(1, self.new, WorkerPhase.STARTING), 109, True),  # was never ready
        ]:
            self.target = Rollout("services.home", self.old)
            self.target.change(self.new, 2).addErrback(lambda failure: None)
            self.assertEqual(self.target.lost(member, "", [], now), ends)

    def test_scaling(self) -> None:
        """Another number of the same workers is undone only by one that was never ready."""
        done = self.target.change(self.old, 3)
        self.assertFalse(self.target.lost(self.member(1, self.old), "", [], 100.5))
        self.assertNoResult(done)
        self.assertTrue(self.target.lost(self.member(3, self.old, WorkerPhase.STARTING), "", [], 100.5))
        self.failureResultOf(done, ConfigError)
        self.assertEqual(self.target.wanted, 2)

    def test_none_under_way(self) -> None:
        """Without a change nothing is undone by whatever ends."""
        self.assertFalse(self.target.lost(self.member(1, self.old, WorkerPhase.STARTING), "", [], 101))

    def test_another(self) -> None:
        """A change that another one comes in between of has failed; what was before it stays known."""
        first = self.target.change(self.new, 5)
        third = version_for(self.reactor, 3)
        second = self.target.change(third, 1)
        self.failureResultOf(first, ConfigError)
        self.assertTrue(self.target.lost(self.member(1, third, WorkerPhase.STARTING), "", [], 101))
        self.failureResultOf(second, ConfigError)
        self.assertEqual((self.target.version, self.target.wanted), (self.old, 2))

    def test_stop(self) -> None:
        """To stop gives up what is under way, as if it had not been asked for, the first start as well."""
        done = self.target.change(self.new, 3)
        self.target.stop()
        self.failureResultOf(done, ConfigError)
        self.assertEqual((self.target.version, self.target.wanted), (self.old, 2))
        self.assertFalse(self.target.lost(self.member(1, self.new, WorkerPhase.STARTING), "", [], 101))
        self.target.boot()
        when_ready = self.target.when_ready()
        self.target.stop()
        self.failureResultOf(when_ready, ConfigError)

    def test_stop_after_the_swap(self) -> None:
        """What is only not done because clients may still come to an old one is not undone any more."""
        leaving = self.member(1, self.old, WorkerPhase.DRAINING)
        done = self.target.change(self.new, 3)
        self.target.look([*self.all_of(self.new, 3), leaving])
        self.assertFalse(self.target.lost(self.member(1, self.new), "", [leaving], 100.5))
        self.target.stop()
        self.failureResultOf(done, ConfigError)
        self.assertEqual((self.target.version, self.target.wanted), (self.new, 3))

    def test_problem_goes_away(self) -> None:
        """Why one was given up is forgotten when the next one is done, or all is started again."""
        for again in False, True:
            self.target.change(self.new, 2).addErrback(lambda failure: None)
            self.target.lost(self.member(1, self.new, WorkerPhase.STARTING), "no disk", [], 101)
            self.assertNotEqual(self.target.problem, "")
            if again:
                self.target.boot()
            else:
                self.target.change(self.new, 2)
                self.target.look(self.all_of(self.new))
            self.assertEqual(self.target.problem, "")
            self.setUp()

    def test_replace(self) -> None:
        """A version that is only set is what the next start brings."""
        self.target.replace(version_for(self.reactor, 3, wanted=7))
        self.assertEqual((self.target.version.number, self.target.wanted), (3, 7))

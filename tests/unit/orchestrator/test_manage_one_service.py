"""What is done with one of several services."""

from __future__ import annotations

import os

from tests.unit.orchestrator.fake_pools import ManagerTestCase, service
from unixsvc.errors import ConfigError, Conflict, NotFound
from unixsvc.orchestrator.worker.messages import WorkerFailed


class OneTests(ManagerTestCase):
    """What is done with one service leaves the others alone."""

    def setUp(self) -> None:
        """Two run."""
        super().setUp()
        self.start(home=service(), user=service())
        [self.home], [self.user] = self.processes("home"), self.processes("user")

    def test_unknown(self) -> None:
        """A name that there is not is refused, with those that there are."""
        for asked in (
            self.manager.start("hose"), self.manager.stop("hose"), self.manager.restart("hose"),
            self.manager.scale("hose", 2),
        ):  # fmt: skip
            error = self.failureResultOf(self.do(asked), NotFound).value
            self.assertIn("'hose'", str(error))
            self.assertIn("home, user", str(error))

    def test_stop_and_start(self) -> None:
        """One is stopped, with its socket, and started again."""
        stopped = self.do(self.manager.stop("home"))
        self.assertNoResult(stopped)
        self.settle()
        self.successResultOf(stopped)
        self.assertEqual((self.sockets(), self.names(), self.user.commands), (["user"], ["user"], []))
        self.assertEqual(self.statuses(), {"home": "stopped", "user": "ready"})
        started = self.do(self.manager.start("home"))
        self.assertNoResult(started)
        self.settle()
        self.successResultOf(started)
        self.assertEqual(self.statuses(), {"home": "ready", "user": "ready"})

    def test_start_what_runs(self) -> None:
        """To start what runs is nothing."""
        self.successResultOf(self.do(self.manager.start("home")))
        self.assertEqual(len(self.processes()), 2)

    def test_restart(self) -> None:
        """One is restarted: drained, and started when that is done; it keeps its socket."""
        socket = os.lstat(os.path.join(self.folder, "service_home.sock")).st_ino
        restarted = self.do(self.manager.restart("home"))
        self.assertEqual((self.home.commands, self.user.commands), (["drain"], []))
        self.obey()
        self.assertNoResult(restarted)
        self.settle()
        self.successResultOf(restarted)
        self.assertEqual(os.lstat(os.path.join(self.folder, "service_home.sock")).st_ino, socket)

    def test_restart_what_is_stopped(self) -> None:
        """One that is stopped is started by that."""
        self.do(self.manager.stop("home"))
        self.settle()
        restarted = self.do(self.manager.restart("home"))
        self.settle()
        self.successResultOf(restarted)
        self.assertEqual(sorted(self.names()), ["home", "user"])

    def test_one_after_the_other(self) -> None:
        """What is asked for one service is done in that order; the last one counts."""
        asked = [
            self.do(self.manager.restart("home")),
            self.do(self.manager.stop("home")),
            self.do(self.manager.start("home")),
            self.do(self.manager.stop("home")),
            self.do(self.manager.restart("home")),
        ]
        self.settle()
        for each in asked:
            self.successResultOf(each)
        self.assertEqual(self.statuses(), {"home": "ready", "user": "ready"})

    def test_restart_fails(self) -> None:
        """Who restarts one that cannot start any more is told why; it has failed then."""
        restarted = self.do(self.manager.restart("home"))
        self.obey()
        [process] = self.processes("home")
        process.report(WorkerFailed("no disk"))
        process.end(code=3)
        self.assertIn("no disk", str(self.failureResultOf(restarted, ConfigError).value))
        self.assertEqual(self.statuses(), {"home": "failed", "user": "ready"})

    def test_start_what_has_failed(self) -> None:
        """One that has failed can be started, and fail again."""
        self.test_restart_fails()
        again = self.do(self.manager.start("home"))
        self.processes("home")[0].end(code=3)
        self.failureResultOf(again, ConfigError)
        started = self.do(self.manager.start("home"))
        self.settle()
        self.successResultOf(started)
        self.assertEqual(self.statuses(), {"home": "ready", "user": "ready"})

    def test_waits_for_a_start_that_fails(self) -> None:
        """What waits for its turn behind a start that fails gets it, and comes to an end, good or bad."""
        self.do(self.manager.stop("home"))
        self.settle()
        started = self.do(self.manager.start("home"))
        renewed = self.reconfigure("home", home=service(), user=service())
        scaled = self.do(self.manager.scale("home", 2))
        self.processes("home")[0].end(code=3)
        self.failureResultOf(started, ConfigError)
        self.settle()
        self.assertTrue(renewed.called)
        self.assertTrue(scaled.called)
        started = self.do(self.manager.start("home"))
        self.settle()
        self.successResultOf(started)
        self.assertEqual(self.statuses(), {"home": "ready", "user": "ready"})

    def test_failed(self) -> None:
        """That one has failed is told with its name."""
        for _ in range(50):
            for each in self.processes("home"):
                each.end(code=1)
            self.reactor.advance(0.25)
        self.assertEqual(self.failures, [("home", "a worker exited with code 1")])

    def test_removed_meanwhile(self) -> None:
        """Who waits for its turn with one that is removed meanwhile is told that there is no such service."""
        removed = self.do(self.manager.remove("home"))
        waiting = [self.do(self.manager.start("home")), self.do(self.manager.restart("home"))]
        self.settle()
        self.successResultOf(removed)
        for each in waiting:
            self.failureResultOf(each, NotFound)
        self.assertEqual((self.names(), self.sockets()), (["user"], ["user"]))


class ScaleTests(ManagerTestCase):
    """Another number of workers."""

    def setUp(self) -> None:
        """One runs, with one worker."""
        super().setUp()
        self.start(home=service())

    def scale(self, workers: int) -> None:
        """Have so many."""
        done = self.do(self.manager.scale("home", workers))
        self.settle()
        self.successResultOf(done)

    def assert_after_renewal(self, count: int, **settings: int) -> None:
        """So many there are after a reload with these settings."""
        renewed = self.reconfigure("home", home=service(**settings))
        self.settle()
        self.successResultOf(renewed)
        self.assertEqual(len(self.processes("home")), count)

    def test_scale(self) -> None:
        """There are so many then."""
        self.scale(3)
        self.assertEqual(len(self.processes("home")), 3)
        self.scale(2)
        self.assertEqual(len(self.processes("home")), 2)

    def test_survives_a_reload(self) -> None:
        """There are so many still after a reload that says nothing else about it."""
        self.scale(3)
        self.assert_after_renewal(3, threads=4)
        self.assert_after_renewal(3, threads=5)

    def test_configured_anew(self) -> None:
        """Once another number is configured, it is that one, and what was asked before is over."""
        self.scale(3)
        self.assert_after_renewal(2, workers=2)
        self.assert_after_renewal(2, workers=2, threads=4)
        self.assert_after_renewal(1, workers=1)

    def test_survives_a_restart(self) -> None:
        """Nor does a restart, or a stop and a start, change it."""
        self.scale(3)
        for asked in (self.manager.restart, self.manager.stop, self.manager.start):
            done = self.do(asked("home"))
            self.settle()
            self.successResultOf(done)
        self.assertEqual(len(self.processes("home")), 3)

    def test_survives_a_reload_that_fails(self) -> None:
        """When another number was configured that could not be had, it is as it was."""
        self.scale(3)
        renewed = self.reconfigure("home", home=service(workers=2))
        self.reactor.started[-1].end(code=3)
        self.failureResultOf(renewed, ConfigError)
        self.assert_after_renewal(3, threads=4)

    def test_fails(self) -> None:
        """When they cannot be had it is said why, and not tried again at the next reload."""
        done = self.do(self.manager.scale("home", 2))
        self.reactor.started[-1].end(code=3)
        self.failureResultOf(done, ConfigError)
        self.settle()
        self.assert_after_renewal(1, threads=4)

    def test_does_not_run(self) -> None:
        """What does not run cannot be scaled; it is said how it is, and what to do."""
        self.do(self.manager.stop("home"))
        self.settle()
        error = self.failureResultOf(self.do(self.manager.scale("home", 2)), Conflict).value
        self.assertEqual(error.detail, "home is stopped; start it first")
        self.assertEqual(self.processes(), [])

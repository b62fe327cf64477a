"""Tests of operations on one of several services."""

from __future__ import annotations

import os

from tests.unit.orchestrator.fake_pools import ManagerTestCase, service
from unixsvc.errors import ConfigError, Conflict, NotFound
from unixsvc.orchestrator.worker.messages import WorkerFailed


class OneServiceTests(ManagerTestCase):
    """Operations on one service leave others alone."""

    def setUp(self) -> None:
        """Start two services."""
        super().setUp()
        self.start(home=service(), user=service())
        [self.home], [self.user] = self.processes("home"), self.processes("user")

    def test_unknown(self) -> None:
        """An unknown service is refused; the error lists the known ones."""
        for asked in (
            self.manager.start("hose"), self.manager.stop("hose"), self.manager.restart("hose"),
            self.manager.scale("hose", 2),
        ):  # fmt: skip
            error = self.failureResultOf(self.do(asked), NotFound).value
            self.assertIn("'hose'", str(error))
            self.assertIn("home, user", str(error))

    def test_stop_and_start(self) -> None:
        """A service is stopped, with its socket, and started again."""
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
        """Starting a running service does nothing."""
        self.successResultOf(self.do(self.manager.start("home")))
        self.assertEqual(len(self.processes()), 2)

    def test_restart(self) -> None:
        """A restart drains the service, starts it again, and keeps its socket."""
        socket = os.lstat(os.path.join(self.folder, "service_home.sock")).st_ino
        restarted = self.do(self.manager.restart("home"))
        self.assertEqual((self.home.commands, self.user.commands), (["drain"], []))
        self.obey()
        self.assertNoResult(restarted)
        self.settle()
        self.successResultOf(restarted)
        self.assertEqual(os.lstat(os.path.join(self.folder, "service_home.sock")).st_ino, socket)

    def test_restart_what_is_stopped(self) -> None:
        """A restart starts a stopped service."""
        self.do(self.manager.stop("home"))
        self.settle()
        restarted = self.do(self.manager.restart("home"))
        self.settle()
        self.successResultOf(restarted)
        self.assertEqual(sorted(self.names()), ["home", "user"])

    def test_one_after_the_other(self) -> None:
        """Operations on one service run in their order."""
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
        """If a restart fails, the error says why, and the state is "failed"."""
        restarted = self.do(self.manager.restart("home"))
        self.obey()
        [process] = self.processes("home")
        process.report(WorkerFailed("no disk"))
        process.end(code=3)
        self.assertIn("no disk", str(self.failureResultOf(restarted, ConfigError).value))
        self.assertEqual(self.statuses(), {"home": "failed", "user": "ready"})

    def test_start_what_has_failed(self) -> None:
        """A failed service can be started, and can fail again."""
        self.test_restart_fails()
        again = self.do(self.manager.start("home"))
        self.processes("home")[0].end(code=3)
        self.failureResultOf(again, ConfigError)
        started = self.do(self.manager.start("home"))
        self.settle()
        self.successResultOf(started)
        self.assertEqual(self.statuses(), {"home": "ready", "user": "ready"})

    def test_waits_for_a_start_that_fails(self) -> None:
        """An operation that waits for a start runs when that has failed."""
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
        """The failure of a service is reported with its name."""
        for _ in range(50):
            for each in self.processes("home"):
                each.end(code=1)
            self.reactor.advance(0.25)
        self.assertEqual(self.failures, [("home", "a worker exited with code 1")])

    def test_removed_meanwhile(self) -> None:
        """An operation that waits while its service is removed fails with NotFound."""
        removed = self.do(self.manager.remove("home"))
        waiting = [self.do(self.manager.start("home")), self.do(self.manager.restart("home"))]
        self.settle()
        self.successResultOf(removed)
        for each in waiting:
            self.failureResultOf(each, NotFound)
        self.assertEqual((self.names(), self.sockets()), (["user"], ["user"]))


class ScaleTests(ManagerTestCase):
    """Changes of the number of workers."""

    def setUp(self) -> None:
        """Start a service with one worker."""
        super().setUp()
        self.start(home=service())

    def scale(self, workers: int) -> None:
        """Set the number of workers."""
        done = self.do(self.manager.scale("home", workers))
        self.settle()
        self.successResultOf(done)

    def assert_after_reload(self, count: int, **settings: int) -> None:
        """The number of workers after a reload with some settings."""
        renewed = self.reconfigure("home", home=service(**settings))
        self.settle()
        self.successResultOf(renewed)
        self.assertEqual(len(self.processes("home")), count)

    def test_scale(self) -> None:
        """The number of workers is changed."""
        self.scale(3)
        self.assertEqual(len(self.processes("home")), 3)
        self.scale(2)
        self.assertEqual(len(self.processes("home")), 2)

    def test_survives_a_reload(self) -> None:
        """A reload keeps the number if the configured number is the same."""
        self.scale(3)
        self.assert_after_reload(3, threads=4)
        self.assert_after_reload(3, threads=5)

    def test_configured_anew(self) -> None:
        """A reload with another configured number sets that one."""
        self.scale(3)
        self.assert_after_reload(2, workers=2)
        self.assert_after_reload(2, workers=2, threads=4)
        self.assert_after_reload(1, workers=1)

    def test_survives_a_restart(self) -> None:
        """A restart, and a stop and a start, keep the number."""
        self.scale(3)
        for asked in (self.manager.restart, self.manager.stop, self.manager.start):
            done = self.do(asked("home"))
            self.settle()
            self.successResultOf(done)
        self.assertEqual(len(self.processes("home")), 3)

    def test_survives_a_reload_that_fails(self) -> None:
        """A reload that fails keeps the number."""
        self.scale(3)
        renewed = self.reconfigure("home", home=service(workers=2))
        self.reactor.started[-1].end(code=3)
        self.failureResultOf(renewed, ConfigError)
        self.assert_after_reload(3, threads=4)

    def test_fails(self) -> None:
        """If the workers cannot start, the error says why; the next reload does not try again."""
        done = self.do(self.manager.scale("home", 2))
        self.reactor.started[-1].end(code=3)
        self.failureResultOf(done, ConfigError)
        self.settle()
        self.assert_after_reload(1, threads=4)

    def test_does_not_run(self) -> None:
        """A service that does not run cannot be scaled; the error says its state and what to do."""
        self.do(self.manager.stop("home"))
        self.settle()
        error = self.failureResultOf(self.do(self.manager.scale("home", 2)), Conflict).value
        self.assertEqual(error.detail, "home is stopped; start it first")
        self.assertEqual(self.processes(), [])

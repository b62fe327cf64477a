"""Tests of operations on a running orchestrator, and of its watcher."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred

from tests.unit.orchestrator.fake_pools import OrchestratorTestCase, service
from unixsvc.errors import NotFound
from unixsvc.orchestrator.orchestrator import Orchestrator


class OperationTests(OrchestratorTestCase):
    """Operations while it runs."""

    def setUp(self) -> None:
        """Start the orchestrator."""
        super().setUp()
        self.boot()

    def test_one(self) -> None:
        """One service is stopped, started, restarted and scaled; each is done when it is complete."""
        for asked, workers in (
            (self.orchestrator.stop, 0), (self.orchestrator.start, 1), (self.orchestrator.restart, 1)
        ):  # fmt: skip
            done = asked("user")
            self.assertNoResult(done)
            self.settle()
            self.successResultOf(done)
            self.assertEqual(len(self.processes("user")), workers)
        done = self.orchestrator.scale("user", 3)
        self.settle()
        self.successResultOf(done)
        self.assertEqual((len(self.processes("user")), len(self.processes("home"))), (3, 1))

    def test_all(self) -> None:
        """All services are stopped, started and restarted."""
        for asked, workers in (
            (self.orchestrator.stop, 0), (self.orchestrator.start, 2), (self.orchestrator.restart, 2)
        ):  # fmt: skip
            done = asked()
            self.assertNoResult(done)
            self.settle()
            self.successResultOf(done)
            self.assertEqual(len(self.processes()), workers)

    def test_cancelled_waiter(self) -> None:
        """A caller that cancels does not cancel the operation."""
        for asked, workers in (self.orchestrator.stop, 0), (self.orchestrator.start, 2):
            done = asked()
            done.cancel()
            self.failureResultOf(done, CancelledError)
            self.settle()
            self.assertEqual(len(self.processes()), workers)

    def test_unknown(self) -> None:
        """An unknown service is a NotFound."""
        self.failureResultOf(self.orchestrator.start("hose"), NotFound)
        self.failureResultOf(self.orchestrator.scale("hose", 2), NotFound)

    def test_while_it_stops(self) -> None:
        """During a stop nothing is started any more."""
        stopped = self.orchestrator.stopService()
        refused = [
            self.orchestrator.start(), self.orchestrator.start("user"), self.orchestrator.restart("user"),
            self.orchestrator.scale("user", 2), self.orchestrator.reload(),
        ]  # fmt: skip
        self.pass_time()
        self.successResultOf(stopped)
        for each in refused:
            self.failureResultOf(each)
        self.assertEqual((len(self.reactor.started), self.sockets()), (2, []))

    def test_log_level(self) -> None:
        """The level changes here, in running workers and in new ones."""
        self.orchestrator.set_log_level("debug")
        self.assertEqual(self.level.name, "debug")
        self.assertEqual([each.commands for each in self.processes()], [["log"]] * 2)
        self.processes("home")[0].end(by=9)
        self.assertEqual(self.processes("home")[0].worker_config.log.level, "debug")

    def test_status(self) -> None:
        """Every service has a status, also during a stop."""
        asked = self.do_status()
        self.assertEqual(asked, {"home": "ready", "user": "ready"})
        self.orchestrator.stopService()
        self.assertEqual(self.do_status(), {"home": "stopping", "user": "stopping"})

    def do_status(self) -> dict[str, str]:
        """The status of each service."""
        asked = Deferred.fromCoroutine(self.orchestrator.status())
        self.reactor.advance(1)
        return {name: each.status for name, each in self.successResultOf(asked).items()}

    def test_healthy(self) -> None:
        """The orchestrator is healthy if every service is."""
        self.assertTrue(self.orchestrator.healthy())
        self.processes("home")[0].end(by=9)
        self.assertFalse(self.orchestrator.healthy())


class EssentialTests(OrchestratorTestCase):
    """Essential services."""

    def fail_service(self, name: str) -> None:
        """Let the workers of a service die until it has failed."""
        for _ in range(60):
            for each in self.processes(name):
                each.end(code=1)
            self.reactor.advance(0.25)

    def test_essential(self) -> None:
        """The failure of an essential service is reported once, with the reason."""
        self.boot(home=service(essential=True), user=service())
        self.fail_service("home")
        self.assertEqual(self.watcher.events, [("home", "a worker exited with code 1")])

    def test_other(self) -> None:
        """The failure of another service is not reported."""
        self.boot(home=service(essential=True), user=service())
        self.fail_service("user")
        self.assertEqual(self.watcher.events, [])

    def test_no_watcher(self) -> None:
        """Without a watcher, the failure of an essential service is no error."""
        self.loaded = self.settings(home=service(essential=True))
        self.orchestrator = self.make(watcher=None)
        self.boot()
        self.fail_service("home")
        done = self.orchestrator.reload()
        self.settle()
        self.successResultOf(done)


class EmbeddedTests(OrchestratorTestCase):
    """An orchestrator whose services are registered by a program."""

    def setUp(self) -> None:
        """Start it with one service."""
        super().setUp()
        self.loaded = self.settings(home=service())
        self.orchestrator: Orchestrator = self.make(load=None)
        self.boot()

    def test_register(self) -> None:
        """A service that is registered later runs from the next reload on."""
        self.orchestrator.register("user", service())
        self.settle()
        self.assertEqual(self.names(), ["home"])
        done = self.orchestrator.reload()
        self.settle()
        self.successResultOf(done)
        self.assertEqual(sorted(self.names()), ["home", "user"])

    def test_register_during_a_reload(self) -> None:
        """A service that is registered during a reload runs from the reload after it on."""
        done = self.orchestrator.reload()
        self.orchestrator.register("user", service())
        self.settle()
        self.successResultOf(done)
        self.assertEqual(self.names(), ["home"])
        done = self.orchestrator.reload()
        self.settle()
        self.successResultOf(done)
        self.assertEqual(sorted(self.names()), ["home", "user"])

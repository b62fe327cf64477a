"""Tests of operations on all services."""

from __future__ import annotations

from tests.unit.orchestrator.fake_pools import ManagerTestCase, service
from unixsvc.errors import ConfigError, Conflict
from unixsvc.orchestrator.worker.messages import SetLogLevel, WorkerReady
from unixsvc.service.spec import StatsReport


class AllServicesTests(ManagerTestCase):
    """Operations on all services follow the order of dependencies."""

    def chain(self) -> None:
        """Three services, each of which depends on the one before."""
        self.bind(a=service(), b=service(depends_on=("a",)), c=service(depends_on=("b",)))

    def test_bind(self) -> None:
        """Binding opens the sockets and adds the pools as children; nothing is started."""
        self.chain()
        self.assertEqual((self.sockets(), self.names()), (["a", "b", "c"], []))
        self.assertEqual([each.name for each in self.parent], ["a", "b", "c"])
        self.assertEqual(self.manager.names, ["a", "b", "c"])

    def test_start(self) -> None:
        """Each service is started when its dependencies are ready."""
        self.chain()
        started = self.do(self.manager.start_all())
        for names in "a", "ab", "abc":
            self.assertEqual("".join(self.names()), names)
            self.assertNoResult(started)
            self.ready()
        self.successResultOf(started)

    def test_start_fails(self) -> None:
        """If one cannot start, the error says why, and its dependents are not started."""
        self.chain()
        started = self.do(self.manager.start_all())
        self.ready("a")
        self.processes("b")[0].end(code=3)
        self.assertIn("services.b", str(self.failureResultOf(started, ConfigError).value))
        self.assertEqual(self.names(), ["a"])
        self.assertEqual(self.failures, [])

    def test_stop(self) -> None:
        """Each service is stopped when its dependents have ended."""
        self.start(a=service(), b=service(depends_on=("a",)), c=service(depends_on=("b",)))
        stopped = self.do(self.manager.stop_all())
        for name in "c", "b", "a":
            commands = [each.worker_config.service for each in self.processes() if "drain" in each.commands]
            self.assertEqual(commands, [name])
            self.assertNoResult(stopped)
            self.obey(name)
        self.successResultOf(stopped)
        self.assertEqual(self.sockets(), [])

    def test_shut_down(self) -> None:
        """A shutdown has the same order, whatever other operations are in progress."""
        self.start(a=service(), b=service(depends_on=("a",)))
        restarted = self.do(self.manager.restart("b"))
        halted = self.do(self.manager.shut_down())
        self.settle()
        self.successResultOf(halted)
        self.successResultOf(restarted)
        self.assertEqual((self.names(), self.sockets()), ([], []))

    def test_shut_down_refuses_starts(self) -> None:
        """After a shutdown nothing is started, and nothing prevents its end."""
        self.start(a=service(), b=service(depends_on=("a",)))
        waiting = [self.do(self.manager.restart("b")), self.do(self.manager.start("b"))]
        halted = self.do(self.manager.shut_down())
        waiting += [self.do(self.manager.start("b")), self.do(self.manager.restart_all())]
        self.settle()
        self.reactor.advance(60)
        self.settle()
        for each in waiting:
            each.addErrback(lambda failure: failure.trap(ConfigError, Conflict))
        self.successResultOf(halted)
        self.assertEqual((self.names(), self.sockets()), ([], []))

    def test_shut_down_during_removal(self) -> None:
        """A removal during a shutdown does not prevent its end."""
        self.start(a=service(), b=service(depends_on=("a",)))
        stopped = self.do(self.manager.stop("a"))
        self.settle()
        self.successResultOf(stopped)
        removed = self.do(self.manager.remove("b")).addCallback(lambda _: self.do(self.manager.remove("a")))
        halted = self.do(self.manager.shut_down())
        self.settle()
        self.successResultOf(removed)
        self.successResultOf(halted)

    def test_restart(self) -> None:
        """Each service is restarted when its dependencies are ready again."""
        self.start(a=service(), b=service(depends_on=("a",)))
        restarted = self.do(self.manager.restart_all())
        self.obey()
        self.assertEqual(sorted(self.names()), ["a", "b"])
        self.assertEqual(self.processes("b")[0].commands, [])
        self.ready("a")
        self.assertEqual(self.processes("b")[0].commands, ["drain"])
        self.settle()
        self.successResultOf(restarted)

    def test_unbind(self) -> None:
        """Sockets that were only bound are closed."""
        self.chain()
        self.manager.unbind()
        self.assertEqual(self.sockets(), [])

    def test_abort(self) -> None:
        """All workers are killed."""
        self.start(a=service(), b=service(workers=2))
        workers = self.processes()
        self.manager.abort()
        self.assertEqual([each.signals for each in workers], [["KILL"]] * 3)

    def test_send(self) -> None:
        """A command is sent to all workers."""
        self.start(a=service(), b=service())
        self.manager.send(SetLogLevel("debug"))
        self.assertEqual([each.commands for each in self.processes()], [["log"]] * 2)

    def test_send_and_wait(self) -> None:
        """It is done when each worker has reported after the command, or after a second."""
        self.start(a=service(), b=service())
        for answers in (True, False):
            done = self.do(self.manager.send_and_wait(SetLogLevel("debug")))
            self.assertNoResult(done)
            for process in self.processes():
                self.assertEqual(process.commands[-2:], ["log", "stats"])
                if answers:
                    process.report(StatsReport())
            if not answers:
                self.reactor.advance(1.0)
            self.successResultOf(done)


class HealthTests(ManagerTestCase):
    """Whether the orchestrator is healthy."""

    def test_healthy(self) -> None:
        """A service is healthy with one ready worker, whatever the others are."""
        self.start(home=service(workers=2), user=service())
        self.assertTrue(self.manager.healthy())
        self.processes("home")[0].end(by=9)
        self.assertTrue(self.manager.healthy())
        self.processes("user")[0].end(by=9)
        self.assertFalse(self.manager.healthy())
        self.settle()
        self.assertTrue(self.manager.healthy())

    def test_stopped(self) -> None:
        """A service that is stopped, or not yet started, is healthy."""
        self.bind(home=service())
        self.assertTrue(self.manager.healthy())
        self.do(self.manager.start("home"))
        self.settle()
        self.do(self.manager.stop("home"))
        self.assertTrue(self.manager.healthy())
        self.settle()
        self.assertTrue(self.manager.healthy())

    def test_failed(self) -> None:
        """A failed service is not healthy."""
        self.start(home=service(), user=service())
        self.do(self.manager.restart("home")).addErrback(lambda failure: None)
        self.obey()
        self.processes("home")[0].end(code=3)
        self.assertFalse(self.manager.healthy())

    def test_failed_and_stopped(self) -> None:
        """A failed service that was stopped is healthy."""
        self.test_failed()
        self.successResultOf(self.do(self.manager.stop("home")))
        self.assertTrue(self.manager.healthy())

    def test_essential(self) -> None:
        """Whether a service is essential follows its current settings."""
        self.start(home=service(essential=True), user=service())
        self.assertTrue(self.manager.is_essential("home"))
        self.assertFalse(self.manager.is_essential("user"))
        self.reconfigure("home", home=service())
        self.settle()
        self.assertFalse(self.manager.is_essential("home"))

    def test_status(self) -> None:
        """The status has fresh reports and the application of each service."""
        self.start(home=service(app="home:app"), user=service())
        asked = self.do(self.manager.status(stopping=False))
        self.processes("home")[0].report(WorkerReady())
        self.assertNoResult(asked)
        self.reactor.advance(1)
        found = self.successResultOf(asked)
        self.assertEqual(
            {name: each.app for name, each in found.items()}, {"home": "home:app", "user": "shop:app"}
        )
        self.assertEqual({each.status for each in found.values()}, {"ready"})

"""Several services: each in its turn, and one thing at a time for each."""

from __future__ import annotations

from tests.unit.orchestrator.fake_pools import ManagerTestCase, service
from unixsvc.errors import ConfigError, Conflict
from unixsvc.orchestrator.worker.messages import SetLogLevel, WorkerReady


class AllTests(ManagerTestCase):
    """What is done with every service, in an order that is theirs."""

    def chain(self) -> None:
        """Each of three depends on the one before it."""
        self.bind(a=service(), b=service(depends_on=("a",)), c=service(depends_on=("b",)))

    def test_claim(self) -> None:
        """To claim is to listen, and to be the parent of the pools; nothing is started."""
        self.chain()
        self.assertEqual((self.sockets(), self.names()), (["a", "b", "c"], []))
        self.assertEqual([each.name for each in self.parent], ["a", "b", "c"])
        self.assertEqual(self.manager.names, ["a", "b", "c"])

    def test_start(self) -> None:
        """Each is started when what it depends on is ready."""
        self.chain()
        started = self.do(self.manager.start_all())
        for names in "a", "ab", "abc":
            self.assertEqual("".join(self.names()), names)
            self.assertNoResult(started)
            self.ready()
        self.successResultOf(started)

    def test_start_fails(self) -> None:
        """When one cannot start, it is said why, and what depends on it is not started."""
        self.chain()
        started = self.do(self.manager.start_all())
        self.ready("a")
        self.processes("b")[0].end(code=3)
        self.assertIn("services.b", str(self.failureResultOf(started, ConfigError).value))
        self.assertEqual(self.names(), ["a"])
        self.assertEqual(self.failures, [])

    def test_stop(self) -> None:
        """Each is stopped when all that depend on it have ended."""
        self.start(a=service(), b=service(depends_on=("a",)), c=service(depends_on=("b",)))
        stopped = self.do(self.manager.stop_all())
        for name in "c", "b", "a":
            commands = [each.worker_config.service for each in self.processes() if "drain" in each.commands]
            self.assertEqual(commands, [name])
            self.assertNoResult(stopped)
            self.obey(name)
        self.successResultOf(stopped)
        self.assertEqual(self.sockets(), [])

    def test_halt(self) -> None:
        """At the end it is the same, whatever else is being done to a service."""
        self.start(a=service(), b=service(depends_on=("a",)))
        restarted = self.do(self.manager.restart("b"))
        halted = self.do(self.manager.shut_down())
        self.settle()
        self.successResultOf(halted)
        self.successResultOf(restarted)
        self.assertEqual((self.names(), self.sockets()), ([], []))

    def test_halt_is_the_end(self) -> None:
        """Nothing that is asked for then, or was before, starts anything, or keeps it from ending."""
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

    def test_halt_during_a_removal(self) -> None:
        """That a service is removed meanwhile keeps the others from nothing."""
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
        """Each is restarted when what it depends on is ready again."""
        self.start(a=service(), b=service(depends_on=("a",)))
        restarted = self.do(self.manager.restart_all())
        self.obey()
        self.assertEqual(sorted(self.names()), ["a", "b"])
        self.assertEqual(self.processes("b")[0].commands, [])
        self.ready("a")
        self.assertEqual(self.processes("b")[0].commands, ["drain"])
        self.settle()
        self.successResultOf(restarted)

    def test_release(self) -> None:
        """What was claimed can be let go without having been started."""
        self.chain()
        self.manager.unbind()
        self.assertEqual(self.sockets(), [])

    def test_abort(self) -> None:
        """All workers can be killed."""
        self.start(a=service(), b=service(workers=2))
        workers = self.processes()
        self.manager.abort()
        self.assertEqual([each.signals for each in workers], [["KILL"]] * 3)

    def test_tell(self) -> None:
        """All workers can be told something."""
        self.start(a=service(), b=service())
        self.manager.send(SetLogLevel("debug"))
        self.assertEqual([each.commands for each in self.processes()], [["log"]] * 2)


class HealthTests(ManagerTestCase):
    """Whether systemd may think that all is well."""

    def test_healthy(self) -> None:
        """Every service has a worker that is ready, whatever else it has."""
        self.start(home=service(workers=2), user=service())
        self.assertTrue(self.manager.healthy())
        self.processes("home")[0].end(by=9)
        self.assertTrue(self.manager.healthy())
        self.processes("user")[0].end(by=9)
        self.assertFalse(self.manager.healthy())
        self.settle()
        self.assertTrue(self.manager.healthy())

    def test_stopped(self) -> None:
        """One that is stopped on purpose is well; so is one that has not been started yet."""
        self.bind(home=service())
        self.assertTrue(self.manager.healthy())
        self.do(self.manager.start("home"))
        self.settle()
        self.do(self.manager.stop("home"))
        self.assertTrue(self.manager.healthy())
        self.settle()
        self.assertTrue(self.manager.healthy())

    def test_failed(self) -> None:
        """One that has failed is not."""
        self.start(home=service(), user=service())
        self.do(self.manager.restart("home")).addErrback(lambda failure: None)
        self.obey()
        self.processes("home")[0].end(code=3)
        self.assertFalse(self.manager.healthy())

    def test_failed_and_stopped(self) -> None:
        """Until it is stopped on purpose."""
        self.test_failed()
        self.successResultOf(self.do(self.manager.stop("home")))
        self.assertTrue(self.manager.healthy())

    def test_essential(self) -> None:
        """Which ones are essential is what is configured now."""
        self.start(home=service(essential=True), user=service())
        self.assertTrue(self.manager.is_essential("home"))
        self.assertFalse(self.manager.is_essential("user"))
        self.reconfigure("home", home=service())
        self.settle()
        self.assertFalse(self.manager.is_essential("home"))

    def test_status(self) -> None:
        """The figures of all are as fresh as workers answer, and say where the application is."""
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

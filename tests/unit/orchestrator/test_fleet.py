"""Several services: each in its turn, and one thing at a time for each."""

from __future__ import annotations

import os

from tests.unit.orchestrator.fleets import FleetTestCase, service
from unixsvc.errors import ConfigError, Conflict, NotFound
from unixsvc.orchestrator.messages import Failed, Ready, SetLogLevel


class AllTests(FleetTestCase):
    """What is done with every service, in an order that is theirs."""

    def chain(self) -> None:
        """Each of three depends on the one before it."""
        self.claim(a=service(), b=service(depends_on=("a",)), c=service(depends_on=("b",)))

    def test_claim(self) -> None:
        """To claim is to listen, and to be the parent of the pools; nothing is started."""
        self.chain()
        self.assertEqual((self.sockets(), self.names()), (["a", "b", "c"], []))
        self.assertEqual([each.name for each in self.parent], ["a", "b", "c"])
        self.assertEqual(self.fleet.names, ["a", "b", "c"])

    def test_start(self) -> None:
        """Each is started when what it depends on is ready."""
        self.chain()
        started = self.do(self.fleet.start_all())
        for names in "a", "ab", "abc":
            self.assertEqual("".join(self.names()), names)
            self.assertNoResult(started)
            self.ready()
        self.successResultOf(started)

    def test_start_fails(self) -> None:
        """When one cannot start, it is said why, and what depends on it is not started."""
        self.chain()
        started = self.do(self.fleet.start_all())
        self.ready("a")
        self.processes("b")[0].end(code=3)
        self.assertIn("services.b", str(self.failureResultOf(started, ConfigError).value))
        self.assertEqual(self.names(), ["a"])
        self.assertEqual(self.failures, [])

    def test_stop(self) -> None:
        """Each is stopped when all that depend on it have ended."""
        self.start(a=service(), b=service(depends_on=("a",)), c=service(depends_on=("b",)))
        stopped = self.do(self.fleet.stop_all())
        for name in "c", "b", "a":
            told = [each.orders.service for each in self.processes() if "drain" in each.told]
            self.assertEqual(told, [name])
            self.assertNoResult(stopped)
            self.obey(name)
        self.successResultOf(stopped)
        self.assertEqual(self.sockets(), [])

    def test_halt(self) -> None:
        """At the end it is the same, whatever else is being done to a service."""
        self.start(a=service(), b=service(depends_on=("a",)))
        restarted = self.do(self.fleet.restart("b"))
        halted = self.do(self.fleet.halt())
        self.settle()
        self.successResultOf(halted)
        self.successResultOf(restarted)
        self.assertEqual((self.names(), self.sockets()), ([], []))

    def test_halt_is_the_end(self) -> None:
        """Nothing that is asked for then, or was before, starts anything, or keeps it from ending."""
        self.start(a=service(), b=service(depends_on=("a",)))
        waiting = [self.do(self.fleet.restart("b")), self.do(self.fleet.start("b"))]
        halted = self.do(self.fleet.halt())
        waiting += [self.do(self.fleet.start("b")), self.do(self.fleet.restart_all())]
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
        stopped = self.do(self.fleet.stop("a"))
        self.settle()
        self.successResultOf(stopped)
        removed = self.do(self.fleet.remove("b")).addCallback(lambda _: self.do(self.fleet.remove("a")))
        halted = self.do(self.fleet.halt())
        self.settle()
        self.successResultOf(removed)
        self.successResultOf(halted)

    def test_restart(self) -> None:
        """Each is restarted when what it depends on is ready again."""
        self.start(a=service(), b=service(depends_on=("a",)))
        restarted = self.do(self.fleet.restart_all())
        self.obey()
        self.assertEqual(sorted(self.names()), ["a", "b"])
        self.assertEqual(self.processes("b")[0].told, [])
        self.ready("a")
        self.assertEqual(self.processes("b")[0].told, ["drain"])
        self.settle()
        self.successResultOf(restarted)

    def test_release(self) -> None:
        """What was claimed can be let go without having been started."""
        self.chain()
        self.fleet.release()
        self.assertEqual(self.sockets(), [])

    def test_abort(self) -> None:
        """All workers can be killed."""
        self.start(a=service(), b=service(workers=2))
        workers = self.processes()
        self.fleet.abort()
        self.assertEqual([each.signals for each in workers], [["KILL"]] * 3)

    def test_tell(self) -> None:
        """All workers can be told something."""
        self.start(a=service(), b=service())
        self.fleet.tell(SetLogLevel("debug"))
        self.assertEqual([each.told for each in self.processes()], [["log"]] * 2)


class OneTests(FleetTestCase):
    """What is done with one service leaves the others alone."""

    def setUp(self) -> None:
        """Two run."""
        super().setUp()
        self.start(home=service(), user=service())
        [self.home], [self.user] = self.processes("home"), self.processes("user")

    def test_unknown(self) -> None:
        """A name that there is not is refused, with those that there are."""
        for asked in (
            self.fleet.start("hose"), self.fleet.stop("hose"), self.fleet.restart("hose"),
            self.fleet.scale("hose", 2),
        ):  # fmt: skip
            error = self.failureResultOf(self.do(asked), NotFound).value
            self.assertIn("'hose'", str(error))
            self.assertIn("home, user", str(error))

    def test_stop_and_start(self) -> None:
        """One is stopped, with its socket, and started again."""
        stopped = self.do(self.fleet.stop("home"))
        self.assertNoResult(stopped)
        self.settle()
        self.successResultOf(stopped)
        self.assertEqual((self.sockets(), self.names(), self.user.told), (["user"], ["user"], []))
        self.assertEqual(self.statuses(), {"home": "stopped", "user": "ready"})
        started = self.do(self.fleet.start("home"))
        self.assertNoResult(started)
        self.settle()
        self.successResultOf(started)
        self.assertEqual(self.statuses(), {"home": "ready", "user": "ready"})

    def test_start_what_runs(self) -> None:
        """To start what runs is nothing."""
        self.successResultOf(self.do(self.fleet.start("home")))
        self.assertEqual(len(self.processes()), 2)

    def test_restart(self) -> None:
        """One is restarted: drained, and started when that is done; it keeps its socket."""
        socket = os.lstat(os.path.join(self.folder, "service_home.sock")).st_ino
        restarted = self.do(self.fleet.restart("home"))
        self.assertEqual((self.home.told, self.user.told), (["drain"], []))
        self.obey()
        self.assertNoResult(restarted)
        self.settle()
        self.successResultOf(restarted)
        self.assertEqual(os.lstat(os.path.join(self.folder, "service_home.sock")).st_ino, socket)

    def test_restart_what_is_stopped(self) -> None:
        """One that is stopped is started by that."""
        self.do(self.fleet.stop("home"))
        self.settle()
        restarted = self.do(self.fleet.restart("home"))
        self.settle()
        self.successResultOf(restarted)
        self.assertEqual(sorted(self.names()), ["home", "user"])

    def test_one_after_the_other(self) -> None:
        """What is asked for one service is done in that order; the last one counts."""
        asked = [
            self.do(self.fleet.restart("home")),
            self.do(self.fleet.stop("home")),
            self.do(self.fleet.start("home")),
            self.do(self.fleet.stop("home")),
            self.do(self.fleet.restart("home")),
        ]
        self.settle()
        for each in asked:
            self.successResultOf(each)
        self.assertEqual(self.statuses(), {"home": "ready", "user": "ready"})

    def test_restart_fails(self) -> None:
        """Who restarts one that cannot start any more is told why; it has failed then."""
        restarted = self.do(self.fleet.restart("home"))
        self.obey()
        [process] = self.processes("home")
        process.report(Failed("no disk"))
        process.end(code=3)
        self.assertIn("no disk", str(self.failureResultOf(restarted, ConfigError).value))
        self.assertEqual(self.statuses(), {"home": "failed", "user": "ready"})

    def test_start_what_has_failed(self) -> None:
        """One that has failed can be started, and fail again."""
        self.test_restart_fails()
        again = self.do(self.fleet.start("home"))
        self.processes("home")[0].end(code=3)
        self.failureResultOf(again, ConfigError)
        started = self.do(self.fleet.start("home"))
        self.settle()
        self.successResultOf(started)
        self.assertEqual(self.statuses(), {"home": "ready", "user": "ready"})

    def test_waits_for_a_start_that_fails(self) -> None:
        """What waits for its turn behind a start that fails gets it, and is not forgotten."""
        self.do(self.fleet.stop("home"))
        self.settle()
        started = self.do(self.fleet.start("home"))
        renewed = self.renew("home", home=service(), user=service())
        scaled = self.do(self.fleet.scale("home", 2))
        self.processes("home")[0].end(code=3)
        self.failureResultOf(started, ConfigError)
        self.settle()
        self.successResultOf(renewed)
        self.successResultOf(scaled)
        self.assertEqual(self.statuses(), {"home": "ready", "user": "ready"})

    def test_failed(self) -> None:
        """That one has failed is told with its name."""
        for _ in range(50):
            for each in self.processes("home"):
                each.end(code=1)
            self.reactor.advance(0.25)
        self.assertEqual(self.failures, [("home", "ended with exit code 1")])

    def test_removed_meanwhile(self) -> None:
        """Who waits for its turn with one that is removed meanwhile is told that there is no such service."""
        removed = self.do(self.fleet.remove("home"))
        waiting = [self.do(self.fleet.start("home")), self.do(self.fleet.restart("home"))]
        self.settle()
        self.successResultOf(removed)
        for each in waiting:
            self.failureResultOf(each, NotFound)
        self.assertEqual((self.names(), self.sockets()), (["user"], ["user"]))


class ScaleTests(FleetTestCase):
    """Another number of workers."""

    def setUp(self) -> None:
        """One runs, with one worker."""
        super().setUp()
        self.start(home=service())

    def scale(self, workers: int) -> None:
        """Have so many."""
        done = self.do(self.fleet.scale("home", workers))
        self.settle()
        self.successResultOf(done)

    def assert_after_renewal(self, count: int, **settings: int) -> None:
        """So many there are after a reload with these settings."""
        renewed = self.renew("home", home=service(**settings))
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
        for asked in (self.fleet.restart, self.fleet.stop, self.fleet.start):
            done = self.do(asked("home"))
            self.settle()
            self.successResultOf(done)
        self.assertEqual(len(self.processes("home")), 3)

    def test_survives_a_reload_that_fails(self) -> None:
        """When another number was configured that could not be had, it is as it was."""
        self.scale(3)
        renewed = self.renew("home", home=service(workers=2))
        self.reactor.started[-1].end(code=3)
        self.failureResultOf(renewed, ConfigError)
        self.assert_after_renewal(3, threads=4)

    def test_fails(self) -> None:
        """When they cannot be had it is said why, and not tried again at the next reload."""
        done = self.do(self.fleet.scale("home", 2))
        self.reactor.started[-1].end(code=3)
        self.failureResultOf(done, ConfigError)
        self.settle()
        self.assert_after_renewal(1, threads=4)

    def test_does_not_run(self) -> None:
        """What does not run cannot be scaled; it is said how it is, and what to do."""
        self.do(self.fleet.stop("home"))
        self.settle()
        error = self.failureResultOf(self.do(self.fleet.scale("home", 2)), Conflict).value
        self.assertEqual(error.detail, "home is stopped; start it first")
        self.assertEqual(self.processes(), [])


class HealthTests(FleetTestCase):
    """Whether systemd may think that all is well."""

    def test_healthy(self) -> None:
        """Every service has a worker that is ready, whatever else it has."""
        self.start(home=service(workers=2), user=service())
        self.assertTrue(self.fleet.healthy())
        self.processes("home")[0].end(by=9)
        self.assertTrue(self.fleet.healthy())
        self.processes("user")[0].end(by=9)
        self.assertFalse(self.fleet.healthy())
        self.settle()
        self.assertTrue(self.fleet.healthy())

    def test_stopped(self) -> None:
        """One that is stopped on purpose is well; so is one that has not been started yet."""
        self.claim(home=service())
        self.assertTrue(self.fleet.healthy())
        self.do(self.fleet.start("home"))
        self.settle()
        self.do(self.fleet.stop("home"))
        self.assertTrue(self.fleet.healthy())
        self.settle()
        self.assertTrue(self.fleet.healthy())

    def test_failed(self) -> None:
        """One that has failed is not."""
        self.start(home=service(), user=service())
        self.do(self.fleet.restart("home")).addErrback(lambda failure: None)
        self.obey()
        self.processes("home")[0].end(code=3)
        self.assertFalse(self.fleet.healthy())

    def test_failed_and_stopped(self) -> None:
        """Until it is stopped on purpose."""
        self.test_failed()
        self.successResultOf(self.do(self.fleet.stop("home")))
        self.assertTrue(self.fleet.healthy())

    def test_essential(self) -> None:
        """Which ones are essential is what is configured now."""
        self.start(home=service(essential=True), user=service())
        self.assertTrue(self.fleet.is_essential("home"))
        self.assertFalse(self.fleet.is_essential("user"))
        self.renew("home", home=service())
        self.settle()
        self.assertFalse(self.fleet.is_essential("home"))

    def test_status(self) -> None:
        """The figures of all are as fresh as workers answer, and say where the application is."""
        self.start(home=service(app="home:app"), user=service())
        asked = self.do(self.fleet.status(stopping=False))
        self.processes("home")[0].report(Ready())
        self.assertNoResult(asked)
        self.reactor.advance(1)
        found = self.successResultOf(asked)
        self.assertEqual({name: each.app for name, each in found.items()}, {"home": "home:app", "user": "shop:app"})
        self.assertEqual({each.status for each in found.values()}, {"ready"})

"""The orchestrator as a whole, with processes that are only said to be there."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from msgspec.structs import replace
from twisted.internet.defer import CancelledError
from twisted.logger import capturedLogs
from zope.interface.verify import verifyObject

from tests.unit.orchestrator.fleets import OrchestratorTestCase, Watcher, service
from unixsvc.config import Log
from unixsvc.domain.interfaces import IOrchestrator, IOrchestratorWatcher
from unixsvc.errors import ConfigError, NotFound
from unixsvc.orchestrator.listen import DirectoryLock
from unixsvc.orchestrator.service import Orchestrator
from unixsvc.telemetry.logs import Level


class ClaimTests(OrchestratorTestCase):
    """What is taken before anything is started."""

    def test_interfaces(self) -> None:
        """It is an orchestrator; what watches it in these tests is what it takes for a watcher."""
        verifyObject(IOrchestrator, self.orchestrator)
        verifyObject(IOrchestratorWatcher, Watcher())

    def assert_nothing_left(self) -> None:
        """No socket, and somebody else can have the directory."""
        self.assertEqual(self.sockets(), [])
        DirectoryLock(self.folder).release()

    def test_claim(self) -> None:
        """The directory is ours, each service has its socket, and there is a token; nothing is started."""
        self.orchestrator.claim()
        self.assertEqual(self.sockets(), ["home", "user"])
        self.assertRaises(ConfigError, DirectoryLock, self.folder)
        self.assertEqual(len(Path(self.folder, ".token").read_text().strip()), 64)
        self.assertEqual(self.reactor.started, [])
        self.orchestrator.stopService()
        self.pass_time()
        self.assert_nothing_left()

    def test_cannot(self) -> None:
        """When a service cannot have what it needs, it is said, and all is let go that was taken before."""
        for wrong in service(user="no-such-user"), service(depends_on=("no",)):
            self.loaded = self.settings(home=service(), user=wrong)
            self.assertIn("services.user", str(self.assertRaises(ConfigError, self.make().claim)))
            self.assert_nothing_left()
        Path(self.folder, "service_user.sock").write_text("mine")
        self.loaded = self.settings(home=service(), user=service())
        self.assertRaises(ConfigError, self.make().claim)
        os.unlink(os.path.join(self.folder, "service_user.sock"))
        self.assert_nothing_left()

    def test_taken(self) -> None:
        """Where another one runs, nothing is touched."""
        self.orchestrator.claim()
        self.assertIn("another", str(self.assertRaises(ConfigError, self.make().claim)))
        self.assertEqual(self.sockets(), ["home", "user"])
        self.orchestrator.stopService()
        self.pass_time()

    def test_handed(self) -> None:
        """A socket that was handed to us is refused before anything is taken, if it is for no service."""
        with socket.socket(socket.AF_UNIX) as handed:
            handed.bind(os.path.join(self.folder, "shop"))
            refused = self.make(handed={"shop": handed})
            self.assertIn("'shop'", str(self.assertRaises(ConfigError, refused.claim)))
        self.assert_nothing_left()


class LifeTests(OrchestratorTestCase):
    """From its start to its end."""

    def test_start(self) -> None:
        """It claims what it needs, then starts all services, in their order; then it has booted."""
        self.orchestrator.startService()
        booted = self.orchestrator.booted()
        self.assertEqual(self.names(), ["home"])
        self.ready()
        self.assertEqual(self.names(), ["home", "user"])
        self.assertNoResult(booted)
        self.ready()
        self.successResultOf(booted)
        self.assertTrue(self.reactor.ports[os.path.join(self.folder, "service_orchestrator.sock")].open)

    def test_claimed(self) -> None:
        """What was claimed before is not claimed twice; the lock has the pid of who is a daemon by now."""
        self.orchestrator.claim()
        Path(self.folder, ".lock").write_text("1\n")
        self.boot()
        self.assertEqual(Path(self.folder, ".lock").read_text(), f"{os.getpid()}\n")

    def test_cannot_start(self) -> None:
        """When a service cannot start, its boot has failed, and says why."""
        self.orchestrator.startService()
        booted = self.orchestrator.booted()
        self.processes("home")[0].end(code=3)
        self.assertIn("services.home", str(self.failureResultOf(booted, ConfigError).value))

    def test_stop(self) -> None:
        """All are drained in their order; it is done when all are gone, and nothing is left behind."""
        self.boot()
        stopped = self.orchestrator.stopService()
        self.assertEqual([each.told for each in self.processes()], [[], ["drain"]])
        self.obey()
        self.assertEqual([each.told for each in self.processes()], [["drain"]])
        self.assertNoResult(stopped)
        self.pass_time()
        self.successResultOf(stopped)
        self.assertEqual((self.names(), self.sockets(), self.reactor.getDelayedCalls()), ([], [], []))
        DirectoryLock(self.folder).release()

    def test_stop_twice(self) -> None:
        """To stop twice is to stop once."""
        self.boot()
        both = [self.orchestrator.stopService(), self.orchestrator.stopService()]
        self.assertEqual(self.processes("user")[0].told, ["drain"])
        self.pass_time()
        for each in both:
            self.successResultOf(each)

    def test_stop_while_it_boots(self) -> None:
        """Who waits for its boot is told; what was not started yet is never started."""
        self.orchestrator.startService()
        booted = self.orchestrator.booted()
        stopped = self.orchestrator.stopService()
        self.assertIn("stopped", str(self.failureResultOf(booted, ConfigError).value))
        self.ready()
        self.pass_time()
        self.successResultOf(stopped)
        self.assertEqual(len(self.reactor.started), 1)

    def test_control_is_last(self) -> None:
        """While services drain it can be asked how far that is."""
        self.boot()
        self.orchestrator.stopService()
        self.reactor.advance(1)
        port = self.reactor.ports[os.path.join(self.folder, "service_orchestrator.sock")]
        self.assertTrue(port.open)
        self.pass_time()
        self.assertFalse(port.open)

    def test_abort(self) -> None:
        """Who is in a hurry has every worker killed, in whatever order; it ends then, and starts nothing."""
        self.boot()
        workers = self.processes()
        stopped = self.orchestrator.stopService()
        self.orchestrator.abort()
        self.assertEqual([each.signals for each in workers], [["KILL"], ["KILL"]])
        self.pass_time()
        self.successResultOf(stopped)
        self.assertEqual(len(self.reactor.started), 2)

    def test_not_started(self) -> None:
        """Before it is started nothing can be asked of it, which is said."""
        for ask in self.orchestrator.start, self.orchestrator.stop, self.orchestrator.restart:
            self.assertRaises(ConfigError, ask)
        self.assertRaises(ConfigError, self.orchestrator.healthy)


class CommandTests(OrchestratorTestCase):
    """What can be asked of it while it runs."""

    def setUp(self) -> None:
        """Start it."""
        super().setUp()
        self.boot()

    def test_one(self) -> None:
        """One service is stopped, started, restarted, scaled; it is done when it is."""
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
        """So are all of them."""
        for asked, workers in (
            (self.orchestrator.stop, 0), (self.orchestrator.start, 2), (self.orchestrator.restart, 2)
        ):  # fmt: skip
            done = asked()
            self.assertNoResult(done)
            self.settle()
            self.successResultOf(done)
            self.assertEqual(len(self.processes()), workers)

    def test_nobody_waits(self) -> None:
        """Who asks and goes away does not keep it from being done."""
        for asked, workers in (self.orchestrator.stop, 0), (self.orchestrator.start, 2):
            done = asked()
            done.cancel()
            self.failureResultOf(done, CancelledError)
            self.settle()
            self.assertEqual(len(self.processes()), workers)

    def test_unknown(self) -> None:
        """A service that there is not is not found."""
        self.failureResultOf(self.orchestrator.start("hose"), NotFound)
        self.failureResultOf(self.orchestrator.scale("hose", 2), NotFound)

    def test_while_it_stops(self) -> None:
        """When it stops, nothing is started any more, whoever asks; and it ends."""
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
        """The level changes here, in the workers that there are, and in those that come."""
        level = Level("info")
        self.orchestrator._level = self.orchestrator._fleet._assembly._level = level  # type: ignore[union-attr]
        self.orchestrator.set_log_level("debug")
        self.assertEqual((level.name, [each.told for each in self.processes()]), ("debug", [["log"]] * 2))
        self.processes("home")[0].end(by=9)
        self.assertEqual(self.processes("home")[0].orders.log.level, "debug")

    def test_status(self) -> None:
        """Every service is described, also that all stop."""
        asked = self.do_status()
        self.assertEqual(asked, {"home": "ready", "user": "ready"})
        self.orchestrator.stopService()
        self.assertEqual(self.do_status(), {"home": "stopping", "user": "stopping"})

    def do_status(self) -> dict[str, str]:
        """How each service is."""
        from twisted.internet.defer import Deferred

        asked = Deferred.fromCoroutine(self.orchestrator.status())
        self.reactor.advance(1)
        return {name: each.status for name, each in self.successResultOf(asked).items()}

    def test_healthy(self) -> None:
        """It is well when every service is."""
        self.assertTrue(self.orchestrator.healthy())
        self.processes("home")[0].end(by=9)
        self.assertFalse(self.orchestrator.healthy())


class EssentialTests(OrchestratorTestCase):
    """Services that the others are of no use without."""

    def fail_service(self, name: str) -> None:
        """Have its workers die until it has failed."""
        for _ in range(60):
            for each in self.processes(name):
                each.end(code=1)
            self.reactor.advance(0.25)

    def test_essential(self) -> None:
        """That one has failed is told, once, with the reason."""
        self.boot(home=service(essential=True), user=service())
        self.fail_service("home")
        self.assertEqual(self.watcher.told, [("home", "ended with exit code 1")])

    def test_other(self) -> None:
        """That another one has is not."""
        self.boot(home=service(essential=True), user=service())
        self.fail_service("user")
        self.assertEqual(self.watcher.told, [])

    def test_nobody_watches(self) -> None:
        """That nobody watches is no error."""
        self.loaded = self.settings(home=service(essential=True))
        self.orchestrator = self.make(watcher=None)
        self.boot()
        self.fail_service("home")
        done = self.orchestrator.reload()
        self.settle()
        self.successResultOf(done)


class EmbeddedTests(OrchestratorTestCase):
    """An orchestrator whose services are registered by a program, without a file."""

    def setUp(self) -> None:
        """Start it, with one service."""
        super().setUp()
        self.loaded = self.settings(home=service())
        self.orchestrator: Orchestrator = self.make(load=None)
        self.boot()

    def test_register(self) -> None:
        """What is registered later runs from the next reload on."""
        self.orchestrator.register("user", service())
        self.settle()
        self.assertEqual(self.names(), ["home"])
        done = self.orchestrator.reload()
        self.settle()
        self.successResultOf(done)
        self.assertEqual(sorted(self.names()), ["home", "user"])

    def test_register_during_a_reload(self) -> None:
        """What is registered while a reload is under way runs from the one after it on."""
        done = self.orchestrator.reload()
        self.orchestrator.register("user", service())
        self.settle()
        self.successResultOf(done)
        self.assertEqual(self.names(), ["home"])
        done = self.orchestrator.reload()
        self.settle()
        self.successResultOf(done)
        self.assertEqual(sorted(self.names()), ["home", "user"])


class ReloadTests(OrchestratorTestCase):
    """The configuration is read anew."""

    def setUp(self) -> None:
        """Start it."""
        super().setUp()
        self.boot()
        self.before = self.processes()

    def test_all(self) -> None:
        """All workers are replaced, each service's when those of the one it depends on are."""
        done = self.orchestrator.reload()
        self.assertEqual(self.names(), ["home", "user", "home"])
        self.settle()
        self.successResultOf(done)
        self.assertFalse(set(self.before) & set(self.processes()))
        self.assertEqual(len(self.processes()), 2)
        self.assertEqual(self.watcher.told, ["reloading", "reloaded"])

    def test_one(self) -> None:
        """For one service, only its workers are."""
        done = self.orchestrator.reload("user")
        self.settle()
        self.successResultOf(done)
        self.assertIn(self.before[0], self.processes())
        self.assertNotIn(self.before[1], self.processes())

    def test_added_removed_changed(self) -> None:
        """What is new is started, what is not there any more is ended after all else, the rest is changed."""
        self.loaded = self.settings(user=service(threads=3), shop=service())
        done = self.orchestrator.reload()
        self.assertEqual(self.processes("home")[0].told, [])
        self.settle()
        self.successResultOf(done)
        self.assertEqual(sorted(self.names()), ["shop", "user"])
        self.assertEqual(self.processes("user")[0].orders.settings.threads, 3)
        self.assertEqual(self.sockets(), ["shop", "user"])

    def test_only_one_of_them(self) -> None:
        """For one service, whatever else has changed waits for its own reload."""
        self.loaded = self.settings(user=service(threads=3), shop=service())
        done = self.orchestrator.reload("shop")
        self.settle()
        self.successResultOf(done)
        self.assertEqual(sorted(self.names()), ["home", "shop", "user"])
        done = self.orchestrator.reload()
        self.settle()
        self.successResultOf(done)
        self.assertEqual(sorted(self.names()), ["shop", "user"])

    def test_unknown(self) -> None:
        """A service that there is not, neither now nor then, is not found; those of then are named."""
        self.loaded = self.settings(home=service(), shop=service())
        error = self.failureResultOf(self.orchestrator.reload("hose"), NotFound).value
        self.assertIn("there are: home, shop", str(error))
        self.assertEqual(len(self.processes()), 2)

    def test_fails(self) -> None:
        """When new workers cannot start, it is said and logged, and the watcher is told that it is over."""
        with capturedLogs() as events:
            done = self.orchestrator.reload()
            self.reactor.started[-1].end(code=3)
        self.assertIn("services.home", str(self.failureResultOf(done, ConfigError).value))
        self.assertEqual(self.processes(), self.before)
        self.assertEqual(self.watcher.told, ["reloading", "reloaded"])
        [said] = [each for each in events if "the reload was given up" in each["log_format"]]
        self.assertEqual(said["log_level"].name, "error")

    def test_wrong_configuration(self) -> None:
        """So is a mistake in the configuration: who has sent a HUP sees nothing but the log."""
        wrong = replace(self.loaded, socket_dir="/elsewhere")
        for loaded in ConfigError("unixsvc.toml", "is no TOML"), wrong:
            self.loaded = loaded
            with capturedLogs() as events:
                self.failureResultOf(self.orchestrator.reload(), ConfigError)
            self.assertEqual([each["log_level"].name for each in events if "error" in each], ["error"])
            self.assertEqual(self.processes(), self.before)

    def test_wrong_configuration_is_over(self) -> None:
        """Then, too, the watcher is told that there was one, and that it is over: systemd waits for that."""
        self.loaded = ConfigError("unixsvc.toml", "is no TOML")
        self.failureResultOf(self.orchestrator.reload(), ConfigError)
        self.assertEqual(self.watcher.told, ["reloading", "reloaded"])

    def test_after_a_mistake(self) -> None:
        """The next one, without the mistake, is done."""
        self.test_wrong_configuration()
        self.loaded = self.settings(home=service(threads=3))
        done = self.orchestrator.reload()
        self.settle()
        self.successResultOf(done)
        self.assertEqual([each.orders.settings.threads for each in self.processes()], [3])

    def test_hundred(self) -> None:
        """However many ask while one is under way, there is one more, with what is configured by then."""
        first = self.orchestrator.reload()
        others = [self.orchestrator.reload() for _ in range(100)]
        self.loaded = self.settings(home=service(threads=3))
        self.settle()
        for each in first, *others:
            self.successResultOf(each)
        self.assertEqual(self.watcher.told, ["reloading", "reloaded"] * 2)
        self.assertEqual([each.orders.settings.threads for each in self.processes()], [3])

    def test_nobody_waits(self) -> None:
        """Who asks and goes away does not keep it from being done."""
        done = self.orchestrator.reload()
        done.cancel()
        self.failureResultOf(done, CancelledError)
        self.settle()
        self.assertFalse(set(self.before) & set(self.processes()))

    def test_log_level(self) -> None:
        """A level that is configured anew holds at once; one that was asked for stays if it is not."""
        self.loaded = replace(self.loaded, log=Log(level="debug"))
        done = self.orchestrator.reload()
        self.settle()
        self.successResultOf(done)
        self.assertEqual({each.told[-1] for each in self.processes()}, {"log"})
        self.orchestrator.set_log_level("error")
        done = self.orchestrator.reload()
        self.settle()
        self.successResultOf(done)
        self.assertEqual({each.orders.log.level for each in self.processes()}, {"error"})

    def test_stop(self) -> None:
        """To stop gives up a reload that is under way, and begins none."""
        done, next_one = self.orchestrator.reload(), self.orchestrator.reload()
        stopped = self.orchestrator.stopService()
        self.failureResultOf(done, ConfigError)
        self.failureResultOf(next_one, ConfigError)
        self.pass_time()
        self.successResultOf(stopped)
        self.assertEqual(self.sockets(), [])

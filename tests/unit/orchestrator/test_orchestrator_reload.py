"""Tests of reloads of the orchestrator."""

from __future__ import annotations

from msgspec.structs import replace
from twisted.internet.defer import CancelledError
from twisted.logger import capturedLogs

from tests.unit.orchestrator.fake_pools import OrchestratorTestCase, service
from unixsvc.config.settings import Log, NamedToken
from unixsvc.errors import ConfigError, NotFound
from unixsvc.service.spec import StatsReport


class ReloadTests(OrchestratorTestCase):
    """The configuration is read again."""

    def setUp(self) -> None:
        """Start it."""
        super().setUp()
        self.boot()
        self.before = self.processes()

    def test_all(self) -> None:
        """The workers of each service are replaced after those of its dependencies."""
        done = self.orchestrator.reload()
        self.assertEqual(self.names(), ["home", "user", "home"])
        self.settle()
        self.successResultOf(done)
        self.assertFalse(set(self.before) & set(self.processes()))
        self.assertEqual(len(self.processes()), 2)
        self.assertEqual(self.watcher.events, ["reloading", "reloaded"])

    def test_one(self) -> None:
        """A reload of one service replaces only its workers."""
        done = self.orchestrator.reload("user")
        self.settle()
        self.successResultOf(done)
        self.assertIn(self.before[0], self.processes())
        self.assertNotIn(self.before[1], self.processes())

    def test_tokens(self) -> None:
        """A token that was removed is not valid any more before the first worker is replaced."""
        token = NamedToken("ab" * 32, ("*",))
        self.loaded = replace(self.settings(home=service(), user=service()), tokens={"billing": token})
        done = self.orchestrator.reload()
        for process in self.before:
            [command] = [each for each in process.sent_commands if each["type"] == "tokens"]
            self.assertEqual([each["name"] for each in command["tokens"]], ["billing"])
            process.report(StatsReport())
        self.settle()
        self.successResultOf(done)
        [config] = {each.worker_config.tokens for each in self.processes()}
        self.assertEqual([each.name for each in config], ["billing"])

    def test_wrong_token(self) -> None:
        """A table of a token that is wrong fails the reload, and changes nothing."""
        token = NamedToken("ab" * 32, ("*",), ("no path",))
        self.loaded = replace(self.settings(home=service(), user=service()), tokens={"billing": token})
        error = self.failureResultOf(self.orchestrator.reload(), ConfigError)
        self.assertIn("tokens.billing.routes", str(error.value))
        self.assertEqual([each.commands for each in self.before], [[], []])

    def test_added_removed_changed(self) -> None:
        """New services are started, removed ones stopped last, changed ones replaced."""
        self.loaded = self.settings(user=service(threads=3), shop=service())
        done = self.orchestrator.reload()
        self.assertEqual(self.processes("home")[0].commands, [])
        self.settle()
        self.successResultOf(done)
        self.assertEqual(sorted(self.names()), ["shop", "user"])
        self.assertEqual(self.processes("user")[0].worker_config.settings.threads, 3)
        self.assertEqual(self.sockets(), ["orchestrator", "shop", "user"])

    def test_only_one_of_them(self) -> None:
        """A reload of one service applies no other change."""
        self.loaded = self.settings(user=service(threads=3), shop=service())
        done = self.orchestrator.reload("shop")
        self.settle()
        self.successResultOf(done)
        self.assertEqual(sorted(self.names()), ["home", "shop", "user"])
        done = self.orchestrator.reload()
        self.settle()
        self.successResultOf(done)
        self.assertEqual(sorted(self.names()), ["shop", "user"])

    def test_cycle_with_running(self) -> None:
        """A reload of one service may not form a cycle with others as they run."""
        self.loaded = self.settings(home=service(depends_on=("user",)), user=service())
        error = self.failureResultOf(self.orchestrator.reload("home"), ConfigError).value
        self.assertIn("depend on each other", str(error))
        self.assertEqual(self.processes(), self.before)
        done = self.orchestrator.reload()
        self.settle()
        self.successResultOf(done)

    def test_removed_dependency(self) -> None:
        """A service that others depend on as they run cannot be removed alone."""
        self.loaded = self.settings(user=service())
        self.failureResultOf(self.orchestrator.reload("home"), ConfigError)
        self.assertEqual(self.processes(), self.before)

    def test_unknown(self) -> None:
        """A service that exists neither before nor after is a NotFound; the error lists the new ones."""
        self.loaded = self.settings(home=service(), shop=service())
        error = self.failureResultOf(self.orchestrator.reload("hose"), NotFound).value
        self.assertIn("there are: home, shop", str(error))
        self.assertEqual(len(self.processes()), 2)

    def test_fails(self) -> None:
        """If new workers cannot start, the error is raised and logged, and the watcher sees the end."""
        with capturedLogs() as events:
            done = self.orchestrator.reload()
            self.reactor.started[-1].end(code=3)
        self.assertIn("services.home", str(self.failureResultOf(done, ConfigError).value))
        self.assertEqual(self.processes(), self.before)
        reloading, failed = self.watcher.events
        self.assertEqual((reloading, failed.partition(":")[0]), ("reloading", "failed"))
        self.assertIn("services.home", failed)
        [said] = [each for each in events if "the reload has failed" in each["log_format"]]
        self.assertEqual(said["log_level"].name, "error")

    def test_wrong_configuration(self) -> None:
        """An error in the configuration is logged: at a HUP there is no other output."""
        wrong = replace(self.loaded, socket_dir="/elsewhere")
        for loaded in ConfigError("unixsvc.toml", "not valid TOML"), wrong:
            self.loaded = loaded
            with capturedLogs() as events:
                self.failureResultOf(self.orchestrator.reload(), ConfigError)
            self.assertEqual([each["log_level"].name for each in events if "error" in each], ["error"])
            self.assertEqual(self.processes(), self.before)

    def test_wrong_configuration_is_over(self) -> None:
        """The watcher sees the begin and the end: systemd waits for the end."""
        self.loaded = ConfigError("unixsvc.toml", "not valid TOML")
        self.failureResultOf(self.orchestrator.reload(), ConfigError)
        self.assertEqual(self.watcher.events, ["reloading", "failed: unixsvc.toml: not valid TOML"])

    def test_after_a_mistake(self) -> None:
        """The next reload can succeed."""
        self.test_wrong_configuration()
        self.loaded = self.settings(home=service(threads=3))
        done = self.orchestrator.reload()
        self.settle()
        self.successResultOf(done)
        self.assertEqual([each.worker_config.settings.threads for each in self.processes()], [3])

    def test_hundred(self) -> None:
        """All requests during a reload share the next one."""
        first = self.orchestrator.reload()
        others = [self.orchestrator.reload() for _ in range(100)]
        self.loaded = self.settings(home=service(threads=3))
        self.settle()
        for each in first, *others:
            self.successResultOf(each)
        self.assertEqual(self.watcher.events, ["reloading", "reloaded"] * 2)
        self.assertEqual([each.worker_config.settings.threads for each in self.processes()], [3])

    def test_cancelled_waiter(self) -> None:
        """A caller that cancels does not cancel the reload."""
        done = self.orchestrator.reload()
        done.cancel()
        self.failureResultOf(done, CancelledError)
        self.settle()
        self.assertFalse(set(self.before) & set(self.processes()))

    def test_log_level(self) -> None:
        """A new configured level applies at once; a level set by the control API stays otherwise."""
        self.loaded = replace(self.loaded, log=Log(level="debug"))
        done = self.orchestrator.reload()
        self.settle()
        self.successResultOf(done)
        self.assertEqual({each.commands[-1] for each in self.processes()}, {"log"})
        self.orchestrator.set_log_level("error")
        done = self.orchestrator.reload()
        self.settle()
        self.successResultOf(done)
        self.assertEqual({each.worker_config.log.level for each in self.processes()}, {"error"})
        self.assertEqual(self.level.name, "error")

    def test_loggers(self) -> None:
        """New levels of loggers apply at once, and leave a level alone that the control API has set."""
        self.orchestrator.set_log_level("error")
        for log in (Log(loggers={"shop.db": "debug"}), Log()):
            self.loaded = replace(self.loaded, log=log)
            done = self.orchestrator.reload()
            self.settle()
            self.successResultOf(done)
            self.assertEqual((self.level.name, self.level.loggers), ("error", log.loggers))
            self.assertEqual({each.commands[-1] for each in self.processes()}, {"log"})
        self.assertEqual({each.worker_config.log.level for each in self.processes()}, {"error"})

    def test_stop(self) -> None:
        """A stop cancels a reload, and no new one begins."""
        done, next_one = self.orchestrator.reload("user"), self.orchestrator.reload()
        stopped = self.orchestrator.stopService()
        self.assertIn("stopped", str(self.failureResultOf(done, ConfigError).value))
        self.pass_time()
        self.assertIn("stopping", str(self.failureResultOf(next_one, ConfigError).value))
        self.successResultOf(stopped)
        self.assertEqual(self.sockets(), [])

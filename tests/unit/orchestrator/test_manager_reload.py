"""Tests of changes to the configuration of services."""

from __future__ import annotations

from msgspec.structs import replace

from tests.unit.orchestrator.fake_pools import ManagerTestCase, service
from unixsvc import GET, App
from unixsvc.config.settings import Limits
from unixsvc.errors import ConfigError
from unixsvc.orchestrator.worker.messages import WorkerFailed, WorkerReady


def hello() -> str:
    """An action."""
    return "hello"


app = App([GET("/", hello)])


class ReconfigureTests(ManagerTestCase):
    """Services that run, do not run, are new, or are removed."""

    def setUp(self) -> None:
        """Start two services."""
        super().setUp()
        self.start(home=service(), user=service())
        [self.home], [self.user] = self.processes("home"), self.processes("user")

    def test_changed(self) -> None:
        """The workers of a running service are replaced, their successors first."""
        renewed = self.reconfigure("home", home=service(threads=3), user=service())
        [_, new] = self.processes("home")
        self.assertEqual((new.worker_config.settings.threads, self.home.commands), (3, []))
        self.settle()
        self.successResultOf(renewed)
        self.assertEqual((self.processes("home"), self.user.commands), ([new], []))

    def test_unchanged(self) -> None:
        """Workers are replaced even if the settings are the same: the code may have changed."""
        renewed = self.reconfigure("home", home=service(), user=service())
        self.settle()
        self.successResultOf(renewed)
        self.assertNotIn(self.home, self.processes("home"))

    def test_fails(self) -> None:
        """If new workers cannot start, the old ones stay, with their settings."""
        renewed = self.reconfigure("home", home=service(app="no:app"), user=service())
        [_, new] = self.processes("home")
        new.report(WorkerFailed("there is no module 'no'"))
        new.end(code=3)
        self.assertIn("no module 'no'", str(self.failureResultOf(renewed, ConfigError).value))
        self.settle()
        self.assertEqual((self.processes("home"), self.home.commands), ([self.home], []))
        found = self.do(self.manager.status(stopping=False))
        self.reactor.advance(1)
        self.assertEqual(self.successResultOf(found)["home"].app, "shop:app")

    def test_added(self) -> None:
        """A new service gets its socket and is started."""
        renewed = self.reconfigure("shop", home=service(), user=service(), shop=service())
        self.assertNoResult(renewed)
        self.assertEqual(self.sockets(), ["home", "shop", "user"])
        self.settle()
        self.successResultOf(renewed)
        self.assertEqual(self.manager.names, ["home", "user", "shop"])
        self.assertEqual([each.name for each in self.parent], ["home", "user", "shop"])

    def test_added_fails(self) -> None:
        """A new service that cannot start is removed, with its socket; the reload can be repeated."""
        for workers in 1, 2:
            renewed = self.reconfigure("shop", home=service(), user=service(), shop=service(workers=workers))
            self.processes("shop")[0].end(code=3)
            self.obey("shop")
            self.assertIn("services.shop", str(self.failureResultOf(renewed, ConfigError).value))
            self.assertEqual((self.manager.names, self.sockets()), (["home", "user"], ["home", "user"]))
            self.assertEqual([each.name for each in self.parent], ["home", "user"])
        renewed = self.reconfigure("shop", home=service(), user=service(), shop=service())
        self.settle()
        self.successResultOf(renewed)

    def test_added_depends(self) -> None:
        """A new service takes its place in the start order."""
        self.reconfigure("shop", home=service(), user=service(), shop=service(depends_on=("home",)))
        self.settle()
        self.do(self.manager.stop_all())
        commands = [each.worker_config.service for each in self.processes() if "drain" in each.commands]
        self.assertEqual(sorted(commands), ["shop", "user"])

    def test_removed(self) -> None:
        """A removed service drains, and its socket is removed."""
        removed = self.do(self.manager.remove("home"))
        self.assertEqual((self.home.commands, self.manager.names), (["drain"], ["home", "user"]))
        self.settle()
        self.successResultOf(removed)
        self.assertEqual((self.manager.names, self.sockets(), self.names()), (["user"], ["user"], ["user"]))
        self.assertEqual([each.name for each in self.parent], ["user"])

    def test_stopped(self) -> None:
        """A stopped service stays stopped; its next start uses the new settings."""
        self.do(self.manager.stop("home"))
        self.settle()
        self.successResultOf(self.reconfigure("home", home=service(threads=3, workers=2), user=service()))
        self.assertEqual(self.processes("home"), [])
        self.do(self.manager.start("home"))
        self.assertEqual([each.worker_config.settings.threads for each in self.processes("home")], [3, 3])

    def test_failed(self) -> None:
        """A failed service is started: its configuration may have been fixed."""
        restarted = self.do(self.manager.restart("home"))
        self.obey()
        self.processes("home")[0].end(code=3)
        self.failureResultOf(restarted, ConfigError)
        renewed = self.reconfigure("home", home=service(threads=3), user=service())
        self.settle()
        self.successResultOf(renewed)
        self.assertEqual([each.worker_config.settings.threads for each in self.processes("home")], [3])

    def test_failed_and_stopped(self) -> None:
        """A service that has failed and was stopped stays stopped."""
        restarted = self.do(self.manager.restart("home"))
        self.obey()
        self.processes("home")[0].end(code=3)
        self.failureResultOf(restarted, ConfigError)
        self.successResultOf(self.do(self.manager.stop("home")))
        self.successResultOf(self.reconfigure("home", home=service(), user=service()))
        self.assertEqual(self.processes("home"), [])

    def test_waiting(self) -> None:
        """A service that has not been started yet is started with the new settings."""
        self.bind(shop=service(), cash=service(depends_on=("shop",)))
        started = self.do(self.manager.start_all())
        self.successResultOf(self.reconfigure("cash", cash=service(threads=3), shop=service()))
        self.settle()
        self.successResultOf(started)
        self.assertEqual(self.processes("cash")[0].worker_config.settings.threads, 3)

    def test_while_it_starts(self) -> None:
        """A service that is starting is reloaded after its start."""
        self.bind(shop=service())
        started = self.do(self.manager.start("shop"))
        renewed = self.reconfigure("shop", shop=service(threads=3))
        self.assertEqual(len(self.processes("shop")), 1)
        self.processes("shop")[0].report(WorkerReady())
        self.successResultOf(started)
        self.settle()
        self.successResultOf(renewed)
        self.assertEqual([each.worker_config.settings.threads for each in self.processes("shop")], [3])

    def test_isolation(self) -> None:
        """A change of the isolation stops the service and starts it in the other way."""
        renewed = self.reconfigure(
            "home", home=service(isolation="inline", app=f"{__name__}:app"), user=service()
        )
        self.assertEqual(self.home.commands, ["drain"])
        self.settle()
        self.successResultOf(renewed)
        self.assertEqual(self.names(), ["user"])
        self.assertTrue(self.reactor.ports[f"{self.folder}/service_home.sock"].open)
        removed = self.do(self.manager.remove("home"))
        self.reactor.pump([0.1] * 5)
        self.successResultOf(removed)

    def test_pids(self) -> None:
        """The pids are those of workers, without our own."""
        self.bind(shop=service(isolation="inline", app=f"{__name__}:app"))
        started = self.do(self.manager.start("shop"))
        self.reactor.advance(0)
        self.successResultOf(started)
        self.assertEqual(sorted(self.manager.pids()), sorted(each.pid or 0 for each in self.processes()))
        removed = self.do(self.manager.remove("shop"))
        self.reactor.pump([0.1] * 5)
        self.successResultOf(removed)

    def test_general_limits(self) -> None:
        """An inline service applies new general limits at its reload."""
        services = {"shop": service(isolation="inline", app=f"{__name__}:app")}
        self.reconfigure("shop", **services)
        before = self.reactor.ports[f"{self.folder}/service_shop.sock"]
        for limits, renewed in (Limits(), False), (Limits(idle_timeout=1), True):
            done = self.do(
                self.manager.reconfigure("shop", replace(self.settings(**services), limits=limits))
            )
            self.reactor.pump([0.1] * 5)
            self.successResultOf(done)
            self.assertEqual(self.reactor.ports[f"{self.folder}/service_shop.sock"] is not before, renewed)
        removed = self.do(self.manager.remove("shop"))
        self.reactor.pump([0.1] * 5)
        self.successResultOf(removed)

    def test_isolation_fails(self) -> None:
        """If it cannot start with the other isolation, it is started as before."""
        renewed = self.reconfigure(
            "home", home=service(isolation="inline", app="no_such_module:app"), user=service()
        )
        self.settle()
        self.failureResultOf(renewed, ConfigError)
        self.assertEqual(sorted(self.names()), ["home", "user"])
        self.assertIn("home", self.sockets())

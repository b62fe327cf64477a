"""Services with real sockets in a temporary folder, and fake processes."""

from __future__ import annotations

import os
import shutil
import tempfile
from typing import Any

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from tests.unit.orchestrator.pool.fake_processes import TOKEN, FakeProcess, Processes
from unixsvc.config.settings import Limits, Log, Security, ServiceSettings, Settings, start_order
from unixsvc.orchestrator.interfaces import IOrchestratorWatcher
from unixsvc.orchestrator.orchestrator import Orchestrator
from unixsvc.orchestrator.pool_factory import PoolFactory
from unixsvc.orchestrator.service_manager import ServiceManager
from unixsvc.orchestrator.worker.messages import SetTokens, WorkerDraining, WorkerReady
from unixsvc.service.spec import StatsReport
from unixsvc.telemetry.logs import LogLevelFilter

__all__ = ["ManagerTestCase", "OrchestratorTestCase", "ServicesTestCase", "Watcher", "service"]


def service(**settings: Any) -> ServiceSettings:
    """The settings of a service."""
    return ServiceSettings(**{"app": "shop:app", **settings})


class ServicesTestCase(SynchronousTestCase):
    """A test with a folder for sockets and a reactor that starts fake processes."""

    def setUp(self) -> None:
        """Make the folder and the reactor."""
        self.folder = tempfile.mkdtemp()  # trial's own have paths too long for a socket
        self.addCleanup(shutil.rmtree, self.folder)
        self.reactor = Processes()
        self.reactor.advance(100)

    def settings(self, **services: ServiceSettings) -> Settings:
        """A configuration."""
        return Settings(
            source="/srv/unixsvc.toml",
            folder=self.folder,
            socket_dir=self.folder,
            socket_mode=0o660,
            token_file=os.path.join(self.folder, ".token"),
            limits=Limits(),
            security=Security(),
            services=services,
            log=Log(),
        )

    def sockets(self) -> list[str]:
        """The services that have a socket."""
        names = [each for each in os.listdir(self.folder) if each.endswith(".sock")]
        return sorted(each.removeprefix("service_").removesuffix(".sock") for each in names)

    def processes(self, *names: str) -> list[FakeProcess]:
        """The running processes, of all services or of some."""
        return [each for each in self.reactor.running if each.worker_config.service in names or not names]

    def names(self) -> list[str]:
        """The services of the running processes, in the order of their start."""
        return [each.worker_config.service for each in self.reactor.running]

    def ready(self, *names: str) -> None:
        """Let starting processes report that they are ready."""
        for each in self.processes(*names):
            each.report(WorkerReady())

    def obey(self, *names: str) -> None:
        """Let processes that were asked to exit do so."""
        for each in self.processes(*names):
            if each.signals or "drain" in each.commands:
                each.report(WorkerDraining())
                each.end()
        self.reactor.advance(0)

    def settle(self) -> None:
        """Let all processes behave normally until nothing more happens."""
        for _ in range(20):
            self.ready()
            self.obey()


class ManagerTestCase(ServicesTestCase):
    """A test with a service manager without services.

    :ivar failures: the services that have failed, with the reasons.
    """

    def setUp(self) -> None:
        """Make the manager."""
        super().setUp()
        self.failures: list[tuple[str, str]] = []
        self.parent = MultiService()
        self.factory = PoolFactory(self.reactor, lambda: SetTokens(TOKEN, ()), LogLevelFilter("info"), {})
        self.manager = ServiceManager(self.factory, self.parent, lambda *failed: self.failures.append(failed))
        self._done: list[Deferred[Any]] = []
        self.addCleanup(self.end)

    def end(self) -> None:
        """Close all sockets and ignore the errors of unfinished operations."""
        self.manager.unbind()
        for each in self._done:
            each.addErrback(lambda failure: None)

    def do(self, coroutine: Any) -> Deferred[Any]:
        """Run a coroutine as far as it goes."""
        self._done.append(Deferred.fromCoroutine(coroutine))
        return self._done[-1]

    def bind(self, **services: ServiceSettings) -> None:
        """Add services without starting them."""
        settings = self.settings(**services)
        for name in start_order(services):
            self.manager.bind(name, settings)

    def start(self, **services: ServiceSettings) -> None:
        """Add services and start them."""
        self.bind(**services)
        started = self.do(self.manager.start_all())
        self.settle()
        self.successResultOf(started)

    def reconfigure(self, name: str, **services: ServiceSettings) -> Deferred[None]:
        """Reconfigure one of these services."""
        return self.do(self.manager.reconfigure(name, self.settings(**services)))

    def statuses(self) -> dict[str, str]:
        """The status of each service."""
        asked = self.do(self.manager.status(stopping=False))
        for each in self.processes():
            each.report(StatsReport())
        return {name: each.status for name, each in self.successResultOf(asked).items()}


@implementer(IOrchestratorWatcher)
class Watcher:
    """Records its calls.

    :ivar events: the calls, in order.
    """

    def __init__(self) -> None:
        self.events: list[Any] = []

    def reloading(self) -> None:
        """Record it."""
        self.events.append("reloading")

    def reloaded(self, error: str) -> None:
        """Record it."""
        self.events.append(f"failed: {error}" if error else "reloaded")

    def aborted(self, name: str, reason: str) -> None:
        """Record it."""
        self.events.append((name, reason))


class OrchestratorTestCase(ServicesTestCase):
    """A test with an orchestrator of two services.

    :ivar loaded: what a reload will find.
    """

    def setUp(self) -> None:
        """Make the orchestrator; it has bound nothing yet."""
        super().setUp()
        self.watcher, self.level = Watcher(), LogLevelFilter("info")
        self.loaded: Any = self.settings(home=service(), user=service(depends_on=("home",)))
        self.orchestrator = self.make()

    def load(self) -> Settings:
        """Read the configuration."""
        if isinstance(self.loaded, Exception):
            raise self.loaded
        loaded: Settings = self.loaded
        return loaded

    def make(self, **more: Any) -> Orchestrator:
        """Make an orchestrator of the loaded configuration; it is stopped after the test."""
        usual: dict[str, Any] = {"load": self.load, "watcher": self.watcher, "level": self.level}
        made = Orchestrator(self.loaded, self.reactor, **(usual | more))
        for name, each in self.loaded.services.items():
            made.register(name, each)
        self.addCleanup(self.end, made)
        return made

    def boot(self, **services: ServiceSettings) -> None:
        """Start the orchestrator, with other services if some are given."""
        if services:
            self.loaded = self.settings(**services)
            self.orchestrator = self.make()
        self.orchestrator.startService()
        self.settle()
        self.successResultOf(self.orchestrator.when_ready())

    def end(self, orchestrator: Orchestrator) -> None:
        """Stop an orchestrator if it runs."""
        if orchestrator.running:
            orchestrator.stopService()
        self.pass_time()

    def pass_time(self) -> None:
        """Advance the clock by some seconds while processes behave normally."""
        for _ in range(20):
            self.settle()
            self.reactor.advance(0.25)

"""The top of the tree: what the orchestrator, signals and systemd have to do with each other."""

from __future__ import annotations

import atexit
import gc
import io
import sys
from typing import Any, cast

from twisted.application.service import MultiService, Service
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.logger import ILogObserver
from twisted.python.components import Componentized
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.unit.orchestrator.systemd.test_service import Notifier, status_of
from unixsvc.errors import ConfigError
from unixsvc.orchestrator.interfaces import IOrchestratorWatcher
from unixsvc.orchestrator.reactor import IDaemonReactor
from unixsvc.orchestrator.signals import BOOT_FAILED, ESSENTIAL_FAILED
from unixsvc.orchestrator.status import ServiceStatus
from unixsvc.orchestrator.systemd.activation import Activation
from unixsvc.tap import _Root


class _Reactor(Clock):
    """Runs as soon as it is made."""

    def __init__(self) -> None:
        super().__init__()
        self.done: list[str] = []
        self.hooks: list[Any] = []

    def callWhenRunning(self, call: Any) -> None:
        """Call it in the next turn; but signals stay as they are."""
        if call.__name__ == "install":
            self.hooks.append(call)
        else:
            self.callLater(0, call)

    def stop(self) -> None:
        """End."""
        self.done.append("stop")


class _Orchestrator(Service):
    """Does what the test says."""

    def __init__(self) -> None:
        self.boot: Deferred[None] = Deferred()
        self.watcher: Any = None
        self.done: list[str] = []
        self.problem: Exception | None = None

    def when_ready(self) -> Deferred[None]:
        """When the test says so."""
        return self.boot

    def abort(self) -> None:
        """Note it."""
        self.done.append("abort")

    def kill_workers(self) -> None:
        """Note it."""
        self.done.append("kill")

    def reload(self) -> Deferred[None]:
        """Note it."""
        self.done.append("reload")
        return succeed(None) if self.problem is None else fail(self.problem)

    def healthy(self) -> bool:
        """It is."""
        return True

    async def status(self) -> dict[str, ServiceStatus]:
        """One service."""
        return {"home": status_of("ready")}


class RootTests(SynchronousTestCase):
    """It is told what becomes of the services, and tells others."""

    def setUp(self) -> None:
        """Start it, with everything around it in memory."""
        self.patch(atexit, "register", lambda call: None)
        self.errors = io.StringIO()
        self.patch(sys, "__stderr__", self.errors)
        self.reactor, self.orchestrator, self.notifier = _Reactor(), _Orchestrator(), Notifier()
        systemd: Any = self.notifier
        orchestrator: Any = self.orchestrator
        log: Any = "where the log goes"
        self.root = _Root(
            orchestrator, cast(IDaemonReactor, self.reactor), log, Activation(systemd, None, {})
        )
        self.root.startService()

    def told(self) -> list[str]:
        """What systemd was told, but for the figures."""
        return [each for each in self.notifier.told if " " not in each]

    def test_interface(self) -> None:
        """It is what the orchestrator takes for its watcher, and the orchestrator has it."""
        verifyObject(IOrchestratorWatcher, self.root)
        self.assertIs(self.orchestrator.watcher, self.root)

    def test_log(self) -> None:
        """What it joins logs as we say."""
        parent: Any = type("Application", (MultiService, Componentized), {})()
        Componentized.__init__(parent)
        self.root.setServiceParent(parent)
        self.assertEqual(parent.getComponent(ILogObserver), "where the log goes")

    def test_signals(self) -> None:
        """Signals are ours from when the reactor runs, as it installs its own just before."""
        self.assertEqual([each.__self__ for each in self.reactor.hooks], [self.root._signals])

    def test_booted(self) -> None:
        """When all are ready, systemd is told, and not before."""
        self.assertEqual(self.told(), [])
        self.orchestrator.boot.callback(None)
        self.assertEqual(self.told(), ["ready"])

    def test_boot_failed(self) -> None:
        """When one cannot start it is said, all ends, in order, and the exit code says so."""
        self.orchestrator.boot.errback(ConfigError("services.home", "cannot start: no disk"))
        self.reactor.advance(0)
        self.assertEqual((self.told(), self.reactor.done), (["stopping"], ["stop"]))
        self.assertEqual(self.root._exit.code, BOOT_FAILED)
        self.assertEqual(self.errors.getvalue(), "unixsvc: services.home: cannot start: no disk\n")

    def test_stopped_while_it_boots(self) -> None:
        """That somebody stops it before is no failure."""
        self.root._signals.stop()
        self.orchestrator.boot.errback(ConfigError("the orchestrator", "was stopped"))
        self.reactor.advance(0)
        self.assertEqual((self.reactor.done, self.root._exit.code), (["stop"], 0))
        self.assertEqual((self.orchestrator.done, self.errors.getvalue()), ([], ""))

    def test_gave_up(self) -> None:
        """When an essential service has failed it is said, and all ends, likewise."""
        self.orchestrator.boot.callback(None)
        self.root.aborted("home", "no disk")
        self.reactor.advance(0)
        self.assertEqual((self.told(), self.reactor.done), (["ready", "stopping"], ["stop"]))
        self.assertEqual(self.root._exit.code, ESSENTIAL_FAILED)
        self.assertIn("services.home: an essential service has failed: no disk", self.errors.getvalue())

    def test_two_gave_up(self) -> None:
        """That another one fails, too, is no reason to hurry: the others still have clients to answer."""
        self.orchestrator.boot.callback(None)
        for name in "home", "user":
            self.root.aborted(name, "no disk")
        self.reactor.advance(0)
        self.root.aborted("shop", "no disk")
        self.reactor.advance(0)
        self.assertEqual((self.reactor.done, self.orchestrator.done), (["stop"], []))

    def test_gave_up_while_it_stops(self) -> None:
        """Nor is one that fails while all stop; and it ends as it was told to."""
        self.orchestrator.boot.callback(None)
        self.root._signals.stop()
        self.root.aborted("home", "no disk")
        self.reactor.advance(0)
        self.assertEqual((self.orchestrator.done, self.root._exit.code), ([], 0))

    def test_hurry(self) -> None:
        """Who stops it twice is in a hurry."""
        self.orchestrator.boot.callback(None)
        self.root._signals.stop()
        self.root._signals.stop()
        self.assertEqual((self.reactor.done, self.orchestrator.done), (["stop"], ["abort"]))

    def test_reload(self) -> None:
        """A HUP has all reloaded; systemd is told when it begins, and when it is over."""
        self.orchestrator.boot.callback(None)
        self.root._signals._handle_hup()
        self.assertEqual(self.orchestrator.done, ["reload"])
        self.root.reloading()
        self.root.reloaded()
        self.assertEqual(self.told(), ["ready", "reloading", "ready"])

    def test_reload_fails(self) -> None:
        """That it fails is in the log already, and is no unhandled error."""
        self.orchestrator.problem = ConfigError("services.home", "cannot start")
        self.root._signals._handle_hup()
        gc.collect()
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_reload_while_it_boots(self) -> None:
        """A reload that is over before all are ready for the first time does not make them so."""
        self.root.reloading()
        self.root.reloaded()
        self.assertNotIn("ready", self.told())
        self.orchestrator.boot.callback(None)
        self.assertEqual(self.told()[-1], "ready")

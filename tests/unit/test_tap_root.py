"""Tests of the root of the tree: it connects the orchestrator, signals and systemd."""

from __future__ import annotations

import atexit
import contextlib
import gc
import io
import logging
import os
import signal
import sys
from typing import Any, cast

from twisted.application.service import MultiService, Service
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, capturedLogs, formatEvent
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
from unixsvc.tap.log import ProcessLog
from unixsvc.tap.root import RootService
from unixsvc.tap.terminal import print_error
from unixsvc.telemetry.limited_logger import LimitedLogger
from unixsvc.telemetry.logs import LogLevelFilter
from unixsvc.telemetry.rate_limit import RateLimit
from unixsvc.telemetry.stdlib.handlers import PythonLogging


class _Reactor(Clock):
    """A reactor that runs from the start."""

    def __init__(self) -> None:
        super().__init__()
        self.done: list[str] = []
        self.hooks: list[Any] = []

    def callWhenRunning(self, call: Any) -> None:
        """Call in the next turn; the installation of signal handlers is only recorded."""
        if call.__name__ == "install":
            self.hooks.append(call)
        else:
            self.callLater(0, call)

    def callFromThread(self, call: Any) -> None:
        """Call in the next turn."""
        self.callLater(0, call)

    def stop(self) -> None:
        """Record it."""
        self.done.append("stop")


class _Orchestrator(Service):
    """A fake orchestrator."""

    def __init__(self) -> None:
        self.boot: Deferred[None] = Deferred()
        self.watcher: Any = None
        self.done: list[str] = []
        self.problem: Exception | None = None

    def when_ready(self) -> Deferred[None]:
        """Fires when the test decides."""
        return self.boot

    def abort(self) -> None:
        """Record it."""
        self.done.append("abort")

    def kill_workers(self) -> None:
        """Record it."""
        self.done.append("kill")

    def reload(self) -> Deferred[None]:
        """Record it."""
        self.done.append("reload")
        return succeed(None) if self.problem is None else fail(self.problem)

    def healthy(self) -> bool:
        """Always."""
        return True

    async def status(self) -> dict[str, ServiceStatus]:
        """One service."""
        return {"home": status_of("ready")}


class _Writer:
    """A fake writer of the log."""

    def __init__(self, done: list[str]) -> None:
        self._done = done
        self.started = False

    def start(self) -> None:
        """Record it."""
        self.started = True

    def reopen(self) -> None:
        """Record it."""
        self._done.append("reopen")

    def flush(self, seconds: float) -> None:
        """Record it."""
        self._done.append("flush")


class RootTests(SynchronousTestCase):
    """The root service."""

    def setUp(self) -> None:
        """Start the root with fakes."""
        for number in signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1:
            self.addCleanup(signal.signal, number, signal.getsignal(number))
        self.patch(atexit, "register", lambda call: None)
        self.errors = io.StringIO()
        self.patch(sys, "__stderr__", self.errors)
        self.reactor, self.orchestrator, self.notifier = _Reactor(), _Orchestrator(), Notifier()
        systemd: Any = self.notifier
        orchestrator: Any = self.orchestrator
        observer: Any = "where the log goes"
        writer: Any = _Writer(self.orchestrator.done)
        self.adopted = Service()
        self.writer, log = writer, ProcessLog(observer, writer, PythonLogging(LogLevelFilter("info").observe))
        self.root = RootService(
            orchestrator, cast(IDaemonReactor, self.reactor), log, Activation(systemd, None, {}), self.adopted
        )
        self.root.startService()
        self.addCleanup(log.python.remove)

    def notified(self) -> list[str]:
        """The messages to systemd, without the status."""
        return [each for each in self.notifier.messages if " " not in each]

    def test_early_signal(self) -> None:
        """Ctrl-C before the reactor runs stops the services once it does, and interrupts no start."""
        os.kill(os.getpid(), signal.SIGINT)
        self.assertEqual(self.reactor.done, [])
        self.reactor.advance(0)
        self.assertEqual(self.reactor.done, ["stop"])

    def test_interface(self) -> None:
        """The root is the watcher of the orchestrator."""
        verifyObject(IOrchestratorWatcher, self.root)
        self.assertIs(self.orchestrator.watcher, self.root)

    def test_python_logging(self) -> None:
        """The log has the records of Python's own logging while the root runs."""
        handlers = [*logging.getLogger().handlers]
        with capturedLogs() as events:
            logging.getLogger("shop").info("hello")
        self.assertEqual([formatEvent(each) for each in events], ["hello"])
        self.root.stopService()
        self.assertEqual(logging.getLogger().handlers, handlers[:-1])

    def test_log(self) -> None:
        """The root sets the log observer of its parent."""
        parent: Any = type("Application", (MultiService, Componentized), {})()
        Componentized.__init__(parent)
        self.root.setServiceParent(parent)
        self.assertEqual(parent.getComponent(ILogObserver), "where the log goes")

    def test_writer(self) -> None:
        """The thread that writes the log is started with the services: a daemon has forked by then."""
        self.assertTrue(self.writer.started)

    def test_adopted(self) -> None:
        """Adopted processes are reaped until the orchestrator has stopped."""
        stopping: Deferred[None] = Deferred()
        self.orchestrator.stopService = lambda: stopping  # type: ignore[method-assign]
        self.assertTrue(self.adopted.running)
        stopped = self.root.stopService()
        self.assertTrue(self.adopted.running)
        stopping.callback(None)
        self.successResultOf(stopped)
        self.assertFalse(self.adopted.running)

    def test_flush(self) -> None:
        """The rest of the log is written at the end of the process."""
        self.root._exit._exit()
        self.assertEqual(self.orchestrator.done, ["flush"])

    def test_suppressed(self) -> None:
        """The number of suppressed messages is logged when a stop begins."""
        limited = LimitedLogger("test", RateLimit(burst=1))
        with capturedLogs() as events:
            for _ in range(4):
                limited.emit("info", "a kind", "a message")
            self.root._signals.stop()
        self.assertIn("… 3 more like this in 10 s: a kind", [formatEvent(event) for event in events])

    def test_signals(self) -> None:
        """The signal handlers are installed when the reactor runs, as it installs its own before."""
        self.assertEqual([each.__self__ for each in self.reactor.hooks], [self.root._signals])

    def test_ready(self) -> None:
        """READY is sent when all services are ready, and not before."""
        self.assertEqual(self.notified(), [])
        self.orchestrator.boot.callback(None)
        self.assertEqual(self.notified(), ["ready"])

    def test_boot_failed(self) -> None:
        """If a service cannot start, the error is printed, and the exit code is 3."""
        self.orchestrator.boot.errback(ConfigError("services.home", "cannot start: no disk"))
        self.reactor.advance(0)
        self.assertEqual((self.notified(), self.reactor.done), (["stopping"], ["stop"]))
        self.assertEqual(self.root._exit.code, BOOT_FAILED)
        self.assertEqual(self.errors.getvalue(), "unixsvc: services.home: cannot start: no disk\n")

    def test_stopped_during_start(self) -> None:
        """A stop during the start is no failure."""
        self.root._signals.stop()
        self.orchestrator.boot.errback(ConfigError("the orchestrator", "was stopped"))
        self.reactor.advance(0)
        self.assertEqual((self.reactor.done, self.root._exit.code), (["stop"], 0))
        self.assertEqual((self.orchestrator.done, self.errors.getvalue()), ([], ""))

    def test_stuck_terminal(self) -> None:
        """An error that cannot be printed, to a full pipe or without a reader, does not prevent the stop."""
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(writing, b"x" * 4096)
        os.set_blocking(writing, True)
        with contextlib.suppress(BrokenPipeError), open(writing, "w") as stream:
            self.patch(sys, "__stderr__", stream)
            self.orchestrator.boot.errback(ConfigError("services.home", "cannot start"))
            self.reactor.advance(0)
            os.close(reading)
            print_error("no reader")
        self.assertEqual(self.reactor.done, ["stop"])

    def test_essential_failed(self) -> None:
        """When an essential service has failed, the error is printed, and the exit code is 4."""
        self.orchestrator.boot.callback(None)
        self.root.aborted("home", "no disk")
        self.reactor.advance(0)
        self.assertEqual((self.notified(), self.reactor.done), (["ready", "stopping"], ["stop"]))
        self.assertEqual(self.root._exit.code, ESSENTIAL_FAILED)
        self.assertIn("services.home: an essential service has failed: no disk", self.errors.getvalue())

    def test_two_essential_failed(self) -> None:
        """A second failure does not abort the drain of the others."""
        self.orchestrator.boot.callback(None)
        for name in "home", "user":
            self.root.aborted(name, "no disk")
        self.reactor.advance(0)
        self.root.aborted("shop", "no disk")
        self.reactor.advance(0)
        self.assertEqual((self.reactor.done, self.orchestrator.done), (["stop"], []))

    def test_essential_failed_during_stop(self) -> None:
        """A failure during a stop changes no exit code."""
        self.orchestrator.boot.callback(None)
        self.root._signals.stop()
        self.root.aborted("home", "no disk")
        self.reactor.advance(0)
        self.assertEqual((self.orchestrator.done, self.root._exit.code), ([], 0))

    def test_second_stop(self) -> None:
        """A second stop aborts."""
        self.orchestrator.boot.callback(None)
        self.root._signals.stop()
        self.root._signals.stop()
        self.assertEqual((self.reactor.done, self.orchestrator.done), (["stop"], ["abort"]))

    def test_reload(self) -> None:
        """A HUP reloads, and systemd is notified of its begin and its end."""
        self.orchestrator.boot.callback(None)
        self.root._signals._handle_hup()
        self.assertEqual(self.orchestrator.done, ["reopen", "reload"])
        self.root.reloading()
        self.root.reloaded("")
        self.assertEqual(self.notified(), ["ready", "reloading", "ready"])

    def test_reload_fails(self) -> None:
        """A reload that fails leaves no unhandled error: the orchestrator has logged it."""
        self.orchestrator.problem = ConfigError("services.home", "cannot start")
        self.root._signals._handle_hup()
        gc.collect()
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_reload_during_start(self) -> None:
        """A reload before the first start is complete does not send READY."""
        self.root.reloading()
        self.root.reloaded("")
        self.assertNotIn("ready", self.notified())
        self.orchestrator.boot.callback(None)
        self.assertEqual(self.notified()[-1], "ready")

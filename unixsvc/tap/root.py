"""The root of the tree of services."""

from __future__ import annotations

from functools import partial

from twisted.application.service import MultiService, Service
from twisted.internet.defer import Deferred
from twisted.logger import ILogObserver
from twisted.python.components import Componentized
from twisted.python.failure import Failure
from zope.interface import implementer

from unixsvc.orchestrator.interfaces import IOrchestratorWatcher
from unixsvc.orchestrator.orchestrator import Orchestrator
from unixsvc.orchestrator.reactor import IDaemonReactor
from unixsvc.orchestrator.signals import BOOT_FAILED, ESSENTIAL_FAILED, ExitCode, SignalActions, Signals
from unixsvc.orchestrator.systemd.activation import Activation
from unixsvc.orchestrator.systemd.service import SystemdService
from unixsvc.tap.log import ProcessLog
from unixsvc.tap.terminal import LAST_LINES, print_error
from unixsvc.telemetry.limited_logger import report_suppressed

__all__ = ["RootService"]


@implementer(IOrchestratorWatcher)
class RootService(MultiService):
    """The root of the tree: connects the orchestrator to signals, exit code, log and systemd."""

    def __init__(
        self,
        orchestrator: Orchestrator,
        reactor: IDaemonReactor,
        log: ProcessLog,
        activation: Activation,
        adopted: Service,
    ) -> None:
        super().__init__()
        self._orchestrator = orchestrator
        self._log = log
        self._reactor = reactor
        self._exit = ExitCode(partial(log.writer.flush, LAST_LINES))
        self._signals = Signals(
            reactor,
            SignalActions(
                stop=self._stop,
                stop_now=orchestrator.abort,
                reload=self._reload,
                reopen_log=log.writer.reopen,
                kill_workers=orchestrator.kill_workers,
            ),
        )
        self._systemd = SystemdService(activation, orchestrator, reactor)
        self._adopted = adopted
        orchestrator.watcher = self
        orchestrator.setServiceParent(self)
        self._systemd.setServiceParent(self)

    def setServiceParent(self, parent: Componentized) -> None:
        """Join the application and set its log observer; ``twistd --logger`` takes precedence."""
        super().setServiceParent(parent)
        parent.setComponent(ILogObserver, self._log.observer)

    def startService(self) -> None:
        """Start the services, and install the signal handlers."""
        self._signals.install()  # at once: the services take a while to start, until the reactor runs
        # Not before: a daemon has forked since.
        self._log.writer.start()
        self._log.python.install()
        self._adopted.startService()
        super().startService()
        self._reactor.callWhenRunning(self._signals.install)  # again: the reactor has replaced some
        self._orchestrator.when_ready().addCallbacks(lambda _: self._systemd.ready(), self._boot_failed)

    def stopService(self) -> Deferred[object]:
        """Stop the services, and then end what their workers have left behind."""
        stopped: Deferred[object] = super().stopService()
        stopped.addCallback(lambda _: self._adopted.stopService())
        return stopped.addBoth(self._stopped)

    # IOrchestratorWatcher.

    def reloading(self) -> None:
        """A reload has begun."""
        self._systemd.reloading()

    def reloaded(self, error: str) -> None:
        """The reload has ended."""
        self._systemd.reloaded(error)

    def aborted(self, name: str, reason: str) -> None:
        """An essential service has failed: stop."""
        self._end(ESSENTIAL_FAILED, f"services.{name}: an essential service has failed: {reason}")

    def _stopped(self, result: object) -> object:
        self._log.python.remove()
        return result

    def _boot_failed(self, failure: Failure) -> None:
        self._end(BOOT_FAILED, failure.getErrorMessage())

    def _end(self, code: int, problem: str) -> None:
        if self._signals.stopping or self._exit.code:
            return  # a stop has begun already
        self._exit.code = code
        print_error(problem)
        self._reactor.callWhenRunning(self._signals.stop)

    def _stop(self) -> None:
        report_suppressed(final=True)  # twistd removes its log observer before the writer is flushed
        self._systemd.stopping()
        self._reactor.stop()

    def _reload(self) -> None:
        self._orchestrator.reload().addErrback(lambda failure: None)  # the orchestrator has logged it

"""What a worker does: serves, obeys, reports."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import socket
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
from twisted.internet.defer import succeed
from twisted.logger import Logger
from twisted.protocols.basic import LineOnlyReceiver
from twisted.python.failure import Failure

from unixsvc.config.settings import Limits
from unixsvc.errors import ConfigError
from unixsvc.listen.adopted import AdoptedServerEndpoint, JoinedServerEndpoint
from unixsvc.listen.connection_counts import WorkerSlot
from unixsvc.listen.tls import TlsContext
from unixsvc.orchestrator.signals import BOOT_FAILED
from unixsvc.orchestrator.worker.messages import (
    COMMANDS_FD,
    LISTENING_FD,
    REPORTS_FD,
    TALLY_FD,
    DrainCommand,
    Report,
    ReportStats,
    SetLogLevel,
    WorkerDraining,
    WorkerFailed,
    WorkerReady,
    decode_command,
    encode_line,
)
from unixsvc.orchestrator.worker.orphan_watch import OrphanWatch
from unixsvc.routing.app import load_app
from unixsvc.service.factory import make_service_host
from unixsvc.service.host import ServiceHost
from unixsvc.service.spec import WorkerConfig
from unixsvc.telemetry.logs import LogLevelFilter
from unixsvc.transport.private_apis import connect_descriptors

__all__ = ["Worker"]

# From the moment when what is unanswered is refused, for the refusals to be sent; in seconds.
_LAST_REPLIES: Final = 0.25
# Descriptors that are not for clients: our own, those of the application, and of clients that are refused.
_OWN_FILES: Final = 48
# What an application may raise while it is loaded is its author's affair, whatever it is.
_ANYTHING: Final = (Exception, SystemExit, KeyboardInterrupt)


class Worker:
    """Does what the orchestrator says, and reports.

    :param loop: that the reactor runs on.
    :param level: of its log.
    :param tls: by listening socket, what encrypts its connections, if they are to be.
    """

    def __init__(
        self,
        config: WorkerConfig,
        loop: asyncio.AbstractEventLoop,
        reactor: Any,
        level: LogLevelFilter,
        orphan_watch: OrphanWatch,
        tls: Sequence[TlsContext | None] = (None,),
    ) -> None:
        self._config = config
        self._loop = loop
        self._reactor = reactor
        self._level = level
        self._orphan_watch = orphan_watch
        self._tls = tls
        self._host: ServiceHost | None = None
        self._line = _ControlLine(self)
        # Opened now: a process that has used up its descriptors must still be able to end well.
        self._nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        self._draining = False
        self._ended = False
        self._alone = False
        self._log = Logger(namespace=f"{config.service}[{config.slot}]")
        self.exit_code = 0

    def start(self) -> None:
        """Load the application, listen, and say so."""
        # In the loop's first turn: uvloop notes a signal that comes before that, and tells of it only with
        # the next one. Until then, while the application is loaded, TERM ends this process, unheard.
        self._loop.call_soon(self._loop.add_signal_handler, signal.SIGTERM, self.terminate)
        connect_descriptors(self._line, COMMANDS_FD, REPORTS_FD, self._reactor)
        try:
            self._host = self._make()
        except ConfigError as error:
            self._give_up(str(error))
        except _ANYTHING as error:
            self._log.failure("{app} cannot be loaded", app=self._config.settings.app)
            self._give_up(f"{self._config.settings.app}: {type(error).__name__}: {error}")
        else:
            self._host.listen().addCallbacks(self._is_ready, self._cannot_listen)

    def report(self, report: Report) -> None:
        """Tell the orchestrator."""
        self._line.sendLine(encode_line(report).rstrip())

    def tell_figures(self, command: ReportStats) -> None:
        """Report the figures of now."""
        if self._host is not None:
            self.report(self._host.stats())

    def set_log_level(self, command: SetLogLevel) -> None:
        """Log more, or less."""
        self._level.set(command.level)

    def drain(self, command: DrainCommand) -> None:
        """Serve the clients until they have gone, and end."""
        if self._draining:
            if not command.wait_for_idle and self._host is not None:
                self._host.stop_waiting_for_idle()
            return
        self._draining = True
        # The orchestrator would see to it, unless it is gone.
        self._reactor.callLater(self._config.settings.drain_timeout, self._hurry)
        if self._host is None:
            self.report(WorkerDraining())
            done = succeed(None)
        else:
            done = self._host.drain(
                wait_for_idle=command.wait_for_idle, on_closed=lambda: self.report(WorkerDraining())
            )
        done.addErrback(lambda failure: self._log.failure("while draining", failure))
        done.addBoth(lambda _: self._end())

    def terminate(self) -> None:
        """TERM: drain; while draining, end."""
        if self._draining:
            self._hurry()
            return
        self.drain(DrainCommand())

    def disconnected(self) -> None:
        """All is said; or the orchestrator is gone, and nobody will end us if we do not."""
        self._alone = True
        # What prints would fail, as nobody reads it any more.
        os.dup2(self._nowhere, 1)
        os.dup2(self._nowhere, 2)
        if self._ended:
            self._reactor.stop()
        else:
            self.drain(DrainCommand())

    def _is_ready(self, _: None) -> None:
        if self._draining:
            return  # before it was ready
        self._orphan_watch.patience = self._config.settings.drain_timeout + _LAST_REPLIES
        self.report(WorkerReady())

    def _hurry(self) -> None:
        """Refuse what is unanswered; who does not take even that is not waited for."""
        self._reactor.callLater(self._config.settings.kill_timeout, os._exit, 0)
        if self._host is not None:
            self._host.abort()

    def _make(self) -> ServiceHost:
        place = WorkerSlot(TALLY_FD, self._config.place)
        endpoints = [
            AdoptedServerEndpoint(self._loop, socket.socket(fileno=LISTENING_FD + index), place, tls)
            for index, tls in enumerate(self._tls)
        ]
        endpoint: Any = endpoints[0] if len(endpoints) == 1 else JoinedServerEndpoint(endpoints)
        config = msgspec.structs.replace(self._config, limits=_possible(self._config.limits))
        return make_service_host(config, load_app(config.settings.app), endpoint, self._reactor)

    def _cannot_listen(self, failure: Failure) -> None:
        if self._draining:
            return  # before it was ready
        if failure.check(ConfigError):
            self._give_up(str(failure.value))
            return
        self._log.failure("cannot listen", failure)
        self._give_up(f"cannot listen: {failure.getErrorMessage()}")

    def _give_up(self, reason: str) -> None:
        self.exit_code = BOOT_FAILED
        self.report(WorkerFailed(reason))
        self._end()

    def _end(self) -> None:
        if self._alone:
            self._reactor.stop()
            return
        if self._host is not None:
            self.report(self._host.stats())  # so that nothing counted is lost
        self._ended = True
        self._line.close()


def _possible(limits: Limits) -> Limits:
    """The limits, with no more connections than this process has descriptors for."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    connections = min(limits.max_connections, max(files - _OWN_FILES, 1))
    return msgspec.structs.replace(limits, max_connections=connections)


class _ControlLine(LineOnlyReceiver):
    delimiter = b"\n"

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def close(self) -> None:
        transport: Any = self.transport
        transport.loseConnection()

    def lineReceived(self, line: bytes) -> None:
        command = decode_command(line)
        _OBEY[type(command)](self._worker, command)

    def connectionLost(self, reason: Failure | None = None) -> None:
        self._worker.disconnected()


_OBEY: Final[dict[type, Callable[[Worker, Any], None]]] = {
    DrainCommand: Worker.drain,
    ReportStats: Worker.tell_figures,
    SetLogLevel: Worker.set_log_level,
}

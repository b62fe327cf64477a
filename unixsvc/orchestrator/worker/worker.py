"""The worker: serves one service, executes commands, and reports to the orchestrator."""

from __future__ import annotations

import asyncio
import faulthandler
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

import msgspec
import twisted.internet.stdio  # noqa: F401 - not later: the user of a worker may not be able to read it
from msgspec import Struct
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IStreamServerEndpoint
from twisted.logger import Logger
from twisted.python.failure import Failure

from unixsvc.config.http import parse_listen
from unixsvc.config.settings import Limits
from unixsvc.errors import ConfigError
from unixsvc.execution import action_runner  # noqa: F401 - not later, as stdio
from unixsvc.listen.adopted import AdoptedServerEndpoint, JoinedServerEndpoint
from unixsvc.listen.balance.connection_counts import WorkerSlot
from unixsvc.listen.tls import TlsContext, make_tls_context
from unixsvc.orchestrator.reactor import IWorkerReactor
from unixsvc.orchestrator.signals import BOOT_FAILED
from unixsvc.orchestrator.worker.control_line import ControlLine
from unixsvc.orchestrator.worker.messages import (
    COMMANDS_FD,
    COUNTS_FD,
    LIMITS_FD,
    LISTENING_FD,
    METRICS_FD,
    REPORTS_FD,
    DrainCommand,
    Inspect,
    JobEnded,
    JobStarted,
    ReportAppMetrics,
    ReportStats,
    RequestExamples,
    RunJob,
    SetCertificates,
    SetLogLevel,
    SetTokens,
    WorkerDraining,
    WorkerFailed,
    WorkerReady,
)
from unixsvc.orchestrator.worker.orphan_watch import OrphanWatch
from unixsvc.routing.app import load_app
from unixsvc.service.factory import make_service_host
from unixsvc.service.host import ServiceHost
from unixsvc.service.load_failure import explains_itself, load_failure
from unixsvc.service.optional_parts import traces
from unixsvc.service.spec import WorkerConfig
from unixsvc.telemetry.logs import LogLevelFilter
from unixsvc.telemetry.metrics.page import PageWriter
from unixsvc.transport.private_apis import connect_descriptors

if TYPE_CHECKING:
    from unixsvc.limiting.table import RateTable
    from unixsvc.telemetry.access.journal import AccessJournal

__all__ = ["Worker", "WorkerRuntime"]

# How long the last replies may take to be sent after pending requests were refused, in seconds.
_LAST_REPLIES: Final = 0.25
# File descriptors that are not for clients: those of the worker, of the application, and of clients that are
# refused.
_RESERVED_FDS: Final = 48
# How long before it would be killed a worker exits by itself, in seconds.
_BEFORE_KILL: Final = 0.1
# An application may raise anything while it is imported.
_APPLICATION_ERRORS: Final = (Exception, SystemExit, KeyboardInterrupt)


class WorkerRuntime(Struct, frozen=True):
    """The process that a worker runs in.

    :ivar loop: the event loop that the reactor uses.
    :ivar level: the log level.
    :ivar flush_log: writes the rest of the log.
    :ivar tls: the TLS settings of each listening socket; None for plain text.
    :ivar access: takes the entries of the access log; None without one.
    """

    loop: asyncio.AbstractEventLoop
    reactor: IWorkerReactor
    level: LogLevelFilter
    flush_log: Callable[[], object]
    orphan_watch: OrphanWatch
    tls: Sequence[TlsContext | None] = (None,)
    access: AccessJournal | None = None


class Worker:
    """Executes the commands of the orchestrator, and reports.

    :ivar orphaned: whether the orchestrator has died.
    :ivar exit_code: the exit code of the process.
    """

    def __init__(self, config: WorkerConfig, runtime: WorkerRuntime) -> None:
        self._config = config
        self._runtime = runtime
        self._reactor = runtime.reactor
        self._host: ServiceHost | None = None
        self._control = ControlLine(self)
        # Opened now: a process that has used all its descriptors must still be able to exit cleanly.
        self._null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        self._draining = False
        self._starting: Deferred[None] = succeed(None)
        self._ended = False
        self._stopped = False
        self._exit_limited = False
        self._log = Logger(namespace=f"{config.service}[{config.slot}]")
        self.orphaned = False
        self.exit_code = 0

    def start(self) -> None:
        """Load the application, listen, and report that the worker is ready or has failed."""
        # In the first turn of the event loop: uvloop reports an earlier signal only together with the next
        # one. Until then, while the application is imported, TERM has its default action.
        loop = self._runtime.loop
        loop.call_soon(self._load)
        loop.call_soon(loop.add_signal_handler, signal.SIGTERM, self.terminate)
        connect_descriptors(self._control, COMMANDS_FD, REPORTS_FD, self._reactor)

    def _load(self) -> None:
        """Start the application in the first turn of the event loop: its lifespan needs a running one."""
        if not self._draining:
            self._starting = Deferred.fromCoroutine(self._start())
            self._starting.addErrback(lambda failure: self._log.failure("the start failed", failure))

    async def _start(self) -> None:
        try:
            self._host = await self._make_host()
            self._runtime.level.route_of = self._host.route_of
            self._set_admitted_routes()
        except ConfigError as error:
            self._fail(str(error))
        except _APPLICATION_ERRORS as error:
            if not explains_itself(error):
                self._log.failure("cannot load {app}", app=self._config.settings.app)
            self._fail(str(load_failure(error)))
        else:
            self._host.when_ended().addCallback(lambda _: self.terminate())
            self._host.listen().addCallbacks(self._listening, self._listen_failed)

    # Commands.

    def report_stats(self, command: ReportStats) -> None:
        """Report the current statistics."""
        if self._host is not None:
            lag = max(time.monotonic() - command.sent, 0.0)
            self._control.report(msgspec.structs.replace(self._host.stats(), lag=lag))

    def report_app_metrics(self, command: ReportAppMetrics) -> None:
        """Report the metrics of the application, if it has some."""
        if self._host is not None:
            self._report_app_metrics(self._host)

    def inspect(self, command: Inspect) -> None:
        """Answer a question of an operator."""
        if self._host is not None:
            # Late: few workers are ever asked.
            from unixsvc.orchestrator.worker.inspection import report_answer

            report_answer(self._host, command, self._control.report)

    def run_job(self, command: RunJob) -> None:
        """Run a job, unless the worker drains: then the orchestrator gives the run to another one."""
        if self._draining or self._host is None:
            return
        number = command.run.number
        start = self._host.accept_job(
            command.run, lambda error: self._control.report(JobEnded(number, error))
        )
        self._control.report_before(JobStarted(number), start)

    def set_log_level(self, command: SetLogLevel) -> None:
        """Set the lowest level that is logged."""
        self._runtime.level.set(command.level, command.loggers, command.rules)
        self._set_admitted_routes()

    def set_tokens(self, command: SetTokens) -> None:
        """Set the valid tokens."""
        if self._host is not None:
            self._host.set_tokens(command.token, command.tokens)

    def set_certificates(self, command: SetCertificates) -> None:
        """Set the certificates that connections get that are accepted from now on."""
        endpoints = () if self._config.http is None else self._config.http.listen
        for endpoint, tls in zip(endpoints, self._runtime.tls, strict=False):
            if tls is not None and endpoint in command.certificates:
                listen = parse_listen(endpoint, self._config.folder)
                tls.context = make_tls_context(command.certificates[endpoint], listen)

    def drain(self, command: DrainCommand) -> None:
        """Serve the clients until they have disconnected, and exit."""
        if self._draining:
            if not command.wait_for_idle and self._host is not None:
                self._host.stop_waiting_for_idle()
            return
        self._draining = True
        settings = self._config.settings
        # If the orchestrator has died, a new one may serve already: its workers accept on the same path.
        delay = 0.0 if command.wait_for_idle or self.orphaned else settings.drain_delay
        # The orchestrator has the same deadline, unless it has died.
        self._reactor.callLater(delay + settings.drain_timeout, self._abort)
        done: Deferred[None]
        if self._host is None:
            self._report_draining()
            done = self._starting
            done.cancel()  # the lifespan of the application may wait, and clean up
        else:
            done = self._host.drain(
                wait_for_idle=command.wait_for_idle, delay=delay, on_closed=self._report_draining
            )
        done.addErrback(lambda failure: self._log.failure("error while draining", failure))
        done.addBoth(lambda _: self._end())

    # Events.

    def terminate(self) -> None:
        """At TERM: drain, or if the worker already drains, refuse pending requests and exit."""
        if self._draining:
            self._abort()
            return
        self.drain(DrainCommand())

    def interrupt(self) -> None:
        """At Ctrl-C in a debug session, outside of a debugger: as at TERM; an import is interrupted."""
        if self._host is None:
            raise KeyboardInterrupt
        self._runtime.loop.call_soon_threadsafe(self.terminate)

    def disconnected(self) -> None:
        """The pipes are closed: after the last report, or because the orchestrator has died."""
        if self._ended:
            self._stop()
            return
        self.orphaned = True
        # Writes to the pipes of standard output and standard error would fail (broken pipe).
        os.dup2(self._null, 1)
        os.dup2(self._null, 2)
        self.drain(DrainCommand())

    def _listening(self, _: None) -> None:
        if self._draining:
            return  # it was asked to exit before it was ready
        self._runtime.orphan_watch.grace_period = self._config.settings.drain_timeout + _LAST_REPLIES
        self._control.report(WorkerReady(() if self._host is None else self._host.schedules))

    def _listen_failed(self, failure: Failure) -> None:
        if failure.check(ConfigError):
            self._fail(str(failure.value))
            return
        self._log.failure("cannot listen", failure)
        self._fail(f"cannot listen: {failure.getErrorMessage()}")

    def _report_draining(self) -> None:
        self._control.report(WorkerDraining())

    def _abort(self) -> None:
        """Refuse pending requests; a client that does not read the refusal cannot prevent the exit."""
        self._limit_exit()
        # The other half of the time is for exit handlers of the application.
        self._reactor.callLater(self._config.settings.kill_timeout / 2, self._stop)
        if self._host is not None:
            self._host.abort()

    async def _make_host(self) -> ServiceHost:
        slot = WorkerSlot(COUNTS_FD, self._config.counts_slot)
        endpoints = [
            AdoptedServerEndpoint(self._runtime.loop, socket.socket(fileno=LISTENING_FD + index), slot, tls)
            for index, tls in enumerate(self._runtime.tls)
        ]
        endpoint: IStreamServerEndpoint = endpoints[0]
        if len(endpoints) > 1:
            endpoint = JoinedServerEndpoint(endpoints)
        config = msgspec.structs.replace(self._config, limits=_limit_connections(self._config.limits))
        # Before the application is loaded: its tracers are of the same provider.
        tracing = traces(config, time.perf_counter, whole_process=True)
        app = load_app(config.settings.app)
        return await make_service_host(
            config,
            app,
            endpoint,
            self._reactor,
            limits=_rate_table,
            metrics_page=PageWriter(METRICS_FD),
            access=self._runtime.access,
            tracing=tracing,
        )

    def _set_admitted_routes(self) -> None:
        if self._runtime.access is not None:
            from unixsvc.telemetry.access.entry import NAMESPACE  # late: few services log access

            self._runtime.access.admits = self._runtime.level.admitted_routes(NAMESPACE, "info")

    def _fail(self, reason: str) -> None:
        if self._draining:
            return  # it was asked to exit before it was ready
        self.exit_code = BOOT_FAILED
        self._control.report(WorkerFailed(reason))
        self._end()

    def _end(self) -> None:
        if self.orphaned:
            self._stop()
            return
        if self._host is not None:
            self._report_app_metrics(self._host)
            self._control.report(self._host.stats())  # the last requests would not be counted otherwise
        self._runtime.flush_log()  # an exit handler of the application may take the rest of the time
        self._ended = True
        self._control.close()

    def _report_app_metrics(self, host: ServiceHost) -> None:
        if examples := host.span_examples():
            self._control.report(RequestExamples(examples))
        if "prometheus_client" in sys.modules:
            # Late: few applications have metrics of their own.
            from unixsvc.orchestrator.worker.app_metrics import report_metrics

            report_metrics(self._control.report)

    def _stop(self) -> None:
        self._limit_exit()
        if not self._stopped:
            self._stopped = True
            self._reactor.stop()

    def _limit_exit(self) -> None:
        """Exit within ``kill_timeout`` from now on, whatever threads and exit handlers do.

        The stacks are written to the log then, shortly before the orchestrator would kill the process.
        """
        if not self._exit_limited:
            self._exit_limited = True
            seconds = max(self._config.settings.kill_timeout - _BEFORE_KILL, _BEFORE_KILL)
            faulthandler.dump_traceback_later(seconds, exit=True, file=2)


def _rate_table() -> RateTable:
    """The rate limits that all workers of the service share."""
    # Late: few services have rate limits.
    from unixsvc.limiting.table import RateTable

    return RateTable(LIMITS_FD)


def _limit_connections(limits: Limits) -> Limits:
    """The limits with at most as many connections as this process has file descriptors for."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    connections = min(limits.max_connections, max(descriptors - _RESERVED_FDS, 1))
    return msgspec.structs.replace(limits, max_connections=connections)

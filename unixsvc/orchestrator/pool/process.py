"""One worker process, as the orchestrator sees it."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ProcessDone, ProcessExitedAlready, ProcessTerminated
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from unixsvc.domain.json import Json
from unixsvc.orchestrator.descendants.group import DescendantGroup
from unixsvc.orchestrator.pool.app_metrics import AppMetricsReader
from unixsvc.orchestrator.pool.questions import Finding, Questions
from unixsvc.orchestrator.reactor import IPoolReactor
from unixsvc.orchestrator.worker import messages
from unixsvc.orchestrator.worker.environment import initial_environment
from unixsvc.orchestrator.worker.lines import LineSplitter
from unixsvc.schedules.spec import ScheduleSpec
from unixsvc.service.spec import StatsReport, WorkerConfig
from unixsvc.telemetry.logs import relay

if TYPE_CHECKING:
    from unixsvc.orchestrator.pool.access_reader import AccessReader

__all__ = ["InheritedFds", "WorkerExit", "WorkerOwner", "WorkerProcess"]

# How long to read the pipes of a worker that has exited, in seconds. They may still hold output; and a child
# process of the worker may keep them open as long as it lives.
_READ_AFTER_EXIT: Final = 0.5
# How long processes that a worker has left behind may take to end after TERM, in seconds.
_LAST_DESCENDANTS: Final = 0.5

# How much later than a worker this process may notice Ctrl-C, in seconds.
_SIGNAL_LAG: Final = 0.5

_decode_report = msgspec.json.Decoder(messages.Report).decode


class InheritedFds(msgspec.Struct, frozen=True):
    """The file descriptors of the orchestrator that a worker inherits.

    :ivar listening: the listening sockets.
    :ivar counts: the shared page of :class:`~unixsvc.listen.balance.connection_counts.ConnectionCounts`.
    :ivar counts_slot: the slot of the worker on that page.
    :ivar limits: the :class:`~unixsvc.limiting.table.SharedTable` of rate limits.
    :ivar metrics: the :class:`~unixsvc.telemetry.metrics.page.MetricsPage` of the worker.
    """

    listening: tuple[int, ...]
    counts: int
    counts_slot: int
    limits: int
    metrics: int


class WorkerExit(msgspec.Struct, frozen=True):
    """The end of a worker.

    :ivar status: how it has ended, as ``exited with code 1``.
    :ivar cause: why it could not start; empty if that is not known.
    :ivar failed: whether it has ended in another way than with exit code 0.
    :ivar signal: the signal that has killed it; None without one.
    :ivar code: its exit code; None if it was killed, or not started.
    """

    status: str
    cause: str = ""
    failed: bool = True
    signal: int | None = None
    code: int | None = None

    @property
    def reason(self) -> str:
        """Why it has ended, for error messages."""
        return self.cause or f"a worker {self.status}"

    def __str__(self) -> str:
        return f"{self.status}: {self.cause}" if self.cause else self.status


class WorkerOwner(Protocol):
    """Observes workers."""

    def worker_ready(self, worker: WorkerProcess) -> None:
        """Clients can connect to it."""

    def worker_draining(self, worker: WorkerProcess) -> None:
        """It was asked to exit, by us or by a signal, and accepts no connections any more."""

    def worker_reported(self, worker: WorkerProcess) -> None:
        """It has reported its statistics."""

    def worker_ended(self, worker: WorkerProcess, end: WorkerExit) -> None:
        """It has exited."""

    def job_reported(self, worker: WorkerProcess, report: messages.JobStarted | messages.JobEnded) -> None:
        """It has reported about a run of a job."""


class WorkerProcess(ProcessProtocol):
    """Starts a worker, reads its reports, and copies its output to the log.

    :param config: the first line that it reads.
    :param owner: is called for each change of its state.
    :param make_group: makes the group of a worker and its descendants from the pid of the worker.
    :param interpreter: Python; empty for that of this process.
    :param terminal: the descriptor of its terminal; None for the log and no input.
    :param on_access: takes the entries of its access log, as
        :meth:`~unixsvc.telemetry.log_sink.LogSink.add_entries`; None to log them as its other events.
    :ivar status: its latest statistics.
    :ivar cause: why it could not start, if that is known.
    :ivar schedules: those of its application, once it is ready.
    :ivar last_pid: its process id, also after its end.
    :ivar app_metrics: the metrics of its application.
    """

    transport: Any  # IProcessTransport lacks closeChildFD, which every Twisted reactor on Unix has

    def __init__(
        self,
        reactor: IPoolReactor,
        config: WorkerConfig,
        fds: InheritedFds,
        owner: WorkerOwner,
        make_group: Callable[[int], DescendantGroup] = DescendantGroup,
        interpreter: str = "",
        terminal: int | None = None,
        on_access: Callable[[bytes, int, str, int], bool] | None = None,
    ) -> None:
        self._reactor = reactor
        self._config = config
        self.fds = fds
        self._owner = owner
        self._log = Logger(namespace=f"{config.service}[{config.slot}]")
        self._pipes = {
            # Only standard error carries log events; standard output is text, whatever it looks like.
            1: LineSplitter(lambda line: self._log.info("{text}", text=line.decode("utf-8", "replace"))),
            2: LineSplitter(lambda line: relay(self._log, line, "error")),
            messages.REPORTS_FD: LineSplitter(self._report),
        }
        self._stats_requests: list[Deferred[None]] = []
        self._questions = Questions(reactor, self.send)
        self.app_metrics = AppMetricsReader(self._log)
        self._commands_closed = False
        self.last_pid: int | None = None
        self._make_group = make_group
        self._interpreter = interpreter
        self._terminal = terminal
        self._on_access = on_access
        self._access: AccessReader | None = None
        self._group: DescendantGroup | None = None
        self.status = StatsReport()
        self.cause = ""
        self.schedules: tuple[ScheduleSpec, ...] = ()

    def __str__(self) -> str:
        return f"{self._config.service}[{self.slot}] (pid {self.last_pid})"

    @property
    def slot(self) -> int:
        """The slot that it fills."""
        return self._config.slot

    @property
    def pid(self) -> int | None:
        """Its process id; None before its start and after its end."""
        pid: int | None = None if self.transport is None else self.transport.pid
        return pid

    def start(self) -> None:
        """Start the process.

        :raises OSError: if the kernel refuses it.
        """
        # -P: modules in the current directory are not imported.
        python = self._interpreter or sys.executable
        command = [python, "-u", "-P", "-m", "unixsvc.orchestrator.worker.__main__"]
        if self._interpreter:
            command.append(messages.installed_version())
        environment = initial_environment(os.environ, self._config.settings, self._config.privileges)
        null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        descriptors: dict[int, int | str] = {0: null, 1: "r", 2: "r", messages.COUNTS_FD: self.fds.counts}
        if self._terminal is not None:
            descriptors |= dict.fromkeys(range(3), self._terminal)
        descriptors |= {messages.REPORTS_FD: "r", messages.COMMANDS_FD: "w"}
        descriptors |= {messages.LIMITS_FD: self.fds.limits, messages.METRICS_FD: self.fds.metrics}
        descriptors |= dict(enumerate(self.fds.listening, messages.LISTENING_FD))
        access = self._make_access_reader()
        if access is not None:
            descriptors[messages.access_descriptor(len(self.fds.listening))] = access.descriptor
        try:
            self._reactor.spawnProcess(self, command[0], command, environment, childFDs=descriptors)
        except BaseException:
            if access is not None:
                access.abandon()
            raise
        finally:
            os.close(null)
        if access is not None:
            access.start()
        self._access = access
        self.last_pid = self.pid
        self.transport.writeToChild(messages.COMMANDS_FD, messages.encode_line(self._config))

    def request_stats(self, seconds: float) -> Deferred[None]:
        """Request a report.

        :param seconds: maximum time to wait for it.
        :returns: fires when the report is there, the worker has ended, or the time has passed.
        """
        if self._commands_closed or self.pid is None:
            return succeed(None)
        request: Deferred[None] = Deferred()
        self._stats_requests.append(request)
        request.addTimeout(seconds, self._reactor, lambda result, _: None)
        self.send(messages.ReportStats(time.monotonic()))
        return request

    def inspect(self, topic: str, options: dict[str, Json], seconds: float) -> Deferred[Finding]:
        """Ask it a question of an operator; see :meth:`Questions.ask`."""
        return self._questions.ask(topic, options, seconds, self.pid, self.slot)

    def send(self, command: messages.Command) -> None:
        """Send a command; it is dropped if the worker has ended or closed its pipe."""
        if not self._commands_closed and self.pid is not None:
            self.transport.writeToChild(messages.COMMANDS_FD, messages.encode_line(command))

    def drain(self, *, wait_for_idle: bool) -> None:
        """Make it send its pending replies and exit.

        :param wait_for_idle: as in :class:`~unixsvc.orchestrator.worker.messages.DrainCommand`.
        """
        if self._commands_closed:
            self.signal("TERM")  # has the same effect
        else:
            self.send(messages.DrainCommand(wait_for_idle))

    def signal(self, name: str) -> None:
        """Send a signal, as ``TERM``, unless the worker has ended."""
        if self.pid is None:
            return
        try:
            self.transport.signalProcess(signal.Signals[f"SIG{name}"])
        except ProcessExitedAlready:
            self._log.debug("the process has exited before SIG{name} was sent", name=name)

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        """Read a pipe."""
        self._pipes[childFD].feed(data)

    def childConnectionLost(self, childFD: int) -> None:
        """The worker has closed a pipe, usually by its exit."""
        if childFD == messages.COMMANDS_FD:
            self._commands_closed = True

    def processExited(self, reason: Failure) -> None:
        """The worker has exited; its pipes may not be empty yet."""
        if self._group is not None:
            self._group.terminate()
        # One more turn: after a stall, timers fire before what is in the pipes is read.
        self._reactor.callLater(_READ_AFTER_EXIT, self._reactor.callLater, 0, self._close_pipes)

    def _close_pipes(self) -> None:
        self.transport.loseConnection()
        for descriptor in (messages.REPORTS_FD, messages.COMMANDS_FD):
            self.transport.closeChildFD(descriptor)

    def processEnded(self, reason: Failure) -> None:
        """The worker has exited and its pipes are closed."""
        if self._group is not None and self._group.terminate():
            self._reactor.callLater(_LAST_DESCENDANTS, self._ended, reason)
        elif getattr(reason.value, "signal", None) == signal.SIGINT:
            # Ctrl-C in the terminal ends a worker that has just begun. This process gets the same signal,
            # perhaps later; a failed start must not be the reason for its own exit then.
            self._reactor.callLater(_SIGNAL_LAG, self._ended, reason)
        else:
            self._ended(reason)

    def _ended(self, reason: Failure) -> None:
        if self._group is not None:
            self._group.kill()
        for pipe in self._pipes.values():
            pipe.end()
        if self._access is not None:
            self._access.end()
        self._answer_stats_requests()
        self._questions.end()
        self._owner.worker_ended(self, _exit_of(reason.value, self.cause))

    def _make_access_reader(self) -> AccessReader | None:
        if self._config.log.access == "off" or self._config.debugged:
            return None
        from unixsvc.orchestrator.pool.access_reader import AccessReader  # late: few services log access

        return AccessReader(self._reactor, self._log_access)

    def _log_access(self, entries: bytes, lost: int) -> None:
        from unixsvc.orchestrator.pool.access_reader import relay_entries

        take = self._on_access or partial(relay_entries, self._log)
        if not take(entries, lost, self._config.service, self.slot):
            self._log.error("what the worker has noted for the access log cannot be read")

    def _report(self, line: bytes) -> None:
        try:
            report = _decode_report(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self._log.error("a worker sent an invalid report: {line!r}", line=line[:200])
            return
        _REPORT_HANDLERS[type(report)](self, report)

    def _leads_group(self, report: messages.WorkerLeadsGroup) -> None:
        if self.pid is not None:
            self._group = self._make_group(self.pid)

    def _ready(self, report: messages.WorkerReady) -> None:
        self.schedules = report.schedules
        self._owner.worker_ready(self)

    def _draining(self, report: messages.WorkerDraining) -> None:
        self._owner.worker_draining(self)

    def _failed(self, report: messages.WorkerFailed) -> None:
        self.cause = report.reason

    def _reported(self, report: StatsReport) -> None:
        self.status = report
        self._owner.worker_reported(self)
        self._answer_stats_requests()

    def _answer_stats_requests(self) -> None:
        requests, self._stats_requests = self._stats_requests, []
        for request in requests:
            if not request.called:  # its time may have passed
                request.callback(None)


def _exit_of(error: BaseException | None, cause: str) -> WorkerExit:
    failed = not isinstance(error, ProcessDone)
    if isinstance(error, ProcessTerminated) and error.signal:
        return WorkerExit(f"was killed by signal {error.signal}", cause, failed, signal=error.signal)
    code = getattr(error, "exitCode", 0) or 0
    return WorkerExit(f"exited with code {code}", cause, failed, code=code)


# The handlers take the type of their key, which the type of a dict cannot express.
_REPORT_HANDLERS: Final[dict[type[messages.Report], Callable[[WorkerProcess, Any], None]]] = {
    messages.WorkerLeadsGroup: WorkerProcess._leads_group,
    messages.WorkerReady: WorkerProcess._ready,
    messages.WorkerDraining: WorkerProcess._draining,
    messages.WorkerFailed: WorkerProcess._failed,
    StatsReport: WorkerProcess._reported,
    messages.Inspected: lambda worker, report: worker._questions.answered(report),
    messages.AppMetrics: lambda worker, report: worker.app_metrics.read(report),
    messages.RequestExamples: lambda worker, report: worker.app_metrics.read_examples(report),
    messages.JobStarted: lambda worker, report: worker._owner.job_reported(worker, report),
    messages.JobEnded: lambda worker, report: worker._owner.job_reported(worker, report),
}

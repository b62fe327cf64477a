"""The workers of one service, and the actions on them."""

from __future__ import annotations

import errno
import math
import random
import time
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from unixsvc.domain.json import Json
from unixsvc.limiting.table import SharedTable
from unixsvc.listen.balance.connection_counts import ConnectionCounts
from unixsvc.listen.fd_limits import DescriptorReserve
from unixsvc.orchestrator.pool.app_metrics import ended_with, snapshot_of
from unixsvc.orchestrator.pool.model import Action, Drain, Dump, Kill, Terminate, WorkerPhase
from unixsvc.orchestrator.pool.process import InheritedFds, WorkerExit, WorkerOwner, WorkerProcess
from unixsvc.orchestrator.pool.questions import Finding
from unixsvc.orchestrator.pool.spec import WorkerSpec
from unixsvc.orchestrator.pool.worker_record import WATCHDOG, WorkerRecord
from unixsvc.orchestrator.reactor import IPoolReactor
from unixsvc.orchestrator.worker.messages import Command, JobEnded, JobStarted, ReportStats
from unixsvc.schedules.moment import Moment
from unixsvc.schedules.state import Run
from unixsvc.service.scheduler import Scheduler
from unixsvc.telemetry.metrics.page import MetricsPage

if TYPE_CHECKING:
    from unixsvc.telemetry.exposition.application import AppFamily, AppSnapshot

__all__ = ["PoolScheduler", "WorkerSet"]

# The phases in which a worker has statistics to report.
_SERVING: Final = (WorkerPhase.READY, WorkerPhase.DRAINING)
# How long to wait for the reports of workers when the status is requested, in seconds.
_STATS_TIMEOUT: Final = 1.0
# The errors of a start for which the kernel lacks the resources at present, see fork(2) and pipe(2).
_LACK_OF_RESOURCES: Final = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN)


class WorkerSet:
    """All workers of one service, in any phase.

    :param owner: is called for each change of their state.
    :param make_counts: makes the shared page on which they count their connections.
    :param reserve: is released for the start of a worker.
    :param make_page: makes the memory in which a worker counts its replies.
    """

    def __init__(
        self,
        reactor: IPoolReactor,
        owner: WorkerOwner,
        log: Logger,
        make_counts: Callable[[], ConnectionCounts] = ConnectionCounts,
        reserve: DescriptorReserve | None = None,
        make_page: Callable[[], MetricsPage] = MetricsPage,
    ) -> None:
        self._reactor = reactor
        self._owner = owner
        self._log = log
        self._records: dict[int, WorkerRecord] = {}
        self._started = 0
        self._make_counts = make_counts
        self._counts: ConnectionCounts | None = None
        self._pages: dict[int, ConnectionCounts] = {}  # by the number of the worker
        self._make_page = make_page
        self._app_ended: list[AppFamily] = []
        self._reserve = reserve or DescriptorReserve(0)
        # Kept for all workers to come: a reload must not reset rate limits.
        self._limits: SharedTable | None = None

    @property
    def records(self) -> Collection[WorkerRecord]:
        """The records of all workers."""
        return self._records.values()

    @property
    def newest(self) -> WorkerRecord:
        """The record of the worker that was started last."""
        return self._records[self._started]

    def record_of(self, worker: WorkerProcess) -> WorkerRecord:
        """The record of a process."""
        return next(record for record in self.records if record.process is worker)

    def remove(self, record: WorkerRecord) -> None:
        """Remove a worker that has ended."""
        del self._records[record.number]
        self._app_ended = ended_with(self._app_ended, record.process.app_metrics)
        record.page.close()
        self._free(self._pages.pop(record.number), record.process.fds.counts_slot)

    def spawn(self, slot: int, spec: WorkerSpec, listening: tuple[int, ...]) -> OSError | None:
        """Start a worker.

        :param listening: the descriptors of the listening sockets.
        :returns: the error of the kernel if it lacks the resources at present; then there is no worker.
        """
        with self._reserve.released():
            try:
                if self._counts is None:
                    self._counts = self._make_counts()
                if self._limits is None:
                    self._limits = SharedTable()
                page = self._make_page()
            except OSError as error:
                return error
            fds = InheritedFds(
                listening, self._counts.fileno(), self._counts.take(), self._limits.fileno(), page.fileno()
            )
            process = spec.make(slot, fds, self._owner)
            try:
                process.start()
            except OSError as error:
                if error.errno in _LACK_OF_RESOURCES:
                    self._free(self._counts, fds.counts_slot)
                    page.close()
                    return error
                end = WorkerExit("was not started", f"the process cannot be started: {error.strerror}")
                # In the next turn of the event loop, as a plan is being executed.
                self._reactor.callLater(0, self._owner.worker_ended, process, end)
        self._started += 1
        jitter = random.random()  # noqa: S311  # no secret
        record = WorkerRecord(self._started, process, spec, page, self._reactor.seconds(), jitter)
        self._records[self._started], self._pages[self._started] = record, self._counts
        return None

    def execute(self, action: Action, *, wait_for_idle: bool) -> None:
        """Execute an action of the supervision policy on a worker.

        :param wait_for_idle: whether a draining worker waits for idle clients, as other workers accept
            connections meanwhile.
        """
        _ACTIONS[type(action)](self, self._records[action.number], wait_for_idle)

    def stop_waiting_for_idle(self) -> None:
        """Make draining workers close idle connections."""
        for record in self.records:
            if record.phase is WorkerPhase.DRAINING:
                record.process.drain(wait_for_idle=False)

    def kill_all(self) -> None:
        """Kill every worker now."""
        for record in self.records:
            record.retiring, record.kill_reason = True, record.kill_reason or "abort"
            self.enter(record, WorkerPhase.KILLED).signal("KILL")

    def replace_all(self, reason: str) -> None:
        """Have all workers replaced that were not asked to exit, one at a time, as if they were recycled.

        Workers with other listening sockets do not share clients, so they get another page of counts.
        """
        self._counts = None
        for record in self.records:
            if not record.retiring:
                record.recycle_reason = reason

    def enter(self, record: WorkerRecord, phase: WorkerPhase) -> WorkerProcess:
        """Change the phase of a worker.

        :returns: its process.
        """
        return record.enter(phase, self._reactor.seconds())

    def send(self, command: Command) -> None:
        """Send a command to every worker."""
        for record in self.records:
            record.process.send(command)

    def min_watchdog(self) -> float:
        """The shortest watchdog time of all workers, in seconds."""
        return min((record.spec.policy.watchdog for record in self.records), default=math.inf)

    def beat(self) -> None:
        """Request a report from each worker that serves clients."""
        for record in self._serving():
            record.process.send(ReportStats(time.monotonic()))

    def extend_deadlines(self, seconds: float) -> None:
        """Postpone the deadlines of all workers, after a stall of this process."""
        for record in self.records:
            record.extend_deadlines(seconds)

    def refresh(self) -> Deferred[None]:
        """Request new reports.

        :returns: fires when all are there, or after a second.
        """
        # A caller may cancel this; nothing else would consume the errors of the requests then.
        requests = [record.process.request_stats(_STATS_TIMEOUT) for record in self._serving()]
        return gatherResults(requests, consumeErrors=True).addCallback(lambda _: None)

    def inspect(
        self, topic: str, options: dict[str, Json], seconds: float, pid: int | None
    ) -> Deferred[list[Finding]]:
        """Ask each worker that serves clients a question of an operator.

        :param pid: of the only worker to ask; None for all.
        """
        asked = [each.process for each in self._serving() if pid in (None, each.process.pid)]
        return gatherResults([each.inspect(topic, options, seconds) for each in asked], consumeErrors=True)

    def app_metrics(self) -> AppSnapshot:
        """The metrics of the application, as of the last reports."""
        present = ((each.number, each.process.slot, each.process.app_metrics) for each in self.records)
        return snapshot_of(present, self._app_ended)

    def _free(self, page: ConnectionCounts, slot: int) -> None:
        """Free a slot of a page, and close a page without workers."""
        page.free(slot)
        if page not in self._pages.values():
            page.close()
            if page is self._counts:
                self._counts = None

    def _serving(self) -> list[WorkerRecord]:
        return [record for record in self.records if record.phase in _SERVING]

    def _drain(self, record: WorkerRecord, wait_for_idle: bool) -> None:
        record.retiring = True
        self.enter(record, WorkerPhase.DRAINING).drain(wait_for_idle=wait_for_idle)

    def _terminate(self, record: WorkerRecord, wait_for_idle: bool) -> None:
        record.retiring = True
        self.enter(record, WorkerPhase.TERMINATING).signal("TERM")

    def _dump(self, record: WorkerRecord, wait_for_idle: bool) -> None:
        silent = self._reactor.seconds() - record.last_seen
        message = "worker {worker} is silent for {silent:.1f} s (watchdog): killing it; its stack follows"
        self._log.error(message, worker=str(record.process), silent=silent)
        record.kill_reason = WATCHDOG
        self.enter(record, WorkerPhase.STUCK).signal("QUIT")

    def _kill(self, record: WorkerRecord, wait_for_idle: bool) -> None:
        phase = record.phase
        record.kill_reason = record.kill_reason or f"{phase.value} for too long"
        if phase is WorkerPhase.STARTING:
            record.process.cause = f"not ready within {record.spec.policy.boot_timeout:g} s (boot_timeout)"
        if phase is not WorkerPhase.STUCK:  # _dump has logged it
            message = "worker {worker} has been {phase} for too long: killing it"
            self._log.warn(message, worker=str(record.process), phase=phase.value)
        self.enter(record, WorkerPhase.KILLED).signal("KILL")


class PoolScheduler(Scheduler):
    """The schedules of a service with workers.

    :param workers: run the jobs.
    """

    def __init__(
        self, service: str, reactor: IReactorTime, workers: WorkerSet, now: Callable[[], Moment]
    ) -> None:
        super().__init__(service, reactor, self._find_worker, now)
        self._workers = workers

    def adopt_newest(self) -> None:
        """Use the schedules of the worker that was ready last."""
        ready = [record for record in self._workers.records if record.phase is WorkerPhase.READY]
        newest = max(ready, key=lambda record: (record.ready_at or 0.0, record.number), default=None)
        if newest is not None:
            self.adopt(newest.process.schedules)

    def job_reported(self, worker: WorkerProcess, report: JobStarted | JobEnded) -> None:
        """Note the start or the end of a run."""
        if isinstance(report, JobStarted):
            self.started(report.number)
        else:
            self._workers.record_of(worker).runs.discard(report.number)
            self.ended(report.number, report.error)

    def _find_worker(self, schedule: str) -> Callable[[Run], None] | None:
        """Find the worker that runs the fewest jobs; of several, the one that has waited longest."""
        able = [
            record
            for record in self._workers.records
            if record.phase is WorkerPhase.READY
            and any(each.name == schedule for each in record.process.schedules)
        ]
        found = min(able, key=lambda record: (len(record.runs), record.last_run), default=None)
        return None if found is None else found.run_job


_ACTIONS: Final[dict[type[Action], Callable[[WorkerSet, WorkerRecord, bool], None]]] = {
    Drain: WorkerSet._drain,
    Terminate: WorkerSet._terminate,
    Dump: WorkerSet._dump,
    Kill: WorkerSet._kill,
}

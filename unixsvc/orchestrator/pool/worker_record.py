"""The state of one worker of a pool."""

from __future__ import annotations

from typing import Final

from unixsvc.orchestrator.pool.model import WorkerPhase, WorkerView
from unixsvc.orchestrator.pool.policy import reason_to_recycle
from unixsvc.orchestrator.pool.process import WorkerProcess
from unixsvc.orchestrator.pool.spec import WorkerSpec
from unixsvc.orchestrator.status import WorkerSnapshot
from unixsvc.orchestrator.worker.messages import RunJob
from unixsvc.schedules.state import Run
from unixsvc.telemetry.metrics.page import MetricsPage
from unixsvc.telemetry.metrics.snapshot import MetricsSnapshot

__all__ = ["WATCHDOG", "WorkerRecord", "exit_message"]

WATCHDOG: Final = "watchdog"
"""The reason of the end of a worker that was silent for too long."""


class WorkerRecord:
    """One worker: its process, its spec and its phase.

    :param number: counts all workers that the pool ever had.
    :param page: the memory in which it counts its replies.
    :param now: the time of its start, in seconds.
    :param jitter: a random number from 0 to 1 that varies its recycling limits.
    :ivar recycle_reason: the recycling limit that it has reached; empty if none.
    :ivar retiring: whether it was asked to exit.
    :ivar closed: whether it has reported that it accepts no connections any more.
    :ivar runs: the numbers of the runs of jobs that it was given and that have not ended.
    :ivar last_run: the number of the last one.
    :ivar kill_reason: why it is killed, as :data:`WATCHDOG`; empty if it is not.
    :ivar breakers: the states of its circuit breakers by the other service, as far as they have changed.
    """

    def __init__(
        self,
        number: int,
        process: WorkerProcess,
        spec: WorkerSpec,
        page: MetricsPage,
        now: float,
        jitter: float,
    ) -> None:
        self.number = number
        self.page = page
        self.process = process
        self.spec = spec
        self.phase = WorkerPhase.STARTING
        self.since = now
        self.ready_at: float | None = None
        self.last_seen = now
        self.recycle_reason = ""
        self.retiring = False
        self.closed = False
        self.runs: set[int] = set()
        self.last_run = 0
        self.kill_reason = ""
        self.breakers: dict[str, str] = {}
        self._started = now
        self._jitter = jitter

    def enter(self, phase: WorkerPhase, now: float) -> WorkerProcess:
        """Change the phase.

        :returns: the process.
        """
        self.phase, self.since = phase, now
        if phase is WorkerPhase.READY:
            self.ready_at = self.last_seen = now
        return self.process

    def run_job(self, run: Run) -> None:
        """Give it a run of a job."""
        self.runs.add(run.number)
        self.last_run = run.number
        self.process.send(RunJob(run))

    def extend_deadlines(self, seconds: float) -> None:
        """Postpone its deadlines, after a stall of this process."""
        self.last_seen += seconds
        self.since += seconds

    def view(self, spec: WorkerSpec) -> WorkerView:
        """The worker as the supervision policy sees it.

        :param spec: the spec that workers should have.
        """
        return WorkerView(
            number=self.number,
            slot=self.process.slot,
            phase=self.phase,
            since=self.since,
            policy=self.spec.policy,
            last_seen=self.last_seen,
            ready_at=self.ready_at,
            outdated=self.spec.number != spec.number or bool(self.recycle_reason),
            retiring=self.retiring,
        )

    def check_recycling(self, now: float) -> bool:
        """Check whether a ready worker has reached a recycling limit.

        :returns: True if it has reached one since the last check.
        """
        status = self.process.status
        if self.recycle_reason or self.phase is not WorkerPhase.READY:
            return False
        limits = self.spec.recycling
        requests = self.metrics().all.requests if limits.max_requests else 0
        age = now - self._started
        self.recycle_reason = reason_to_recycle(limits, requests, status.memory, age, self._jitter)
        return bool(self.recycle_reason)

    def stats(self, now: float) -> WorkerSnapshot:
        """The state of the worker, as of its last report."""
        process = self.process
        return WorkerSnapshot(
            process.pid,
            self.phase.value,
            now - self._started,
            process.status,
            self.metrics(),
            self.spec.number,
            self.process.slot,
        )

    def exit_reason(self, spec: WorkerSpec) -> str:
        """Why it has ended, in one word: see :class:`unixsvc.orchestrator.figures.ServiceFigures`.

        :param spec: the spec that workers should have.
        """
        if self.kill_reason == WATCHDOG:
            return WATCHDOG
        if not self.retiring:
            return "crash" if self.ready_at is not None else "start"
        if self.recycle_reason:
            return "recycled"
        return "reload" if self.spec.number != spec.number else "stop"

    def metrics(self) -> MetricsSnapshot:
        """What it has counted until now, even if it was killed, without its health check at the start."""
        page = MetricsSnapshot() if self.ready_at is None else self.page.read()
        return self.process.status.add_to(page)


def exit_message(delay: float | None) -> str:
    """The message about the exit of a worker.

    :param delay: until the next one starts, in seconds; None if that is not known.
    """
    if delay is None:
        return "worker {worker} {end}"
    if delay <= 0:
        return "worker {worker} {end}; restarting"
    return "worker {worker} {end}; restarting in {delay:.1f} s"

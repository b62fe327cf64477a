"""A pool: keeps the workers of one service running."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from zope.interface import implementer

from unixsvc.domain.json import Json
from unixsvc.execution.shared_result import SharedResult
from unixsvc.listen.balance.connection_counts import ConnectionCounts
from unixsvc.listen.fd_limits import DescriptorReserve
from unixsvc.orchestrator.events.log import Record, ignore
from unixsvc.orchestrator.pool.heartbeat import Heartbeat, PolicyTimer
from unixsvc.orchestrator.pool.interfaces import IServicePool
from unixsvc.orchestrator.pool.listening import ListeningPool
from unixsvc.orchestrator.pool.model import Drain, PoolView, SlotHistory, Spawn, WorkerPhase
from unixsvc.orchestrator.pool.policy import SlotHistories, decide, died_early
from unixsvc.orchestrator.pool.process import WorkerExit, WorkerProcess
from unixsvc.orchestrator.pool.questions import Finding
from unixsvc.orchestrator.pool.rollout import Rollout
from unixsvc.orchestrator.pool.spec import WorkerSpec
from unixsvc.orchestrator.pool.worker_events import WorkerEvents
from unixsvc.orchestrator.pool.worker_record import WorkerRecord, exit_message
from unixsvc.orchestrator.pool.workers import PoolScheduler, WorkerSet
from unixsvc.orchestrator.reactor import IPoolReactor
from unixsvc.orchestrator.sockets.interfaces import IListener
from unixsvc.orchestrator.status import PoolSnapshot
from unixsvc.orchestrator.worker.messages import Command
from unixsvc.schedules.moment import Moment
from unixsvc.service.scheduler import current_moment
from unixsvc.telemetry.metrics.snapshot import MetricsSnapshot

if TYPE_CHECKING:
    from unixsvc.telemetry.exposition.application import AppSnapshot

__all__ = ["Pool"]


@implementer(IServicePool)
class Pool(ListeningPool):
    """Keeps the wanted number of workers running, by the policy of :mod:`unixsvc.orchestrator.pool.policy`.

    :param listener: the listening sockets.
    :param on_failed: called with the reason when every slot has hit the start limit. It is not called when
        the first workers cannot start: :meth:`when_ready` fails then.
    :param make_counts: makes the shared page on which the workers count their connections.
    :param reserve: is released for the start of a worker; none if None.
    :param now: the clocks for schedules.
    :param record: records what happens to the workers.
    """

    def __init__(
        self,
        name: str,
        reactor: IPoolReactor,
        spec: WorkerSpec,
        listener: IListener,
        on_failed: Callable[[str], object],
        make_counts: Callable[[], ConnectionCounts] = ConnectionCounts,
        reserve: DescriptorReserve | None = None,
        now: Callable[[], Moment] = current_moment,
        record: Record = ignore,
    ) -> None:
        super().__init__(name, listener, reactor)
        self._reactor = reactor
        self._on_failed = on_failed
        self._log = Logger(namespace=name)
        self._events = WorkerEvents(name, record)
        self._rollout = Rollout(f"services.{name}", spec)
        self._workers = WorkerSet(reactor, self, self._log, make_counts, reserve)
        self._heartbeat = Heartbeat(reactor, self._workers.beat, self._extend_deadlines)
        self._scheduler = PoolScheduler(name, reactor, self._workers, now)
        self.job_reported = self._scheduler.job_reported
        self._histories = SlotHistories()
        self._ended = MetricsSnapshot()
        self._exits: Counter[str] = Counter()
        self._timer = PolicyTimer(reactor, self._woken)
        self._all_ended: SharedResult[None] | None = None
        self._failed = False

    # IServicePool.

    def _begin(self) -> None:
        self._all_ended, self._failed = None, False
        self._histories.clear()
        self._rollout.begin_start()
        self._heartbeat.start(self._rollout.spec.policy.watchdog)
        self._apply_policy()

    def when_ready(self) -> Deferred[None]:
        """Fires when every worker has been ready once; fails with ConfigError if one has ended before."""
        return self._rollout.when_ready()

    def stopService(self) -> Deferred[None]:
        """Close the listening sockets and drain the workers; fires when all have ended."""
        self._failed = False
        return super().stopService()

    def reload(self, spec: WorkerSpec) -> Deferred[None]:
        """Replace the workers one by one by workers of another spec; see :class:`IServicePool`."""
        self._listener.add(spec.listen)
        done = self._begin_change(spec, spec.wanted)
        return self._close_unused_after(done, lambda: self._rollout.spec)

    def scale(self, workers: int) -> Deferred[None]:
        """Set the number of workers; see :class:`IServicePool`."""
        return self._begin_change(self._rollout.spec, workers)

    def set_spec(self, spec: WorkerSpec) -> None:
        """Use another spec from the next start on."""
        self._change_addresses(spec, debugged=self._rollout.is_debugging)
        self._rollout.set_spec(spec)

    def debug(self, spec: WorkerSpec) -> Deferred[None]:
        """Replace the workers by one with a terminal; see :class:`IServicePool`."""
        self._histories.clear()
        done = self._rollout.begin_debug(spec)
        self._apply_policy()
        return done

    def end_debug(self) -> None:
        """Have the usual workers again; see :class:`IServicePool`."""
        if not self._rollout.is_debugging:
            return
        debugged = [each for each in self._workers.records if self._rollout.is_debugged(each)]
        self._rollout.end_debug()
        for record in debugged:
            if record.phase is WorkerPhase.READY:
                self._workers.execute(Drain(record.number), wait_for_idle=False)
        self._apply_policy()

    def abort(self) -> None:
        """Kill the workers and stop."""
        if self.running:
            self.stopService()
        self._workers.kill_all()

    def send(self, command: Command) -> None:
        """Send a command to every worker."""
        self._workers.send(command)

    def check_paths(self) -> None:
        """Bind removed paths again, for workers that replace the present ones; see :class:`IServicePool`."""
        if self._listener.rebind():
            self._workers.replace_all("its socket was bound again")
            self.end_debug()
            self._apply_policy()

    def stats(self) -> PoolSnapshot:
        """The state of the workers, as of their last reports."""
        now = self._reactor.seconds()
        records = sorted(self._workers.records, key=lambda each: (each.process.slot, each.number))
        problem = self._rollout.problem or self._problem
        workers, listen = [record.stats(now) for record in records], self._listener.addresses()
        schedules = self._scheduler.status()
        exits = dict(self._exits)
        return PoolSnapshot(workers, self._ended, self._state(), problem, listen, schedules, exits)

    def app_metrics(self) -> AppSnapshot:
        """The metrics of the application, as of the last reports of the workers."""
        return self._workers.app_metrics()

    def refresh(self) -> Deferred[None]:
        """Request new reports from the workers; fires when all are there, or after a second."""
        return self._workers.refresh()

    def inspect(
        self, topic: str, options: dict[str, Json], seconds: float, pid: int | None = None
    ) -> Deferred[list[Finding]]:
        """Ask the workers a question; see :class:`IServicePool`."""
        return self._workers.inspect(topic, options, seconds, pid)

    # WorkerOwner.

    def worker_ready(self, worker: WorkerProcess) -> None:
        """Clients can connect to a worker."""
        record = self._workers.record_of(worker)
        if record.phase is WorkerPhase.STARTING:
            self._workers.enter(record, WorkerPhase.READY)
            self._log.info("worker {worker} is ready", worker=str(worker))
            self._events.ready(record)
            if self._rollout.all_ready(self._workers.records):
                self._problem = ""
            if not self._rollout.in_progress:
                self._scheduler.adopt(worker.schedules)
        self._apply_policy()

    def worker_draining(self, worker: WorkerProcess) -> None:
        """A worker accepts no connections any more, because we have drained it or because it got a signal."""
        record = self._workers.record_of(worker)
        record.closed = True
        if record.phase in (WorkerPhase.STARTING, WorkerPhase.READY):
            self._log.info("worker {worker} received a signal and drains", worker=str(worker))
            record.retiring = True
            self._events.draining(record)
            self._workers.enter(record, WorkerPhase.DRAINING)
        self._scheduler.lost(record.runs, started=False)  # now that it gets no more runs
        self._apply_policy()

    def worker_reported(self, worker: WorkerProcess) -> None:
        """A worker has reported its statistics."""
        record, now = self._workers.record_of(worker), self._reactor.seconds()
        record.last_seen = now
        self._events.reported(record)
        if record.check_recycling(now):
            message = "worker {worker} is recycled: {reason}"
            self._log.info(message, worker=str(worker), reason=record.recycle_reason)
            self._events.recycled(record)
            self._apply_policy()

    def worker_ended(self, worker: WorkerProcess, end: WorkerExit) -> None:
        """A worker has exited."""
        record, now = self._workers.record_of(worker), self._reactor.seconds()
        self._ended += record.metrics().past()
        self._exits[record.exit_reason(self._rollout.spec)] += 1
        self._workers.remove(record)
        self._events.ended(record, end)
        self._scheduler.lost(record.runs)
        if self._rollout.worker_ended(record, end.reason, self._workers.records, now):
            self._log_exit(record, end)
            if self._rollout.is_starting:
                self._log.error("cannot start: {reason}", reason=end.reason)
                self._fail(end.reason, f"cannot start: {end.reason}")
            else:
                self._log.error("{problem}", problem=self._rollout.problem)
        else:
            if died_early(view := record.view(self._rollout.spec), now):
                self._problem = end.reason
            self._log_exit(record, end, self._histories.worker_ended(view, now))
        self._apply_policy()

    # Supervision.

    def _begin_change(self, spec: WorkerSpec, wanted: int) -> Deferred[None]:
        done = self._rollout.begin_change(spec, wanted)
        self._histories.clear()
        self._heartbeat.start(min(self._workers.min_watchdog(), spec.policy.watchdog))
        self._apply_policy()
        return done

    def _log_exit(self, record: WorkerRecord, end: WorkerExit, history: SlotHistory | None = None) -> None:
        """Log the exit of a worker that was not asked to exit.

        :param history: of its slot; None if the slot stays empty.
        """
        if record.retiring:
            return
        delay = None
        if history is not None and self._keeps_running() and record.process.slot <= self._rollout.wanted:
            delay = history.delay(self._reactor.seconds())
        self._log.warn(exit_message(delay), worker=str(record.process), end=str(end), delay=delay)

    def _spawn(self, slot: int) -> None:
        spec = self._rollout.spec
        error = self._workers.spawn(slot, spec, self._listener.descriptors(spec.listen))
        if error is None:
            self._events.started(self._workers.newest)
            return
        self._problem = f"a worker cannot be started: {error.strerror}"
        if self._histories.start_refused(slot, self._reactor.seconds()):
            self._log.error("{problem}; trying again", problem=self._problem)

    def _apply_policy(self) -> None:
        if self._rollout.update(self._workers.records):
            self._scheduler.adopt_newest()
        keeps_running = self._keeps_running()
        view = PoolView(
            self._rollout.wanted,
            tuple(record.view(self._rollout.spec) for record in self._workers.records),
            self._histories.by_slot,
            stopping=not keeps_running,
        )
        plan = decide(view, self._reactor.seconds())
        for action in plan.actions:
            if isinstance(action, Spawn):
                self._spawn(action.number)
            else:
                self._workers.execute(action, wait_for_idle=keeps_running)
        # The actions have deadlines of their own, so the policy decides again.
        self._timer.set(self._reactor.seconds() if plan.actions else plan.wake_at)
        if plan.failed:
            self._fail(self._problem, f"it has failed: {self._problem}")
            self._log.error("has failed and is not restarted: {reason}", reason=self._problem)
            self._on_failed(self._problem)
        if (view.stopping or self._failed) and not self._workers.records:
            self._heartbeat.stop()
            if self._all_ended is not None:
                self._timer.set(None)
                self._all_ended.succeed(None)
        self._scheduler.dispatch()

    def _keeps_running(self) -> bool:
        """Whether workers that end are replaced."""
        return bool(self.running) and self._all_ended is None and not self._failed

    def _woken(self) -> None:
        # After a stall of this process, reports of the workers are read before their deadlines are checked.
        if not self._heartbeat.check_stall():
            self._apply_policy()

    def _extend_deadlines(self, seconds: float) -> None:
        self._workers.extend_deadlines(seconds)
        self._timer.set(self._reactor.seconds())

    def _fail(self, problem: str, reason: str) -> None:
        self._failed, self._problem = True, problem
        self._events.failed(problem)
        self._scheduler.stop()
        self._listener.close()  # no worker would accept
        self._rollout.cancel(reason)  # last, as its waiters may start the pool again

    def _drain_delay(self) -> float:
        return self._rollout.spec.policy.drain_delay

    def _drain(self) -> Deferred[None]:
        """Drain every worker; fires when all have ended."""
        if self._all_ended is None:
            self._all_ended = SharedResult()
            self._rollout.end_debug()
            self._scheduler.stop()
            self._rollout.cancel()
            self._workers.stop_waiting_for_idle()
        all_ended = self._all_ended
        self._apply_policy()
        return all_ended.wait()

    def _state(self) -> str:
        """The state of the service; empty if it follows from its workers."""
        if self._failed:
            return "failed"
        if self._all_ended is not None:
            return "stopping" if self._workers.records else "stopped"
        if self._rollout.is_debugging:
            return "debugging"
        return "" if self.running else "waiting"

"""The workers of one service."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from msgspec import Struct
from twisted.application.service import Service
from twisted.internet.defer import Deferred, gatherResults, succeed
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from zope.interface import implementer

from unixsvc.domain.interfaces import IServicePool
from unixsvc.errors import ConfigError
from unixsvc.orchestrator.messages import AskFigures
from unixsvc.orchestrator.policy import (
    Action,
    Drain,
    History,
    Kill,
    Phase,
    PoolView,
    Rules,
    Spawn,
    Terminate,
    WorkerView,
    after_exit,
    decide,
)
from unixsvc.orchestrator.process import Owner, WorkerProcess
from unixsvc.orchestrator.status import PoolFigures, WorkerFigures
from unixsvc.telemetry.metrics import Snapshot

__all__ = ["Pool"]

# Workers are asked for their figures so often: what a killed one has counted since is lost. In seconds.
_HEARTBEAT: Final = 1.0
_SERVED: Final = (Phase.READY, Phase.DRAINING)


class _Member(Struct):
    process: WorkerProcess
    phase: Phase
    since: float


@implementer(IServicePool)
class Pool(Service):
    """Keeps as many workers running as are wanted, by the policy of :mod:`unixsvc.orchestrator.policy`.

    :param make: makes the process for a slot; it is told whom to tell what becomes of it.
    :param wanted: how many workers.
    """

    def __init__(
        self, name: str, reactor: Any, make: Callable[[int, Owner], WorkerProcess], wanted: int, rules: Rules
    ) -> None:
        self.setName(name)
        self._reactor = reactor
        self._make = make
        self._wanted = wanted
        self._rules = rules
        self._members: dict[int, _Member] = {}
        self._histories: dict[int, History] = {}
        self._ended = Snapshot()
        self._timer: IDelayedCall | None = None
        self._booting: Deferred[None] | None = Deferred()
        self._stopping: Deferred[None] | None = None
        self._heartbeat = LoopingCall(self._ask_all)
        self._heartbeat.clock = reactor
        self._log = Logger(namespace=name)

    def startService(self) -> None:
        """Start the workers."""
        super().startService()
        self._heartbeat.start(_HEARTBEAT, now=False)
        self._look()

    def booted(self) -> Deferred[None]:
        """Fires when every worker has been ready once; fails with ConfigError if one ended before."""
        return self._booting if self._booting is not None else succeed(None)

    def stopService(self) -> Deferred[None]:
        """Drain the workers; fires when all are gone."""
        super().stopService()
        if self._stopping is None:
            self._stopping = Deferred()
            if self._heartbeat.running:
                self._heartbeat.stop()
            self._look()
            self._tell_if_stopped()
        return self._stopping

    def abort(self) -> None:
        """Kill the workers."""
        for member in self._members.values():
            self._enter(member, Phase.KILLED).process.signal("KILL")

    def figures(self) -> PoolFigures:
        """What is known of the workers, as of their last reports."""
        now = self._reactor.seconds()
        workers = [
            WorkerFigures(
                member.process.pid,
                member.phase.value,
                now - member.process.started,
                member.process.status,
            )
            for _, member in sorted(self._members.items())
        ]
        return PoolFigures(workers, self._ended)

    def refresh(self) -> Deferred[Any]:
        """Ask the workers for their figures; fires when all have answered, or a second has passed."""
        return gatherResults(
            [member.process.ask(_HEARTBEAT) for member in self._members.values() if member.phase in _SERVED]
        )

    # What workers tell.

    def worker_ready(self, worker: WorkerProcess) -> None:
        """Clients can connect to it."""
        member = self._members[worker.slot]
        if member.phase is Phase.STARTING:
            self._enter(member, Phase.READY)
            self._log.info("worker {slot} is ready (pid {pid})", slot=worker.slot, pid=worker.pid)
        if (
            self._booting is not None
            and len(self._members) == self._wanted
            and all(each.phase is Phase.READY for each in self._members.values())
        ):
            booting, self._booting = self._booting, None
            booting.callback(None)
        self._look()

    def worker_ended(self, worker: WorkerProcess, how: str) -> None:
        """It is gone."""
        member = self._members.pop(worker.slot)
        view = WorkerView(worker.slot, member.phase, member.since)
        history = self._histories.get(worker.slot, History())
        self._histories[worker.slot] = after_exit(history, view, self._rules, self._reactor.seconds())
        self._ended += worker.status.snapshot
        if self._stopping is None:
            self._log.warn("worker {slot}: {how}", slot=worker.slot, how=how)
        if self._booting is not None and self._stopping is None and member.phase not in _SERVED:
            booting, self._booting = self._booting, None
            booting.errback(ConfigError(f"services.{self.name}", f"cannot start: {how}"))
            return
        self._look()
        self._tell_if_stopped()

    # The policy at work.

    def _look(self) -> None:
        view = PoolView(
            self._wanted,
            tuple(WorkerView(slot, each.phase, each.since) for slot, each in self._members.items()),
            self._histories,
            stopping=self._stopping is not None,
        )
        plan = decide(view, self._rules, self._reactor.seconds())
        for action in plan.actions:
            self._act(action)
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
        if plan.actions:
            self._timer = self._reactor.callLater(0, self._look)  # what was done has deadlines of its own
        elif plan.wake_at is not None:
            delay = max(plan.wake_at - self._reactor.seconds(), 0.0)
            self._timer = self._reactor.callLater(delay, self._look)

    def _act(self, action: Action) -> None:
        _CARRY_OUT[type(action)](self, action.slot)

    def _spawn(self, slot: int) -> None:
        process = self._make(slot, self)
        self._members[slot] = _Member(process, Phase.STARTING, self._reactor.seconds())
        try:
            process.start()
        except OSError as error:  # no more processes, no more memory: it may pass
            how = f"cannot be started: {error.strerror}"
            self._reactor.callLater(0, self.worker_ended, process, how)  # not in the midst of a plan

    def _drain(self, slot: int) -> None:
        self._enter(self._members[slot], Phase.DRAINING).process.drain()

    def _terminate(self, slot: int) -> None:
        self._enter(self._members[slot], Phase.TERMINATING).process.signal("TERM")

    def _kill(self, slot: int) -> None:
        member = self._members[slot]
        self._log.warn("worker {slot} is {phase} for too long: killed", slot=slot, phase=member.phase.value)
        if member.phase is Phase.STARTING:
            member.process.failure = f"was not ready within {self._rules.boot_timeout:g} s (boot_timeout)"
        self._enter(member, Phase.KILLED).process.signal("KILL")

    def _enter(self, member: _Member, phase: Phase) -> _Member:
        member.phase, member.since = phase, self._reactor.seconds()
        return member

    def _ask_all(self) -> None:
        for member in self._members.values():
            if member.phase in _SERVED:
                member.process.tell(AskFigures())

    def _tell_if_stopped(self) -> None:
        if self._stopping is not None and not self._members and not self._stopping.called:
            if self._timer is not None and self._timer.active():
                self._timer.cancel()
            self._stopping.callback(None)


_CARRY_OUT: Final[dict[type[Action], Callable[[Pool, int], None]]] = {
    Spawn: Pool._spawn,
    Drain: Pool._drain,
    Terminate: Pool._terminate,
    Kill: Pool._kill,
}

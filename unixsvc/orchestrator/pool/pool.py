"""The workers of one service, kept running."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from zope.interface import implementer

from unixsvc.errors import ConfigError
from unixsvc.listen.connection_counts import ConnectionCounts
from unixsvc.orchestrator.interfaces import IServicePool
from unixsvc.orchestrator.pool.heartbeat import Heartbeat
from unixsvc.orchestrator.pool.policy import (
    PoolView,
    SlotHistory,
    Spawn,
    WorkerPhase,
    after_exit,
    decide,
    died_early,
)
from unixsvc.orchestrator.pool.process import WorkerProcess
from unixsvc.orchestrator.pool.rollout import Rollout
from unixsvc.orchestrator.pool.worker_record import WorkerRecord, WorkerSpec
from unixsvc.orchestrator.pool.workers import WorkerSet
from unixsvc.orchestrator.shared_result import SharedResult
from unixsvc.orchestrator.sockets.binding import Listener
from unixsvc.orchestrator.status import PoolSnapshot
from unixsvc.orchestrator.worker.messages import Command
from unixsvc.telemetry.metrics import MetricsSnapshot

__all__ = ["Pool"]


@implementer(IServicePool)
class Pool(Service):
    """Keeps as many workers running as are wanted, by the policy of :mod:`unixsvc.orchestrator.pool.policy`.

    It can be started again after it was stopped, or has failed.

    :param door: the listening socket.
    :param has_failed: called with the reason when every worker has died early, again and again. It is not
        called when the first ones cannot start: :meth:`booted` tells that.
    :param make_tally: makes the page on which the workers count their connections.
    """

    def __init__(
        self,
        name: str,
        reactor: Any,
        version: WorkerSpec,
        door: Listener,
        has_failed: Callable[[str], object],
        make_tally: Callable[[], ConnectionCounts] = ConnectionCounts,
    ) -> None:
        self.setName(name)
        self._reactor = reactor
        self._door = door
        self._has_failed = has_failed
        self._log = Logger(namespace=name)
        self._target = Rollout(f"services.{name}", version)
        self._crew = WorkerSet(reactor, self, self._log, make_tally)
        self._heartbeat = Heartbeat(reactor, self._crew.beat, self._forgive)
        self._histories: dict[int, SlotHistory] = {}
        self._ended = MetricsSnapshot()
        self._timer: IDelayedCall | None = None
        self._gone: SharedResult | None = None
        self._failed = False
        self._problem = ""

    # What is asked of it.

    def bind(self) -> None:
        """Open the door; no worker is started yet."""
        self._door.open()

    def startService(self) -> None:
        """Start the workers.

        :raises ConfigError: if the door cannot be opened.
        """
        try:
            self._door.open()
        except ConfigError as error:
            self._problem = str(error)
            raise
        super().startService()
        self._gone, self._failed, self._problem = None, False, ""
        self._histories.clear()
        self._target.boot()
        self._heartbeat.start(self._target.version.rules.watchdog)
        self._look()

    def when_ready(self) -> Deferred[None]:
        """Fires when every worker has been ready once; fails with ConfigError if one ended before."""
        return self._target.when_ready()

    def stopService(self) -> Deferred[None]:
        """Close the door and drain the workers; fires when all are gone."""
        super().stopService()
        self._failed = False
        self._door.close()
        return self._empty()

    async def restart(self) -> None:
        """Drain the workers, and start others when all are gone; clients that connect meanwhile wait.

        :raises ConfigError: if the new ones cannot start.
        """
        await self._empty()
        if self.running:  # else it was stopped meanwhile
            self.startService()
            await self.when_ready()

    def reload(self, version: WorkerSpec) -> Deferred[None]:
        """Replace the workers, one at a time, by those of another version.

        :returns: fires when the new ones serve; fails with ConfigError if one of them could not start, and
            then the old ones stay.
        """
        self._door.open()  # somebody may have removed the path
        return self._begin(version, version.wanted)

    def scale(self, wanted: int) -> Deferred[None]:
        """Have more workers, or fewer.

        :returns: fires when they serve; fails with ConfigError if one could not start, and then all is as it
            was.
        """
        return self._begin(self._target.version, wanted)

    def set_spec(self, version: WorkerSpec) -> None:
        """Be another version when it is started again."""
        self._target.replace(version)

    def abort(self) -> None:
        """Kill the workers; there will be no others."""
        if self.running:
            self.stopService()
        self._crew.kill_all()

    def send(self, command: Command) -> None:
        """Tell every worker something."""
        self._crew.send(command)

    def stats(self) -> PoolSnapshot:
        """What is known of the workers, as of their last reports."""
        now = self._reactor.seconds()
        members = sorted(self._crew.members, key=_by_slot)
        problem = self._target.problem or self._problem
        return PoolSnapshot([each.stats(now) for each in members], self._ended, self._state(), problem)

    def refresh(self) -> Deferred[Any]:
        """Ask the workers for their figures; fires when all have answered, or a second has passed."""
        return self._crew.refresh()

    # What workers tell.

    def worker_ready(self, worker: WorkerProcess) -> None:
        """Clients can connect to it."""
        member = self._crew.member_of(worker)
        if member.phase is WorkerPhase.STARTING:
            self._crew.enter(member, WorkerPhase.READY)
            self._log.info("worker {slot} is ready (pid {pid})", slot=worker.slot, pid=worker.pid)
            if self._target.all_ready(self._crew.members):
                self._problem = ""
        self._look()

    def worker_draining(self, worker: WorkerProcess) -> None:
        """It was told to end, perhaps by somebody else than us, and nobody can connect to it any more."""
        member = self._crew.member_of(worker)
        member.closed = True
        if member.phase in (WorkerPhase.STARTING, WorkerPhase.READY):
            self._log.info("worker {slot}: somebody has told it to end", slot=worker.slot)
            member.retiring = True
            self._crew.enter(member, WorkerPhase.DRAINING)
        self._look()

    def worker_reported(self, worker: WorkerProcess) -> None:
        """It has told its figures, which is a sign of life."""
        member, now = self._crew.member_of(worker), self._reactor.seconds()
        member.heard = now
        if member.find_if_spent(now):
            self._log.info("worker {slot}: {why}: replaced", slot=worker.slot, why=member.spent)
            self._look()

    def worker_ended(self, worker: WorkerProcess, how: str) -> None:
        """It is gone."""
        member, now = self._crew.member_of(worker), self._reactor.seconds()
        self._crew.remove(member)
        self._ended += worker.status.snapshot
        if not member.retiring:
            self._log.warn("worker {slot}: {how}", slot=worker.slot, how=how)
        if self._target.lost(member, how, self._crew.members, now):
            if self._target.booting:
                self._log.error("cannot start: {how}", how=how)
                self._fail(how, f"cannot start: {how}")
            else:
                self._log.error("{problem}", problem=self._target.problem)
        else:
            self._remember(member, how, now)
        self._look()

    # The policy at work.

    def _begin(self, version: WorkerSpec, wanted: int) -> Deferred[None]:
        done = self._target.change(version, wanted)
        self._histories.clear()
        self._heartbeat.start(min(self._crew.shortest_watchdog(), version.rules.watchdog))
        self._look()
        return done

    def _remember(self, member: WorkerRecord, how: str, now: float) -> None:
        slot, view = member.process.slot, member.view(self._target.version)
        chance = random.random()  # noqa: S311  # there is nobody to be kept from guessing
        self._histories[slot] = after_exit(self._histories.get(slot, SlotHistory()), view, now, chance)
        if died_early(view, now):
            self._problem = how

    def _look(self) -> None:
        self._target.look(self._crew.members)
        wait_for_idle = self._gone is None and not self._failed
        view = PoolView(
            self._target.wanted,
            tuple(each.view(self._target.version) for each in self._crew.members),
            self._histories,
            stopping=not (wait_for_idle and self.running),
        )
        plan = decide(view, self._reactor.seconds())
        for action in plan.actions:
            if isinstance(action, Spawn):
                self._crew.spawn(action.number, self._target.version, self._door.descriptors())
            else:
                self._crew.carry_out(action, wait_for_idle=wait_for_idle)
        # What was done has deadlines of its own.
        self._wake(self._reactor.seconds() if plan.actions else plan.wake_at)
        if plan.failed:
            self._fail(self._problem, f"it has failed: {self._problem}")
            self._log.error("has failed, and is not started again: {how}", how=self._problem)
            self._has_failed(self._problem)
        if (view.stopping or self._failed) and not self._crew.members:
            self._heartbeat.stop()
            if self._gone is not None:
                self._wake(None)
                self._gone.settle()

    def _wake(self, at: float | None) -> None:
        """Look again at that time, in seconds."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
        if at is not None:
            self._timer = self._reactor.callLater(max(at - self._reactor.seconds(), 0.0), self._woken)

    def _woken(self) -> None:
        # Where it was we who stood still, what workers have said meanwhile is read before they are judged.
        if not self._heartbeat.catch_up():
            self._look()

    def _forgive(self, seconds: float) -> None:
        self._crew.forgive(seconds)
        self._wake(self._reactor.seconds())

    def _fail(self, how: str, told: str) -> None:
        self._failed, self._problem = True, how
        self._door.close()  # nobody would ever accept
        self._target.stop(told)  # last, as who is told may start it again

    def _empty(self) -> Deferred[None]:
        """Have every worker drain; fires when all are gone."""
        if self._gone is None:
            self._gone = SharedResult()
            self._target.stop()
            self._crew.hurry()
        gone = self._gone
        self._look()
        return gone.wait()

    def _state(self) -> str:
        """What it is; empty where its workers tell."""
        if self._failed:
            return "failed"
        if self._gone is not None:
            return "stopping" if self._crew.members else "stopped"
        return "" if self.running else "waiting"


def _by_slot(member: WorkerRecord) -> tuple[int, int]:
    return member.process.slot, member.number

"""The workers that a service has, and what can be done with them."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Collection
from typing import Any, Final

from twisted.internet.defer import Deferred, gatherResults
from twisted.logger import Logger

from unixsvc.listen.connection_counts import ConnectionCounts
from unixsvc.orchestrator.pool.policy import Action, Drain, Dump, Kill, Terminate, WorkerPhase
from unixsvc.orchestrator.pool.process import InheritedFds, WorkerOwner, WorkerProcess
from unixsvc.orchestrator.pool.worker_record import WorkerRecord, WorkerSpec
from unixsvc.orchestrator.worker.messages import Command, ReportStats

__all__ = ["WorkerSet"]

_SERVED: Final = (WorkerPhase.READY, WorkerPhase.DRAINING)
_PATIENCE: Final = 1.0  # for a worker's figures, in seconds


class WorkerSet:
    """All workers of one service, whatever their phase.

    :param owner: is told what becomes of them.
    :param make_tally: makes the page on which they count their connections.
    """

    def __init__(
        self,
        reactor: Any,
        owner: WorkerOwner,
        log: Logger,
        make_tally: Callable[[], ConnectionCounts] = ConnectionCounts,
    ) -> None:
        self._reactor = reactor
        self._owner = owner
        self._log = log
        self._members: dict[int, WorkerRecord] = {}
        self._count = 0
        self._make_tally = make_tally
        self._tally: ConnectionCounts | None = None

    @property
    def members(self) -> Collection[WorkerRecord]:
        """Those that there are."""
        return self._members.values()

    def member_of(self, worker: WorkerProcess) -> WorkerRecord:
        """What is known of a process."""
        return next(each for each in self.members if each.process is worker)

    def remove(self, member: WorkerRecord) -> None:
        """Forget one that has ended."""
        del self._members[member.number]
        if self._tally is not None:
            self._tally.free(member.process.seat.place)
            if not self._members:
                self._tally.close()
                self._tally = None

    def spawn(self, slot: int, version: WorkerSpec, listening: tuple[int, ...]) -> None:
        """Start a worker.

        :param listening: the descriptors of the listening sockets.
        """
        self._count += 1
        if self._tally is None:
            self._tally = self._make_tally()
        seat = InheritedFds(listening, self._tally.fileno(), self._tally.take())
        process = version.make(slot, seat, self._owner)
        chance = random.random()  # noqa: S311  # there is nobody to be kept from guessing
        self._members[self._count] = WorkerRecord(
            self._count, process, version, self._reactor.seconds(), chance
        )
        try:
            process.start()
        except OSError as error:  # no more processes, no more memory: it may pass
            how = f"cannot be started: {error.strerror}"
            self._reactor.callLater(0, self._owner.worker_ended, process, how)  # not in the midst of a plan

    def carry_out(self, action: Action, *, wait_for_idle: bool) -> None:
        """Do to a worker what the policy says.

        :param wait_for_idle: whether who holds a connection without using it is waited for, as others serve
            meanwhile.
        """
        _MEANS[type(action)](self, self._members[action.number], wait_for_idle)

    def hurry(self) -> None:
        """Have those that drain already no longer wait for clients that do nothing."""
        for each in self.members:
            if each.phase is WorkerPhase.DRAINING:
                each.process.drain(wait_for_idle=False)

    def kill_all(self) -> None:
        """End every worker now."""
        for each in self.members:
            each.retiring = True
            self.enter(each, WorkerPhase.KILLED).signal("KILL")

    def enter(self, member: WorkerRecord, phase: WorkerPhase) -> WorkerProcess:
        """Note that a worker is in a phase from now on."""
        return member.enter(phase, self._reactor.seconds())

    def send(self, command: Command) -> None:
        """Tell every worker something."""
        for each in self.members:
            each.process.send(command)

    def shortest_watchdog(self) -> float:
        """The time within which the most impatient of them is to be heard, in seconds."""
        return min((each.version.rules.watchdog for each in self.members), default=math.inf)

    def beat(self) -> None:
        """Ask those that serve for their figures, which is a sign of life."""
        for each in self._served():
            each.process.send(ReportStats())

    def forgive(self, seconds: float) -> None:
        """Let every worker have more time: for so long nobody could have been heard."""
        for each in self.members:
            each.heard += seconds
            each.since += seconds

    def refresh(self) -> Deferred[Any]:
        """Ask likewise; fires when all have answered, or a second has passed."""
        # Who asks may go away; then nobody else is there to see that the answers are not waited for any more.
        return gatherResults([each.process.ask(_PATIENCE) for each in self._served()], consumeErrors=True)

    def _served(self) -> list[WorkerRecord]:
        return [each for each in self.members if each.phase in _SERVED]

    def _drain(self, member: WorkerRecord, wait_for_idle: bool) -> None:
        member.retiring = True
        self.enter(member, WorkerPhase.DRAINING).drain(wait_for_idle=wait_for_idle)

    def _terminate(self, member: WorkerRecord, wait_for_idle: bool) -> None:
        member.retiring = True
        self.enter(member, WorkerPhase.TERMINATING).signal("TERM")

    def _dump(self, member: WorkerRecord, wait_for_idle: bool) -> None:
        process, silent = member.process, self._reactor.seconds() - member.heard
        words = (
            "worker {slot} (pid {pid}) is silent for {silent:.1f} s (watchdog): killed, and its stack follows"
        )
        self._log.error(words, slot=process.slot, pid=process.pid, silent=silent)
        self.enter(member, WorkerPhase.STUCK).signal("QUIT")

    def _kill(self, member: WorkerRecord, wait_for_idle: bool) -> None:
        slot, phase, rules = member.process.slot, member.phase, member.version.rules
        if phase is WorkerPhase.STARTING:
            member.process.failure = f"was not ready within {rules.boot_timeout:g} s (boot_timeout)"
        if phase is not WorkerPhase.STUCK:  # which has been said
            self._log.warn("worker {slot} is {phase} for too long: killed", slot=slot, phase=phase.value)
        self.enter(member, WorkerPhase.KILLED).signal("KILL")


_MEANS: Final[dict[type[Action], Callable[[WorkerSet, WorkerRecord, bool], None]]] = {
    Drain: WorkerSet._drain,
    Terminate: WorkerSet._terminate,
    Dump: WorkerSet._dump,
    Kill: WorkerSet._kill,
}

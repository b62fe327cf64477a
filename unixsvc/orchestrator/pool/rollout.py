"""What the workers of a service are to be, and the change to it that is under way."""

from __future__ import annotations

from collections.abc import Collection

from msgspec import Struct
from twisted.internet.defer import Deferred

from unixsvc.errors import ConfigError
from unixsvc.orchestrator.pool.policy import WorkerPhase, died_early
from unixsvc.orchestrator.pool.worker_record import WorkerRecord, WorkerSpec
from unixsvc.orchestrator.shared_result import SharedResult

__all__ = ["Rollout"]


class _Change(Struct, frozen=True):
    """The first start, a reload, or another number of workers.

    :ivar wanted: how many workers there are to be when it is done.
    :ivar before: what to go back to; None for the first start.
    """

    version: WorkerSpec
    wanted: int
    outcome: SharedResult
    before: tuple[WorkerSpec, int] | None = None


class Rollout:
    """Changes one at a time.

    A change is done when there is a ready worker of its version in each slot, and clients can connect to no
    other; it is undone when a new worker cannot start.

    :param where: the service, for messages.
    :ivar version: what new workers are.
    :ivar wanted: how many there should be: during a change, the more of before and after.
    :ivar problem: why the last change was given up; empty if it was not.
    """

    def __init__(self, where: str, version: WorkerSpec) -> None:
        self._where = where
        self.version = version
        self.wanted = version.wanted
        self.problem = ""
        self._boot = SharedResult()
        self._change: _Change | None = None
        self._swapped = False

    def replace(self, version: WorkerSpec) -> None:
        """Be another one, from the next start on."""
        self.version, self.wanted = version, version.wanted

    def boot(self) -> None:
        """Wait for the first workers."""
        self.problem = ""
        self._boot = SharedResult()
        self._change = _Change(self.version, self.wanted, self._boot)

    def when_ready(self) -> Deferred[None]:
        """Fires when the first workers are ready; fails with ConfigError if they cannot start."""
        return self._boot.wait()

    def change(self, version: WorkerSpec, wanted: int) -> Deferred[None]:
        """Have workers of another version, or another number of them.

        :returns: fires when it is done; fails with ConfigError when it is undone.
        """
        self.stop("another change came in between")  # after which things are as they were before that
        outcome = SharedResult()
        self._change = _Change(version, wanted, outcome, before=(self.version, self.wanted))
        self.version, self.wanted = version, max(wanted, self.wanted)
        return outcome.wait()

    def look(self, members: Collection[WorkerRecord]) -> None:
        """See whether the change is done."""
        change = self._change
        if change is None:
            return
        if not self._swapped and self._ready_slots(members).issuperset(range(1, change.wanted + 1)):
            self._swapped = True
            self.wanted, self.problem = change.wanted, ""
        # A client that connects once a change is said to be done does not meet what was there before.
        if self._swapped and not any(map(self._still_accepts, members)):
            self._end(None)

    def _still_accepts(self, member: WorkerRecord) -> bool:
        """Whether clients can come to a worker that is not to be there any more."""
        belongs = member.version.number == self.version.number and member.process.slot <= self.wanted
        if member.phase is WorkerPhase.READY:
            return not belongs
        return member.phase is WorkerPhase.DRAINING and not member.closed

    def lost(self, member: WorkerRecord, how: str, members: Collection[WorkerRecord], now: float) -> bool:
        """A worker has ended.

        :param members: those that are left.
        :returns: whether that makes the change fail. Where there is nothing to go back to, it is still to be
            given up then, with :meth:`stop`.
        """
        change = self._change
        if change is None or self._swapped or member.retiring:
            return False
        if member.version.number != change.version.number:
            return False
        reloads = change.before is not None and change.before[0].number != change.version.number
        # What a reload brings must show that it can stay; else only what was never ready is its fault.
        if not (died_early(member.view(change.version), now) if reloads else member.ready_at is None):
            return False
        if change.before is None:
            return True
        self._go_back()
        for each in members:
            if each.phase is WorkerPhase.READY:
                # It does its work, and the code that the old ones were made of is not to be had any more.
                each.version = self.version
        self.problem = f"the new workers cannot start, the old ones stay: {how}"
        self._end(ConfigError(self._where, f"the new workers cannot start: {how}", "the old ones stay"))
        return True

    def stop(self, why: str = "it was stopped") -> None:
        """Give up what is under way: it is as if it had not been asked for."""
        self._go_back()
        self._end(ConfigError(self._where, why))

    @property
    def booting(self) -> bool:
        """Whether the first workers are not ready yet."""
        return self._change is not None and self._change.before is None

    def all_ready(self, members: Collection[WorkerRecord]) -> bool:
        """Whether there is a ready worker in every slot."""
        return self._ready_slots(members).issuperset(range(1, self.wanted + 1))

    def _ready_slots(self, members: Collection[WorkerRecord]) -> set[int]:
        return {
            each.process.slot
            for each in members
            if each.phase is WorkerPhase.READY and each.version.number == self.version.number
        }

    def _go_back(self) -> None:
        change = self._change
        if change is not None and change.before is not None and not self._swapped:
            self.version, self.wanted = change.before

    def _end(self, result: Exception | None) -> None:
        change, self._change = self._change, None
        self._swapped = False
        if change is not None:
            change.outcome.settle(result)

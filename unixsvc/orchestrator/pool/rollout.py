"""The spec of the workers of a service, and the change of it that is in progress."""

from __future__ import annotations

from collections.abc import Collection

from msgspec import Struct
from msgspec.structs import replace
from twisted.internet.defer import Deferred

from unixsvc.errors import ConfigError
from unixsvc.execution.shared_result import SharedResult
from unixsvc.orchestrator.pool.model import WorkerPhase
from unixsvc.orchestrator.pool.policy import died_early
from unixsvc.orchestrator.pool.spec import WorkerSpec
from unixsvc.orchestrator.pool.worker_record import WorkerRecord

__all__ = ["Rollout"]


class _Change(Struct, frozen=True):
    """The first start, a reload, or another number of workers.

    :ivar wanted: the number of workers after the change.
    :ivar before: the spec and the number of workers to roll back to; None for the first start.
    """

    spec: WorkerSpec
    wanted: int
    result: SharedResult[None]
    before: tuple[WorkerSpec, int] | None = None


class _DebugSession(Struct, frozen=True):
    """A debug session.

    :ivar number: of the spec of its worker.
    :ivar after: the spec of the workers after it.
    """

    number: int
    after: WorkerSpec


class Rollout:
    """Carries out one change at a time.

    A change succeeds when each slot has a ready worker of the new spec and no other worker accepts
    connections. It is rolled back when a new worker cannot start.

    :param where: the service, for messages.
    :ivar spec: the spec of new workers.
    :ivar wanted: the number of workers that should run: during a change, the greater of before and after.
    :ivar problem: why the last change failed; empty if it succeeded.
    """

    def __init__(self, where: str, spec: WorkerSpec) -> None:
        self._where = where
        self.spec = spec
        self.wanted = spec.wanted
        self.problem = ""
        self._boot: SharedResult[None] = SharedResult()
        self._change: _Change | None = None
        self._all_ready = False
        self._debug: _DebugSession | None = None

    @property
    def is_debugging(self) -> bool:
        """Whether a debug session runs."""
        return self._debug is not None

    def is_debugged(self, record: WorkerRecord) -> bool:
        """Whether a worker is that of the debug session."""
        return self._debug is not None and record.spec.number == self._debug.number

    @property
    def is_starting(self) -> bool:
        """Whether the first workers are not ready yet."""
        return self._change is not None and self._change.before is None

    @property
    def in_progress(self) -> bool:
        """Whether there is a change in progress."""
        return self._change is not None

    def set_spec(self, spec: WorkerSpec) -> None:
        """Use another spec from the next start on, or after the debug session."""
        if self._debug is not None:
            self._debug = replace(self._debug, after=spec)
        else:
            self.spec, self.wanted = spec, spec.wanted

    def begin_debug(self, spec: WorkerSpec) -> Deferred[None]:
        """Begin to replace the workers by the one of a debug session.

        The first slot serves until that is ready. The workers of the others drain at once.

        :returns: as :meth:`begin_change`.
        """
        self.cancel("a debug session replaces this change")
        self._debug = _DebugSession(spec.number, replace(self.spec, wanted=self.wanted))
        done = self.begin_change(spec, 1)
        self.wanted = 1
        return done

    def end_debug(self) -> None:
        """Use the spec and the number of workers of before the debug session, or of the last reload."""
        debug, self._debug = self._debug, None
        if debug is not None:
            self.cancel("the debug session has ended")
            self.set_spec(debug.after)

    def begin_start(self) -> None:
        """Begin the first start."""
        self.problem = ""
        self._boot = SharedResult()
        self._change = _Change(self.spec, self.wanted, self._boot)

    def when_ready(self) -> Deferred[None]:
        """Fires when the first workers are ready; fails with ConfigError if they cannot start."""
        return self._boot.wait()

    def begin_change(self, spec: WorkerSpec, wanted: int) -> Deferred[None]:
        """Begin to replace the workers or to change their number; a change in progress is cancelled.

        :returns: fires when the change has succeeded; fails with ConfigError when it is rolled back.
        """
        self.cancel("another change replaces this one")  # its roll-back is the state before the new change
        result: SharedResult[None] = SharedResult()
        self._change = _Change(spec, wanted, result, before=(self.spec, self.wanted))
        self.spec, self.wanted = spec, max(wanted, self.wanted)
        return result.wait()

    def update(self, records: Collection[WorkerRecord]) -> bool:
        """Finish the change if it has succeeded.

        :returns: whether it has.
        """
        change = self._change
        if change is None:
            return False
        if not self._all_ready and self._ready_slots(records).issuperset(range(1, change.wanted + 1)):
            self._all_ready = True
            self.wanted, self.problem = change.wanted, ""
        # A client that connects after the end of a change must not meet an old worker.
        if self._all_ready and not any(map(self._accepts_unwanted, records)):
            self._finish(None)
        return self._change is None

    def worker_ended(
        self, record: WorkerRecord, reason: str, others: Collection[WorkerRecord], now: float
    ) -> bool:
        """Roll the change back if a worker has ended that it depends on.

        :param reason: why the worker has ended.
        :param others: the remaining workers.
        :param now: the time of its end, in seconds.
        :returns: whether the change has failed. The first start has nothing to roll back to; the caller has
            to :meth:`cancel` it.
        """
        change = self._change
        if change is None or not self._is_failure(change, record, now):
            return False
        if change.before is None:
            return True
        self._roll_back()
        for other in others:
            if other.phase is WorkerPhase.READY:
                # It serves, and the code of the old workers may not exist any more.
                other.spec = self.spec
        self.problem = f"the new workers cannot start, the old ones stay: {reason}"
        self._finish(ConfigError(self._where, f"the new workers cannot start: {reason}", "the old ones stay"))
        return True

    def cancel(self, reason: str = "it was stopped") -> None:
        """Roll back the change in progress, if any; its result is a ConfigError with the reason."""
        self._roll_back()
        self._finish(ConfigError(self._where, reason))

    def all_ready(self, records: Collection[WorkerRecord]) -> bool:
        """Whether every slot has a ready worker."""
        return self._ready_slots(records).issuperset(range(1, self.wanted + 1))

    def _is_failure(self, change: _Change, record: WorkerRecord, now: float) -> bool:
        """Whether the end of a worker makes the change fail."""
        if self._all_ready or record.retiring or record.spec.number != change.spec.number:
            return False
        reloads = change.before is not None and change.before[0].number != change.spec.number
        # New code must prove that it is stable. Otherwise only workers that never were ready count.
        return died_early(record.view(change.spec), now) if reloads else record.ready_at is None

    def _accepts_unwanted(self, record: WorkerRecord) -> bool:
        """Whether a worker accepts connections that should not run after the change."""
        wanted = record.spec.number == self.spec.number and record.process.slot <= self.wanted
        if record.phase is WorkerPhase.READY:
            return not wanted
        return record.phase is WorkerPhase.DRAINING and not record.closed

    def _ready_slots(self, records: Collection[WorkerRecord]) -> set[int]:
        return {
            record.process.slot
            for record in records
            if record.phase is WorkerPhase.READY and record.spec.number == self.spec.number
        }

    def _roll_back(self) -> None:
        change = self._change
        if change is not None and change.before is not None and not self._all_ready:
            self.spec, self.wanted = change.before

    def _finish(self, error: Exception | None) -> None:
        change, self._change = self._change, None
        self._all_ready = False
        if change is not None:
            change.result.fail(error) if error is not None else change.result.succeed(None)

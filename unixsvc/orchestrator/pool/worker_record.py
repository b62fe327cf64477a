"""One worker of a pool, and what it was started as."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from unixsvc.config.http import Http
from unixsvc.config.settings import Limits, Security, ServiceSettings
from unixsvc.orchestrator.pool.policy import SupervisionPolicy, WorkerPhase, WorkerView
from unixsvc.orchestrator.pool.process import InheritedFds, WorkerOwner, WorkerProcess
from unixsvc.orchestrator.status import WorkerSnapshot
from unixsvc.service.host import ServiceHost

__all__ = ["Recycling", "WorkerRecord", "WorkerSpec", "reason_to_recycle"]

# Limits after which a worker is replaced are up to a tenth higher, by chance: workers that have started
# together should not all be replaced together.
_SPREAD = 0.1


class Recycling(Struct, frozen=True):
    """When a worker has done enough; 0 is for never.

    :ivar max_memory: resident, in bytes.
    :ivar max_age: in seconds.
    """

    max_requests: int = 0
    max_memory: int = 0
    max_age: float = 0.0


class WorkerSpec(Struct, frozen=True):
    """What the workers of a service are, until the next reload.

    :ivar number: later ones have higher numbers.
    :ivar limits: the general ones, and those of the service.
    :ivar wanted: how many workers.
    :ivar make: makes the process for a slot; it is told where that serves, and whom to tell what becomes of
        it.
    :ivar host: makes the service itself, for one that runs in this process.
    :ivar http: what is particular to it, if it answers over HTTP.
    """

    number: int
    settings: ServiceSettings
    wanted: int
    rules: SupervisionPolicy
    recycling: Recycling
    make: Callable[[int, InheritedFds, WorkerOwner], WorkerProcess]
    host: Callable[[], ServiceHost]
    limits: Limits = Limits()
    security: Security = Security()
    http: Http | None = None

    def is_like(self, other: WorkerSpec) -> bool:
        """Whether it differs in nothing but the code, and how many there are."""
        ours, theirs = ((each.settings, each.limits, each.security, each.http) for each in (self, other))
        return ours == theirs


def reason_to_recycle(limits: Recycling, *, requests: int, memory: int, age: float, chance: float) -> str:
    """Why a worker has done enough; empty if it has not.

    :param memory: resident, in bytes.
    :param age: in seconds.
    :param chance: of this worker, from 0 to 1.
    """
    used = {"max_requests": requests, "max_memory": memory, "max_age": age}
    for name, value in used.items():
        limit = getattr(limits, name)
        if limit and value >= limit * (1 + chance * _SPREAD):
            return f"{name} is {limit:g}, and it has {value:g}"
    return ""


class WorkerRecord:
    """One worker.

    :param number: of all workers that the pool ever had.
    :param chance: from 0 to 1, by which its limits are higher than others'.
    :ivar spent: why it is to be replaced although it is well; empty if it is not.
    :ivar retiring: whether it was told to end.
    :ivar closed: whether it has said that nobody can connect to it any more.
    """

    def __init__(
        self, number: int, process: WorkerProcess, version: WorkerSpec, now: float, chance: float
    ) -> None:
        self.number = number
        self.process = process
        self.version = version
        self.phase = WorkerPhase.STARTING
        self.since = now
        self.ready_at: float | None = None
        self.heard = now
        self.spent = ""
        self.retiring = False
        self.closed = False
        self._started = now
        self._chance = chance

    def enter(self, phase: WorkerPhase, now: float) -> WorkerProcess:
        """Be in a phase from now on."""
        self.phase, self.since = phase, now
        if phase is WorkerPhase.READY:
            self.ready_at = self.heard = now
        return self.process

    def view(self, version: WorkerSpec) -> WorkerView:
        """What the policy looks at.

        :param version: what the workers are to be.
        """
        return WorkerView(
            number=self.number,
            slot=self.process.slot,
            phase=self.phase,
            since=self.since,
            rules=self.version.rules,
            heard=self.heard,
            ready_at=self.ready_at,
            outdated=self.version.number != version.number or bool(self.spent),
            retiring=self.retiring,
        )

    def find_if_spent(self, now: float) -> bool:
        """Look whether it has done enough; True when that is new."""
        status = self.process.status
        if self.spent or self.phase is not WorkerPhase.READY:
            return False
        self.spent = reason_to_recycle(
            self.version.recycling,
            requests=status.snapshot.requests,
            memory=status.memory,
            age=now - self._started,
            chance=self._chance,
        )
        return bool(self.spent)

    def stats(self, now: float) -> WorkerSnapshot:
        """What is known of it, as of its last report."""
        process = self.process
        return WorkerSnapshot(
            process.pid, self.phase.value, now - self._started, process.status, self.version.number
        )

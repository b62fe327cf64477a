"""A pool in memory, and what it needs."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, cast

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.orchestrator.pool.fake_processes import FakeProcess, Processes, config_for
from unixsvc.config.settings import ServiceSettings
from unixsvc.errors import ConfigError
from unixsvc.orchestrator.pool.model import SupervisionPolicy
from unixsvc.orchestrator.pool.pool import Pool
from unixsvc.orchestrator.pool.process import InheritedFds, WorkerOwner, WorkerProcess
from unixsvc.orchestrator.pool.recycling import Recycling
from unixsvc.orchestrator.pool.spec import WorkerSpec
from unixsvc.orchestrator.worker.messages import WorkerDraining, WorkerReady
from unixsvc.service.host import ServiceHost
from unixsvc.service.spec import StatsReport

__all__ = ["POLICY", "MemoryListener", "PoolTestCase", "generation_of", "spec_for"]

POLICY = SupervisionPolicy(boot_timeout=10, drain_timeout=30, kill_timeout=5)
_NO_LIMITS = Recycling()
_STEP = 0.125  # seconds; floats add it up without a rest


class MemoryListener:
    """Where a service would listen.

    :ivar done: what was done with it, in order.
    :ivar problem: why it cannot be opened; empty if it can.
    """

    def __init__(self) -> None:
        self.done: list[str] = []
        self.problem = ""

    @property
    def is_open(self) -> bool:
        """Whether clients could connect."""
        return self.done[-1:] == ["open"]

    def open(self) -> None:
        """Listen, unless it does."""
        if self.problem:
            raise ConfigError("the door", self.problem)
        if not self.is_open:
            self.done.append("open")

    def close(self) -> None:
        """Have clients refused."""
        if self.is_open:
            self.done.append("close")

    def remove(self) -> None:
        """Somebody else removes its path."""
        self.done.append("removed")

    def descriptors(self) -> tuple[int, ...]:
        """Descriptors, for those who accept."""
        if not self.is_open:
            raise ValueError("it is not open")
        return (7,)


class MemoryCounts:
    """Gives places away.

    :ivar taken: those that are not free.
    """

    def __init__(self) -> None:
        self.taken: set[int] = set()
        self.closed = False

    def fileno(self) -> int:
        """A descriptor, for the workers."""
        return 8

    def take(self) -> int:
        """A place."""
        place = next(each for each in range(1, 99) if each not in self.taken)
        self.taken.add(place)
        return place

    def free(self, place: int) -> None:
        """Not needed any more."""
        self.taken.remove(place)

    def close(self) -> None:
        """The page is not needed any more."""
        self.closed = True


def spec_for(
    reactor: Processes,
    number: int = 1,
    wanted: int = 2,
    policy: SupervisionPolicy = POLICY,
    recycling: Recycling = _NO_LIMITS,
) -> WorkerSpec:
    """What the workers of the service ``home`` are; their orders say the number."""
    settings = ServiceSettings("home:app", environment={"VERSION": str(number)})

    def make(slot: int, fds: InheritedFds, owner: WorkerOwner) -> WorkerProcess:
        return WorkerProcess(reactor, config_for(slot, settings), fds, owner)

    def host() -> ServiceHost:
        raise AssertionError("it runs in workers")

    return WorkerSpec(number, settings, wanted, policy, recycling, make, host)


def generation_of(process: FakeProcess) -> int:
    """The number of the version that a process was started as."""
    return int(process.worker_config.settings.environment["VERSION"])


class PoolTestCase(SynchronousTestCase):
    """Has a pool of two workers, and a clock.

    :ivar failures: the reasons that it has failed for.
    """

    def setUp(self) -> None:
        """Make it; it is not started yet."""
        self.failures: list[str] = []
        self.make_pool()

    def make_pool(
        self, wanted: int = 2, policy: SupervisionPolicy = POLICY, recycling: Recycling = _NO_LIMITS
    ) -> None:
        """A pool in a world of its own, with nothing started yet."""
        self.reactor = Processes()
        self.reactor.advance(100)  # so that no time is by chance that of the beginning
        self.listener = MemoryListener()
        self.counts_pages: list[MemoryCounts] = []
        self.pool = Pool(
            "home",
            self.reactor,
            self.spec(1, wanted, policy, recycling),
            cast(Any, self.listener),
            self.note,
            cast(Any, self.make_counts),
        )

    def make_counts(self) -> MemoryCounts:
        """A page for counts."""
        self.counts_pages.append(MemoryCounts())
        return self.counts_pages[-1]

    def spec(
        self,
        number: int,
        wanted: int = 2,
        policy: SupervisionPolicy = POLICY,
        recycling: Recycling = _NO_LIMITS,
    ) -> WorkerSpec:
        """A version of the service."""
        return spec_for(self.reactor, number, wanted, policy, recycling)

    def note(self, reason: str) -> None:
        """Has failed."""
        self.failures.append(reason)

    def run_pool(self) -> list[FakeProcess]:
        """Start it, and have its workers ready."""
        self.pool.startService()
        for each in self.reactor.started:
            each.report(WorkerReady())
        return list(self.reactor.started)

    def started_after(self, *known: FakeProcess) -> list[FakeProcess]:
        """The processes that were started besides those."""
        return [each for each in self.reactor.started if each not in known]

    def last(self) -> FakeProcess:
        """The process that was started last."""
        return self.reactor.started[-1]

    def phases(self) -> list[str]:
        """Of the workers that there are."""
        return [each.phase for each in self.pool.stats().workers]

    def slots_and_generations(self) -> list[tuple[int, int]]:
        """Of the processes that run and were not told to end."""
        wanted = [each for each in self.reactor.running if "drain" not in each.commands and not each.signals]
        return sorted((each.worker_config.slot, generation_of(each)) for each in wanted)

    def live(self, seconds: float, silent: Collection[FakeProcess] = ()) -> None:
        """Let time pass, in which all workers but the silent ones answer what they are asked."""
        for _ in range(round(seconds / _STEP)):
            before = {each.protocol: each.commands.count("stats") for each in self.reactor.running}
            self.reactor.advance(_STEP)
            for each in self.reactor.running:
                asked = each.commands.count("stats") > before.get(each.protocol, 0)
                if asked and each not in silent:
                    each.report(StatsReport())

    def close_drained(self) -> None:
        """Have all that were told to drain say that nobody can connect to them any more."""
        for each in self.reactor.running:
            if "drain" in each.commands:
                each.report(WorkerDraining())

    def drain(self, *processes: FakeProcess) -> None:
        """Have processes end as they were told."""
        for each in processes:
            self.assertEqual([command for command in each.commands if command != "stats"], ["drain"])
            each.end()

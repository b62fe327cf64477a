"""A pool with fake processes and a fake listener."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IStreamServerEndpoint
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.orchestrator.pool.fake_processes import FakeProcess, Processes, config_for
from unixsvc.config.http import Listen
from unixsvc.config.settings import ServiceSettings
from unixsvc.errors import ConfigError
from unixsvc.orchestrator.pool.model import Recycling, SupervisionPolicy
from unixsvc.orchestrator.pool.pool import Pool
from unixsvc.orchestrator.pool.process import InheritedFds, WorkerOwner, WorkerProcess
from unixsvc.orchestrator.pool.spec import WorkerSpec
from unixsvc.orchestrator.worker.messages import WorkerDraining, WorkerReady
from unixsvc.schedules.moment import Moment
from unixsvc.service.host import ServiceHost
from unixsvc.service.spec import StatsReport

__all__ = ["POLICY", "MemoryListener", "PoolTestCase", "generation_of", "spec_for"]

POLICY = SupervisionPolicy(boot_timeout=10, drain_timeout=30, kill_timeout=5)
_NO_LIMITS = Recycling()
_STEP = 0.125  # seconds; floats add it up without a rest


class MemoryListener:
    """A listener without sockets.

    :ivar done: the calls that changed its state, in order.
    :ivar changes: those that changed its addresses.
    :ivar problem: why it cannot be opened; empty if it can.
    """

    def __init__(self) -> None:
        self.done: list[str] = []
        self.changes: list[tuple[str, tuple[Listen, ...]]] = []
        self._listen: tuple[Listen, ...] = ()
        self.problem = ""
        self._removed = False
        self._descriptor = 7

    @property
    def is_open(self) -> bool:
        """Whether clients could connect."""
        return self.done[-1:] == ["open"]

    def open(self) -> None:
        """Open it, unless it is open."""
        if self.problem:
            raise ConfigError("the door", self.problem)
        if not self.is_open:
            self.done.append("open")

    def close(self) -> None:
        """Close it, if it is open."""
        if self.is_open:
            self.done.append("close")

    def remove(self) -> None:
        """Remove its path, as another process may."""
        self._removed = True

    def rebind(self) -> bool:
        """Bind it again if the path was removed; then it has another descriptor."""
        if not (self._removed and self.is_open):
            return False
        if self.problem:
            raise ConfigError("the door", self.problem)
        self._removed = False
        self._descriptor += 1
        return True

    def add(self, listen: Sequence[Listen]) -> None:
        """Open further addresses."""
        if self.problem and listen:
            raise ConfigError("the door", self.problem)
        self.changes.append(("add", tuple(listen)))

    def keep(self, listen: Sequence[Listen]) -> None:
        """Close all other addresses."""
        self.changes.append(("keep", tuple(listen)))
        self._listen = tuple(listen)

    def has(self, listen: Sequence[Listen]) -> bool:
        """Whether these were the last to be kept."""
        return self._listen == tuple(listen)

    def descriptors(self, listen: Sequence[Listen] = ()) -> tuple[int, ...]:
        """One descriptor, or that of each port."""
        if not self.is_open:
            raise ValueError("it is not open")
        return tuple(each.port for each in listen) or (self._descriptor,)

    def addresses(self) -> tuple[str, ...]:
        """One address, while it is open."""
        return ("unix:/door",) if self.is_open else ()


class MemoryCounts:
    """The shared page of connection counts, without memory.

    :ivar taken: the slots in use.
    """

    def __init__(self) -> None:
        self.taken: set[int] = set()
        self.closed = False

    def fileno(self) -> int:
        """A descriptor."""
        return 8

    def take(self) -> int:
        """Take the first free slot."""
        place = next(each for each in range(1, 99) if each not in self.taken)
        self.taken.add(place)
        return place

    def free(self, place: int) -> None:
        """Free a slot."""
        self.taken.remove(place)

    def close(self) -> None:
        """Record that the page was closed."""
        self.closed = True


def spec_for(
    reactor: Processes,
    number: int = 1,
    wanted: int = 2,
    policy: SupervisionPolicy = POLICY,
    recycling: Recycling = _NO_LIMITS,
) -> WorkerSpec:
    """A spec of the service ``home``; its workers have its number in their environment."""
    settings = ServiceSettings("home:app", environment={"VERSION": str(number)})

    def make(slot: int, fds: InheritedFds, owner: WorkerOwner) -> WorkerProcess:
        return WorkerProcess(reactor, config_for(slot, settings), fds, owner)

    def host(endpoint: IStreamServerEndpoint) -> Deferred[ServiceHost]:
        raise AssertionError("it runs in workers")

    return WorkerSpec(number, settings, wanted, policy, recycling, make, host)


def generation_of(process: FakeProcess) -> int:
    """The number of the spec that a process was started with."""
    return int(process.worker_config.settings.environment["VERSION"])


class PoolTestCase(SynchronousTestCase):
    """A test with a pool of two workers and a clock.

    :ivar failures: the reasons that the pool has reported.
    """

    def setUp(self) -> None:
        """Make a pool that is not started."""
        self.failures: list[str] = []
        self.make_pool()

    def make_pool(
        self, wanted: int = 2, policy: SupervisionPolicy = POLICY, recycling: Recycling = _NO_LIMITS
    ) -> None:
        """Make another pool with a reactor of its own."""
        self.reactor = Processes()
        self.reactor.advance(100)  # so that no time is equal to that of the start
        self.listener = MemoryListener()
        self.counts_pages: list[MemoryCounts] = []
        self.pool = Pool(
            "home",
            self.reactor,
            self.spec(1, wanted, policy, recycling),
            cast(Any, self.listener),
            self.note,
            cast(Any, lambda: self.make_counts()),
            now=self.now,
        )

    def now(self) -> Moment:
        """The time, for schedules."""
        seconds = self.reactor.seconds()
        return Moment(seconds, seconds)

    def make_counts(self) -> MemoryCounts:
        """Make a page of connection counts."""
        self.counts_pages.append(MemoryCounts())
        return self.counts_pages[-1]

    def spec(
        self,
        number: int,
        wanted: int = 2,
        policy: SupervisionPolicy = POLICY,
        recycling: Recycling = _NO_LIMITS,
    ) -> WorkerSpec:
        """A spec for the pool."""
        return spec_for(self.reactor, number, wanted, policy, recycling)

    def note(self, reason: str) -> None:
        """Record a failure of the pool."""
        self.failures.append(reason)

    def run_pool(self) -> list[FakeProcess]:
        """Start the pool and make its workers ready."""
        self.pool.startService()
        for each in self.reactor.started:
            each.report(WorkerReady())
        return list(self.reactor.started)

    def started_after(self, *known: FakeProcess) -> list[FakeProcess]:
        """The processes that were started in addition to some."""
        return [each for each in self.reactor.started if each not in known]

    def last(self) -> FakeProcess:
        """The process that was started last."""
        return self.reactor.started[-1]

    def phases(self) -> list[str]:
        """The phases of the workers."""
        return [each.phase for each in self.pool.stats().workers]

    def slots_and_generations(self) -> list[tuple[int, int]]:
        """The slots and specs of the processes that were not asked to exit."""
        wanted = [each for each in self.reactor.running if "drain" not in each.commands and not each.signals]
        return sorted((each.worker_config.slot, generation_of(each)) for each in wanted)

    def live(self, seconds: float, silent: Collection[FakeProcess] = ()) -> None:
        """Advance the clock; all workers but the silent ones answer requests for reports."""
        for _ in range(round(seconds / _STEP)):
            before = {each.protocol: each.commands.count("stats") for each in self.reactor.running}
            self.reactor.advance(_STEP)
            for each in self.reactor.running:
                asked = each.commands.count("stats") > before.get(each.protocol, 0)
                if asked and each not in silent:
                    each.report(StatsReport())

    def close_drained(self) -> None:
        """Let the processes that were drained report that they accept no connections."""
        for each in self.reactor.running:
            if "drain" in each.commands:
                each.report(WorkerDraining())

    def drain(self, *processes: FakeProcess) -> None:
        """Let processes that were drained exit."""
        for each in processes:
            self.assertEqual([command for command in each.commands if command != "stats"], ["drain"])
            each.end()

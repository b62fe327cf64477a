"""One run of the benchmark: its processes, and the systems that are started when they are first needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from msgspec import Struct

from bench.processes import ChildProcess, ProcessGroup
from bench.rounds import Group, Options
from bench.service import RunningSystem
from bench.systems import FLOOR, OURS, SYSTEMS, System, missing_requirement

__all__ = ["Part", "Session"]

# Systems of a smoke run: they need nothing that the project does not need itself.
_SMOKE_SYSTEMS: Final = ("echo", FLOOR, "json", OURS, "twisted", "amp")


class Session:
    """The systems of one run.

    :param report_progress: called with a description of the next step.
    :ivar skipped: names of systems that are missing, with the reason.
    """

    def __init__(
        self, processes: ProcessGroup, options: Options, report_progress: Callable[[str], object]
    ) -> None:
        self.processes = processes
        self.options = options
        self.report_progress = report_progress
        self.skipped: dict[str, str] = {}
        self._running: dict[tuple[str, int], RunningSystem] = {}

    def systems(self) -> Iterator[System]:
        """The systems that can be measured; a peer's environment is made when it is its turn."""
        for each in SYSTEMS:
            if self.options.smoke and each.name not in _SMOKE_SYSTEMS:
                continue
            if self.is_available(each.name, each.requirements):
                yield each

    def is_available(self, name: str, requirements: tuple[str, ...]) -> bool:
        """Whether a system can be run; if its requirements are not there, that is reported once."""
        if name in self.skipped:
            return False
        self.report_progress(f"looking for {name}")
        reason = missing_requirement(requirements)
        if reason:
            self.skipped[name] = reason
            self.report_progress(f"without {name}: {reason}")
        return not reason

    def running(self, system: System, routes: int = 0) -> RunningSystem:
        """The running system; it is started on the first call.

        :param routes: number of additional routes.
        """
        key = (system.name, routes)
        if key not in self._running:
            self.report_progress(f"starting {system.name}" + (f" with {routes:,} routes" if routes else ""))
            self._running[key] = system.start(self.processes, routes)
        return self._running[key]

    def stop(self, child: ChildProcess) -> None:
        """Stop a process that was started for one measurement."""
        self.processes.stop(child)

    def stop_large(self) -> None:
        """Stop the systems with additional routes, which use much memory."""
        for key in [each for each in self._running if each[1]]:
            self.processes.stop(self._running.pop(key).child)


class Part(Struct, frozen=True):
    """One part of the benchmark.

    :ivar title: a description in one line.
    :ivar groups: starts the systems and gives what is to be measured, group by group.
    """

    name: str
    title: str
    groups: Callable[[Session], Iterable[Group]]

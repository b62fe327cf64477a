"""Instructions of both revisions under the same loads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from bench import callgrind
from bench.compare.counted_client import CLIENTS
from bench.compare.counting import HTTP_WORKER, LOADS, SOCKET_WORKER, CountedClient, CountedService, Load
from bench.compare.result import INSTRUCTIONS, Comparison, compare
from bench.compare.sides import SideInstallation
from bench.processes import ProcessGroup
from bench.service import start_socket

__all__ = ["compare_instructions"]


def compare_instructions(
    sides: Sequence[SideInstallation],
    processes: ProcessGroup,
    patterns: Sequence[str],
    report_progress: Callable[[str], object],
) -> Iterator[Comparison]:
    """Compare the first side with the second.

    :param patterns: parts of the names of loads; others are left out.
    :raises BenchError: if valgrind is missing and cannot be installed.
    """
    callgrind.require_valgrind()
    loads = [each for each in LOADS if _is_wanted(each.name, patterns)]
    if loads:
        yield from _services(sides, processes, loads, report_progress)
    kinds = [kind for kind, names in CLIENTS.items() if any(_is_wanted(name, patterns) for name in names)]
    if kinds:
        yield from _clients(sides, processes, kinds, report_progress)


def _is_wanted(name: str, patterns: Sequence[str]) -> bool:
    return any(each in name for each in patterns)


def _services(
    sides: Sequence[SideInstallation],
    processes: ProcessGroup,
    loads: Sequence[Load],
    report_progress: Callable[[str], object],
) -> Iterator[Comparison]:
    report_progress("instructions: starting services under callgrind")
    services = [CountedService(processes, each.installation) for each in sides]
    starts = [each.start() for each in services]
    for load in loads:
        report_progress(f"instructions: {load.name}")
        base, head = (each.count(load) for each in services)
        yield _comparison(load.name, base, head, judged=True)
    for name in (SOCKET_WORKER, HTTP_WORKER):
        base, head = ([float(each[name])] for each in starts)
        yield _comparison(f"start, {name}", base, head, judged=False)
    for each in services:
        processes.stop(each.child)


def _clients(
    sides: Sequence[SideInstallation],
    processes: ProcessGroup,
    kinds: Sequence[str],
    report_progress: Callable[[str], object],
) -> Iterator[Comparison]:
    running = [start_socket(processes, installation=each.installation) for each in sides]
    for kind in kinds:
        loads = CLIENTS[kind]
        report_progress(f"instructions: {loads[0]}")
        clients = [
            CountedClient(processes, side.installation, service, kind)
            for side, service in zip(sides, running, strict=True)
        ]
        base, head = (each.wait() for each in clients)
        for load in loads:
            yield _comparison(load, base[load], head[load], judged=True)
    for service in running:
        processes.stop(service.child)


def _comparison(load: str, base: Sequence[float], head: Sequence[float], *, judged: bool) -> Comparison:
    return compare(load, INSTRUCTIONS, "", base, head, judged=judged)

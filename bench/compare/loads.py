"""CPU time, start-up time and memory of both revisions under the same loads, in alternating rounds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final

from bench.compare.result import Comparison, compare
from bench.compare.sides import SideInstallation
from bench.load.generator import Sample, measure_rate, measure_reconnects
from bench.load.raw_client import Workload
from bench.parts.footprint import idle_connections, idle_worker
from bench.parts.socket_load import measure_client
from bench.processes import ProcessGroup
from bench.rounds import Case, Group, Options, Row, measure_group
from bench.service import RunningSystem, http_load, socket_load, start_http, start_socket, start_workers

__all__ = ["compare_loads"]

_RECONNECTING_CLIENTS: Final = 2
_WORKERS: Final = 4
_HTTP_CONNECTIONS: Final = 20
_IDLE_CONNECTIONS: Final = 2_000
_CLIENTS: Final = {
    "Twisted client, 50 calls at a time": "bench.clients.unixsvc_twisted",
    "asyncio client, 50 calls at a time": "bench.clients.unixsvc_aio",
    "blocking client": "bench.clients.unixsvc_blocking",
}
_MEASURES: Final = {"µs": "CPU", "s": "time", "MB": "memory", "kB": "memory"}

Measure = Callable[[float], Sample]


def compare_loads(
    sides: Sequence[SideInstallation],
    processes: ProcessGroup,
    options: Options,
    patterns: Sequence[str],
    report_progress: Callable[[str], object],
) -> Iterator[Comparison]:
    """Compare the first side with the second.

    :param patterns: parts of the names of loads; others are left out.
    """
    for group in _groups(sides, processes, report_progress):
        if not any(each in group.load for each in patterns):
            continue
        base, head = measure_group("compare", group, options, report_progress)
        yield _comparison(base, head)


def _comparison(base: Row, head: Row) -> Comparison:
    if base.costs:
        return compare(base.load, "CPU", "µs", base.costs, head.costs)
    return compare(base.load, _MEASURES[base.unit], base.unit, base.each, head.each)


def _groups(
    sides: Sequence[SideInstallation], processes: ProcessGroup, report_progress: Callable[[str], object]
) -> Iterator[Group]:
    report_progress("starting services")
    running = [start_socket(processes, installation=each.installation) for each in sides]
    yield _group("50 connections", sides, running, lambda each: _rate(each, 50, 1))
    yield _group("50 connections, 16 in flight on each", sides, running, lambda each: _rate(each, 50, 16))
    yield _group("a connection per request, 1 worker", sides, running, _reconnects)
    for load, module in _CLIENTS.items():
        cases = [
            Case(side.name, partial(_client_cpu, processes, side, service, module))
            for side, service in zip(sides, running, strict=True)
        ]
        yield Group(load, cases, "µs", less=True)
    _stop(processes, running)
    running = [start_workers(processes, _WORKERS, installation=each.installation) for each in sides]
    yield _group(f"a connection per request, {_WORKERS} workers", sides, running, _reconnects)
    _stop(processes, running)
    running = [start_http(processes, installation=each.installation) for each in sides]
    yield _group("HTTP GET, 20 connections", sides, running, _http_get)
    yield _group("HTTP POST, 20 connections", sides, running, _http_post)
    _stop(processes, running)
    for load, unit, measure in (
        ("start until the first reply", "s", _start_seconds),
        ("idle worker", "MB", _idle_worker),
        ("each idle connection", "kB", _idle_connection),
    ):
        cases = [Case(each.name, partial(measure, processes, each)) for each in sides]
        yield Group(load, cases, unit, less=True)


def _group(
    load: str,
    sides: Sequence[SideInstallation],
    running: Sequence[RunningSystem],
    measure: Callable[[RunningSystem], Measure],
) -> Group:
    pairs = zip(sides, running, strict=True)
    return Group(load, [Case(side.name, measure(service), service) for side, service in pairs])


def _rate(running: RunningSystem, connections: int, depth: int) -> Measure:
    return partial(measure_rate, socket_load(running), connections, depth)


def _reconnects(running: RunningSystem) -> Measure:
    return partial(measure_reconnects, socket_load(running), _RECONNECTING_CLIENTS)


def _http_get(running: RunningSystem) -> Measure:
    return partial(measure_rate, http_load(running), _HTTP_CONNECTIONS, 1)


def _http_post(running: RunningSystem) -> Measure:
    return partial(measure_rate, http_load(running, Workload("/echo", "x" * 100)), _HTTP_CONNECTIONS, 1)


def _client_cpu(
    processes: ProcessGroup, side: SideInstallation, service: RunningSystem, module: str, seconds: float
) -> Sample:
    """CPU time of a call in the client."""
    arguments = [str(service.child.folder / "run"), service.token]
    sample = measure_client(processes, side.installation, module, arguments, seconds)
    return Sample(sample.detail["client µs"])


def _start_seconds(processes: ProcessGroup, side: SideInstallation, _: float) -> Sample:
    begin = time.perf_counter()
    running = start_socket(processes, installation=side.installation)
    elapsed = time.perf_counter() - begin
    _stop(processes, [running])
    return Sample(elapsed)


def _idle_worker(processes: ProcessGroup, side: SideInstallation, _: float) -> Sample:
    running = start_socket(processes, installation=side.installation)
    sample = idle_worker(running, socket_load(running))
    _stop(processes, [running])
    return sample


def _idle_connection(processes: ProcessGroup, side: SideInstallation, _: float) -> Sample:
    running = start_socket(processes, installation=side.installation)
    sample = idle_connections(running, socket_load(running), _IDLE_CONNECTIONS)
    _stop(processes, [running])
    return sample


def _stop(processes: ProcessGroup, running: Sequence[RunningSystem]) -> None:
    for each in running:
        processes.stop(each.child)

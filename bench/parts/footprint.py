"""The parts of the benchmark that measure memory and start-up time."""

from __future__ import annotations

import os
import resource
import signal
import time
from collections.abc import Callable, Iterator
from typing import Final

import psutil

from bench.load.generator import OpenConnection, Sample, measure_rate, send_one
from bench.load.raw_client import Workload
from bench.processes import BenchError
from bench.rounds import Case, Group
from bench.service import RunningSystem
from bench.session import Session
from bench.systems import OURS, System, load_for

__all__ = ["idle_connections", "idle_worker", "memory", "start"]

_IDLE_CONNECTIONS: Final = 10_000
_RESERVED_FILES: Final = 200  # file descriptors for other purposes
_WARM_UP: Final = 1.0  # seconds
_STEP: Final = 1.0  # seconds of load between two looks at the number of requests
_STABLE_AFTER: Final = 1.2  # seconds; a worker that dies earlier is restarted with a back-off


def memory(session: Session) -> Iterator[Group]:
    """Resident memory of a worker: idle, per idle connection, and after many requests."""
    count = min(_IDLE_CONNECTIONS, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - _RESERVED_FILES)
    if count < _IDLE_CONNECTIONS:
        session.report_progress(f"only {count:,} connections: RLIMIT_NOFILE allows no more")
    systems = [each for each in session.systems() if each.name not in ("echo", "nats")]
    fresh = {each.name: each.start(session.processes, 0) for each in systems}
    yield Group(
        "idle worker", [_case(each, fresh, idle_worker) for each in systems], "MB", less=True, once=True
    )
    cases = [_case(each, fresh, _connections(count)) for each in systems]
    yield Group(f"each of {count:,} idle connections", cases, "kB", less=True, once=True)
    requests = session.options.requests
    ours = [_case(each, fresh, _growth(requests)) for each in systems if each.name == OURS]
    yield Group(f"more after {requests:,} requests", ours, "MB", less=True, once=True)
    for running in fresh.values():
        session.stop(running.child)


def start(session: Session) -> Iterator[Group]:
    """From the command to the first reply; for unixsvc also from the death of a worker to the next reply."""
    systems = [each for each in session.systems() if each.name not in ("echo", "nats")]
    cases = [Case(each.name, _first_reply(session, each)) for each in systems]
    yield Group("start until the first reply", cases, "s", less=True)
    ours = next(each for each in systems if each.name == OURS)
    cases = [Case(OURS, _replacement(session, ours))]
    yield Group("kill -9 of a worker until the next reply", cases, "s", less=True)


def _case(
    system: System,
    fresh: dict[str, RunningSystem],
    measure: Callable[[RunningSystem, OpenConnection], Sample],
) -> Case:
    running = fresh[system.name]
    return Case(system.name, lambda _: measure(running, load_for(system, running, Workload())))


def _resident(running: RunningSystem) -> int:
    return int(running.server_processes()[0].memory_info().rss)


def idle_worker(running: RunningSystem, open_connection: OpenConnection) -> Sample:
    """Resident memory of a worker after one request, in MB; its detail holds the unshared part."""
    send_one(open_connection)
    full = running.server_processes()[0].memory_full_info()
    return Sample(full.rss / 1e6, detail={"of its own MB": full.uss / 1e6})


def idle_connections(running: RunningSystem, open_connection: OpenConnection, count: int) -> Sample:
    """Resident memory that each of many idle connections adds to a worker, in kB."""
    before = _resident(running)
    opened = []
    try:
        for _ in range(count):
            client, raw = open_connection()
            opened.append(client)
            client.sendall(raw.requests(1))
            while not raw.count_replies(client.recv(1 << 16)):
                pass
        after = _resident(running)
    finally:
        for each in opened:
            each.close()
    return Sample((after - before) / count / 1e3, detail={"worker MB": after / 1e6})


def _connections(count: int) -> Callable[[RunningSystem, OpenConnection], Sample]:
    return lambda running, open_connection: idle_connections(running, open_connection, count)


def _growth(requests: int) -> Callable[[RunningSystem, OpenConnection], Sample]:
    def measure(running: RunningSystem, open_connection: OpenConnection) -> Sample:
        measure_rate(open_connection, 50, 1, _WARM_UP)
        before, done = _resident(running), 0.0
        while done < requests:
            done += measure_rate(open_connection, 50, 1, _STEP).value * _STEP
        return Sample((_resident(running) - before) / 1e6, detail={"requests": done})

    return measure


def _first_reply(session: Session, system: System) -> Callable[[float], Sample]:
    def measure(_: float) -> Sample:
        begin = time.perf_counter()
        running = system.start(session.processes, 0)
        send_one(load_for(system, running, Workload()))
        elapsed = time.perf_counter() - begin
        session.stop(running.child)
        return Sample(elapsed)

    return measure


def _replacement(session: Session, system: System) -> Callable[[float], Sample]:
    def measure(_: float) -> Sample:
        running = system.start(session.processes, 0)
        opener = load_for(system, running, Workload())
        send_one(opener)
        time.sleep(_STABLE_AFTER)
        worker = running.server_processes()[0]
        if worker.pid == running.child.pid:
            raise BenchError("the service has no worker")
        begin = time.perf_counter()
        os.kill(worker.pid, signal.SIGKILL)
        exited = _wait_for_exit(worker)
        send_one(opener)
        elapsed = time.perf_counter() - begin
        session.stop(running.child)
        return Sample(elapsed, detail={"its end s": exited - begin})

    return measure


def _wait_for_exit(worker: psutil.Process) -> float:
    """The time when the worker can no longer accept connections."""
    while worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.001)
    return time.perf_counter()

"""The parts of the measurement that are about memory, and about the start."""

from __future__ import annotations

import os
import resource
import signal
import time
from collections.abc import Callable, Iterator

import psutil

from bench.children import Broken
from bench.load import Open, Sample, measure_rate
from bench.stage import Case, Group, Stage
from bench.systems import OURS, Started, System, talk_with
from bench.talking import Work

__all__ = ["memory", "start"]

_IDLE = 10_000
_FILES = 200  # descriptors that are for something else
_WARM = 1.0
_STEP = 1.0
_STABLE = 1.2  # seconds after which the death of a worker is nothing that needs patience


def memory(stage: Stage) -> Iterator[Group]:
    """What a worker has resident: idle, for each idle connection, and after many requests."""
    count = min(_IDLE, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - _FILES)
    if count < _IDLE:
        stage.say(f"only {count:,} connections: RLIMIT_NOFILE allows no more")
    systems = [each for each in stage.systems() if each.name not in ("echo", "nats")]
    fresh = {each.name: each.start(stage.children, 0) for each in systems}
    yield Group("idle worker", [_case(each, fresh, _idle) for each in systems], "MB", less=True, once=True)
    cases = [_case(each, fresh, _connections(count)) for each in systems]
    yield Group(f"each of {count:,} idle connections", cases, "kB", less=True, once=True)
    requests = stage.options.requests
    ours = [_case(each, fresh, _growth(requests)) for each in systems if each.name == OURS]
    yield Group(f"more after {requests:,} requests", ours, "MB", less=True, once=True)
    for started in fresh.values():
        stage.ended(started.child)


def start(stage: Stage) -> Iterator[Group]:
    """From the command to the first answer; for ours also from a worker's sudden death to the next one."""
    systems = [each for each in stage.systems() if each.name not in ("echo", "nats")]
    cases = [Case(each.name, _first_answer(stage, each)) for each in systems]
    yield Group("start until the first answer", cases, "s", less=True)
    ours = next(each for each in systems if each.name == OURS)
    cases = [Case(OURS, _again(stage, ours))]
    yield Group("kill -9 of a worker until the next answer", cases, "s", less=True)


def _case(system: System, fresh: dict[str, Started], measure: Callable[[Started, Open], Sample]) -> Case:
    started = fresh[system.name]
    return Case(system.name, lambda _: measure(started, talk_with(system, started, Work())))


def _resident(started: Started) -> int:
    return int(started.serving()[0].memory_info().rss)


def _idle(started: Started, talk: Open) -> Sample:
    _ask(talk)
    full = started.serving()[0].memory_full_info()
    return Sample(full.rss / 1e6, detail={"of its own MB": full.uss / 1e6})


def _connections(count: int) -> Callable[[Started, Open], Sample]:
    def measure(started: Started, talk: Open) -> Sample:
        before = _resident(started)
        opened = []
        try:
            for _ in range(count):
                client, talker = talk()
                opened.append(client)
                client.sendall(talker.ask(1))
                while not talker.heard(client.recv(1 << 16)):
                    pass
            after = _resident(started)
        finally:
            for each in opened:
                each.close()
        return Sample((after - before) / count / 1e3, detail={"worker MB": after / 1e6})

    return measure


def _growth(requests: int) -> Callable[[Started, Open], Sample]:
    def measure(started: Started, talk: Open) -> Sample:
        measure_rate(talk, 50, 1, _WARM)
        before, done = _resident(started), 0.0
        while done < requests:
            done += measure_rate(talk, 50, 1, _STEP).value * _STEP
        return Sample((_resident(started) - before) / 1e6, detail={"requests": done})

    return measure


def _ask(talk: Open) -> None:
    client, talker = talk()
    with client:
        client.sendall(talker.ask(1))
        while not talker.heard(client.recv(1 << 16)):
            pass


def _first_answer(stage: Stage, system: System) -> Callable[[float], Sample]:
    def measure(_: float) -> Sample:
        suspended = time.perf_counter()
        started = system.start(stage.children, 0)
        _ask(talk_with(system, started, Work()))
        taken = time.perf_counter() - suspended
        stage.ended(started.child)
        return Sample(taken)

    return measure


def _again(stage: Stage, system: System) -> Callable[[float], Sample]:
    def measure(_: float) -> Sample:
        started = system.start(stage.children, 0)
        talk = talk_with(system, started, Work())
        _ask(talk)
        time.sleep(_STABLE)
        worker = started.serving()[0]
        if worker.pid == started.child.pid:
            raise Broken("there is no worker")
        suspended = time.perf_counter()
        os.kill(worker.pid, signal.SIGKILL)
        worker_gone = _gone(worker)
        _ask(talk)
        taken = time.perf_counter() - suspended
        stage.ended(started.child)
        return Sample(taken, detail={"its end s": worker_gone - suspended})

    return measure


def _gone(worker: psutil.Process) -> float:
    """When nobody can be accepted by it any more."""
    while worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.001)
    return time.perf_counter()

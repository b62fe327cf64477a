"""The parts of the measurement that load a Unix socket."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

from msgspec import Struct

from bench.load import Open, Sample, measure_connects, measure_latency, measure_rate
from bench.stage import Case, Group, Stage
from bench.systems import OURS, Started, System, talk_with
from bench.talking import Work

__all__ = ["Part", "clients", "connections", "inflight", "payload", "reconnect", "routes"]

_SHOW = Work()
_TEXTS = {"100 B": 100, "10 kB": 10_000, "1 MB": 1_000_000}
_ROUTES = (10, 1_000, 10_000)


class Part(Struct, frozen=True):
    """One part of the measurement.

    :ivar title: what it is for.
    :ivar groups: what is measured in it; only while they are asked for, systems are started.
    """

    name: str
    title: str
    groups: Callable[[Stage], Iterable[Group]]


def connections(stage: Stage) -> Iterator[Group]:
    """So many connections, each with one request at a time."""
    if not stage.options.smoke:
        yield _group(stage, "1 connection", measure_latency)
    yield _rate(stage, "50 connections", 50)
    if not stage.options.smoke:
        yield _rate(stage, "1,000 connections", 1000)


def inflight(stage: Stage) -> Iterator[Group]:
    """Connections with several requests at a time, which HTTP/1.1 has as pipelining."""
    yield _rate(stage, "50 connections, 16 in flight on each", 50, 16)


def reconnect(stage: Stage) -> Iterator[Group]:
    """A connection for each request."""
    load = "one connection a request, 2 clients"
    yield _group(stage, load, lambda talk, seconds: measure_connects(talk, 2, seconds))


def payload(stage: Stage) -> Iterator[Group]:
    """Texts that are sent back."""
    for name, size in _TEXTS.items():
        yield _rate(stage, f"{name} there and back, 8 connections", 8, work=Work("/echo", "x" * size))


def routes(stage: Stage) -> Iterator[Group]:
    """Tables of routes; the last of them is asked for."""
    cases = []
    for number in _ROUTES[:: 2 if stage.options.smoke else 1]:
        for system in stage.systems():
            if system.routes:
                started = stage.started(system, number)
                measure = _rated(talk_with(system, started, Work(f"/r{number - 1}/7")), 50)
                cases.append(Case(system.name, measure, started, f"{number:,} routes, 50 connections"))
    yield Group("routes", cases)
    stage.clear()


def clients(stage: Stage) -> Iterator[Group]:
    """Each system with its own client for Python, in a process of its own."""
    cases = []
    for system in stage.systems():
        for name, module in system.caller:
            started = stage.started(system)
            cases.append(Case(name, _calling(stage, system, started, module), started))
    yield Group("Python client, 50 calls at a time", cases)


def _rate(stage: Stage, load: str, count: int, depth: int = 1, work: Work = _SHOW) -> Group:
    return _group(stage, load, lambda talk, seconds: measure_rate(talk, count, depth, seconds), work)


def _group(stage: Stage, load: str, measure: Callable[..., Sample], work: Work = _SHOW) -> Group:
    cases = []
    for system in stage.systems():
        started = stage.started(system)
        talk = system.talk(started, work)
        if talk is not None:
            cases.append(Case(system.name, partial(measure, talk), started))
    return Group(load, cases)


def _rated(talk: Open, count: int) -> Callable[[float], Sample]:
    return lambda seconds: measure_rate(talk, count, 1, seconds)


def _calling(stage: Stage, system: System, started: Started, module: str) -> Callable[[float], Sample]:
    command = [sys.executable, "-m", module, *_where(system, started)]

    def measure(seconds: float) -> Sample:
        folder = stage.children.folder("caller")
        child = stage.children.start("caller", [*command, str(seconds)], folder)
        told = json.loads(child.wait(seconds + 30).splitlines()[-1])
        stage.children.end(child)
        cost = 1e6 * told["own"] / told["value"]  # what a call costs the program that makes it
        return Sample(told["value"], told["own"], told["count"], {"client µs": cost})

    return measure


def _where(system: System, started: Started) -> Sequence[str]:
    if system.name == OURS:
        return [str(started.child.folder / "run"), started.token]
    return [started.address if isinstance(started.address, str) else str(started.address[1])]

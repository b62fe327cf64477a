"""The parts of the benchmark that load a Unix socket."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final

from bench.load.generator import OpenConnection, Sample, measure_latency, measure_rate, measure_reconnects
from bench.load.raw_client import Workload, one_message
from bench.processes import ProcessGroup
from bench.rounds import Case, Group
from bench.service import CURRENT, Installation, RunningSystem
from bench.session import Session
from bench.systems import ACCEPT, LONG_TOKEN, OURS, System, load_for

__all__ = ["clients", "connections", "in_flight", "measure_client", "payload", "reconnect", "routes"]

_SHOW: Final = Workload()
_RECONNECTING: Final = 4
_TEXTS: Final = {"100 B": 100, "10 kB": 10_000, "1 MB": 1_000_000}
_ROUTES: Final = (10, 1_000, 10_000)


def connections(session: Session) -> Iterator[Group]:
    """Numbers of connections, each with one request at a time."""
    if not session.options.smoke:
        yield _group(session, "1 connection", measure_latency)
    yield _rate(session, "50 connections", 50)
    if not session.options.smoke:
        yield _rate(session, "1,000 connections", 1000)


def in_flight(session: Session) -> Iterator[Group]:
    """Connections with several requests in flight; HTTP/1.1 has this as pipelining."""
    yield _rate(session, "50 connections, 16 in flight on each", 50, 16)


def reconnect(session: Session) -> Iterator[Group]:
    """A connection for each request; then the same with clients that let the server close it."""
    load = f"a connection for each request, {_RECONNECTING} clients"
    group = _group(session, load, _reconnects)
    accept = session.running(ACCEPT)
    least = Case(ACCEPT.name, partial(_reconnects, load_for(ACCEPT, accept, _SHOW)), accept)
    yield Group(group.load, [least, *group.cases])
    cases = []
    for system in (ACCEPT, *(each for each in session.systems() if each.name == OURS)):
        running = session.running(system)
        opener = one_message(running.address, _SHOW, token=running.token or LONG_TOKEN)
        cases.append(Case(system.name, partial(_reconnects, opener), running))
    yield Group(f"a connection for each request, closed by the server, {_RECONNECTING} clients", cases)


def _reconnects(opener: OpenConnection, seconds: float) -> Sample:
    return measure_reconnects(opener, _RECONNECTING, seconds)


def payload(session: Session) -> Iterator[Group]:
    """Texts that are echoed."""
    for name, size in _TEXTS.items():
        workload = Workload("/echo", "x" * size)
        yield _rate(session, f"{name} there and back, 8 connections", 8, workload=workload)


def routes(session: Session) -> Iterator[Group]:
    """Route tables of several sizes; requests go to the last route."""
    cases = []
    for number in _ROUTES[:: 2 if session.options.smoke else 1]:
        for system in session.systems():
            if system.routes:
                running = session.running(system, number)
                opener = load_for(system, running, Workload(f"/r{number - 1}/7"))
                measure = partial(measure_rate, opener, 50, 1)
                cases.append(Case(system.name, measure, running, f"{number:,} routes, 50 connections"))
    yield Group("routes", cases)
    session.stop_large()


def clients(session: Session) -> Iterator[Group]:
    """Each system with its own Python client, in a process of its own."""
    cases = []
    for system in session.systems():
        for name, module in system.clients:
            running = session.running(system)
            arguments = _client_arguments(system, running)
            measure = partial(measure_client, session.processes, CURRENT, module, arguments)
            cases.append(Case(name, measure, running))
    yield Group("Python client, 50 concurrent calls", cases)


def _rate(session: Session, load: str, count: int, depth: int = 1, workload: Workload = _SHOW) -> Group:
    return _group(
        session, load, lambda opener, seconds: measure_rate(opener, count, depth, seconds), workload
    )


def _group(session: Session, load: str, measure: Callable[..., Sample], workload: Workload = _SHOW) -> Group:
    cases = []
    for system in session.systems():
        running = session.running(system)
        opener = system.load(running, workload)
        if opener is not None:
            cases.append(Case(system.name, partial(measure, opener), running))
    return Group(load, cases)


def measure_client(
    processes: ProcessGroup, installation: Installation, module: str, arguments: Sequence[str], seconds: float
) -> Sample:
    """Run a Python client; its result holds the CPU time of a call in the client, in microseconds.

    :param module: of the client, with :mod:`bench.clients` as its model.
    :param arguments: that tell it where its server is.
    """
    command = [installation.python, "-m", module, *arguments, str(seconds)]
    child = processes.start("client", command, processes.new_folder("client"), installation.environment)
    result = json.loads(child.wait(seconds + 30).splitlines()[-1])
    processes.stop(child)
    cost = 1e6 * result["own"] / result["value"]
    return Sample(result["value"], result["own"], result["count"], {"client µs": cost})


def _client_arguments(system: System, running: RunningSystem) -> Sequence[str]:
    if system.name == OURS:
        return [str(running.child.folder / "run"), running.token]
    return [running.address if isinstance(running.address, str) else str(running.address[1])]

"""The part of the benchmark about several workers of one service."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

from bench.load.generator import OpenConnection, measure_reconnects
from bench.load.raw_client import Workload, one_message
from bench.rounds import Case, Group
from bench.service import RunningSystem, socket_load, start_workers
from bench.session import Session
from bench.systems import OURS

__all__ = ["workers"]

_WORKERS: Final = (1, 2, 4)
_CLIENTS: Final = 4


def workers(session: Session) -> Iterator[Group]:
    """A connection for each request, and the CPU time that it costs all workers of a service together."""
    running = {number: start_workers(session.processes, number) for number in _WORKERS}
    load = f"a connection for each request, {_CLIENTS} clients"
    yield Group(load, [_case(load, number, each, socket_load(each)) for number, each in running.items()])
    load = f"a connection for each request, closed by the server, {_CLIENTS} clients"
    openers = {number: _one_message(each) for number, each in running.items()}
    yield Group(load, [_case(load, number, each, openers[number]) for number, each in running.items()])
    for each in running.values():
        session.stop(each.child)


def _one_message(running: RunningSystem) -> OpenConnection:
    return one_message(running.address, Workload(), token=running.token)


def _case(load: str, number: int, running: RunningSystem, opener: OpenConnection) -> Case:
    measure = partial(measure_reconnects, opener, _CLIENTS)
    return Case(OURS, measure, running, f"{load}, {number} {'worker' if number == 1 else 'workers'}")

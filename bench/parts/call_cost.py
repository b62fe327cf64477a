"""The part of the benchmark for one call at a time: what it costs the calling program."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Final

from bench.load.generator import Sample
from bench.parts.socket_load import measure_client
from bench.rounds import Case, Group
from bench.service import CURRENT, start_socket
from bench.session import Session
from bench.systems import OURS

__all__ = ["call"]

_BARE: Final = "bench.clients.bare_socket"
_CLIENTS: Final = {
    OURS: ("bench.clients.unixsvc_blocking",),
    "bare socket": (_BARE, "blocking"),
    "bare, poll": (_BARE, "poll"),
    "bare, JSON": (_BARE, "json"),
}


def call(session: Session) -> Iterator[Group]:
    """One call at a time on a kept connection: the blocking client, and bare sockets that send the same.

    A call to a worker on another core costs more than one on the same core. The scheduler moves processes
    that wait for each other from one case to the other, so each is measured.
    """
    cores = sorted(os.sched_getaffinity(0))
    with _on(cores[0]):
        running = start_socket(session.processes)
    arguments = [str(running.child.folder / "run"), running.token]
    if len(cores) > 1:
        yield _group(session, "one call at a time, worker on another core", cores[1], arguments)
    yield _group(session, "one call at a time, worker on the same core", cores[0], arguments)
    session.stop(running.child)


def _group(session: Session, load: str, core: int, arguments: Sequence[str]) -> Group:
    cases = []
    for name, (module, *kind) in _CLIENTS.items():
        cases.append(Case(name, partial(_measure, session, core, module, [*kind, *arguments])))
    return Group(load, cases, "µs", less=True)


def _measure(session: Session, core: int, module: str, arguments: Sequence[str], seconds: float) -> Sample:
    """CPU time of a call in the client, in microseconds."""
    with _on(core):
        sample = measure_client(session.processes, CURRENT, module, arguments, seconds)
    return Sample(sample.detail["client µs"], detail={"calls/s": sample.value})


@contextmanager
def _on(core: int) -> Iterator[None]:
    """Child processes that are started here run on one core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)

"""The part of the benchmark that counts instructions: slow, but independent of the load of the machine."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Final

from bench import callgrind
from bench.load.generator import Sample
from bench.rounds import Case, Group
from bench.session import Session
from bench.systems import FLOOR, OURS

__all__ = ["instructions"]

_FEW, _MANY = 500, 2500  # requests; the difference is their cost without the start of the interpreter
_TIMEOUT: Final = 600.0  # seconds


def instructions(session: Session) -> Iterator[Group]:
    """Instructions of a request in Python, without sockets, as callgrind counts them."""
    if not session.is_available("callgrind", ("valgrind!",)):
        return
    cases = [Case(name, _measure(session, name)) for name in (FLOOR, OURS, "twisted")]
    yield Group("instructions per request, without sockets", cases, "1,000", less=True, once=True)


def _measure(session: Session, name: str) -> Callable[[float], Sample]:
    def measure(_: float) -> Sample:
        few, many = (_count(session, name, requests) for requests in (_FEW, _MANY))
        return Sample((many - few) / (_MANY - _FEW) / 1e3)

    return measure


def _count(session: Session, name: str, requests: int) -> int:
    folder = session.processes.new_folder("callgrind")
    program = [sys.executable, "-m", "bench.parts.in_memory", name, str(requests)]
    command = [*callgrind.command("out"), *program]
    child = session.processes.start("callgrind", command, folder, {"PYTHONHASHSEED": "0"})
    log = child.wait(_TIMEOUT)
    session.stop(child)
    return callgrind.total_in_log(log)

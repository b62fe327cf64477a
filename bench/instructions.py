"""The part of the measurement that counts instructions: slow, but the same on a machine that is busy."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable, Iterator

from bench.children import Broken
from bench.load import Sample
from bench.stage import Case, Group, Stage
from bench.systems import FLOOR, OURS

__all__ = ["instructions"]

_FEW, _MANY = 500, 2500  # requests; the difference is what they cost without the start
_PATIENCE = 600.0


def instructions(stage: Stage) -> Iterator[Group]:
    """What Python does for a request, without sockets, as callgrind counts it."""
    if not stage.has("callgrind", ("valgrind!",)):
        return
    cases = [Case(kind, _counting(stage, kind)) for kind in (FLOOR, OURS, "twisted")]
    yield Group("instructions for a request, without sockets", cases, "1,000", less=True, once=True)


def _counting(stage: Stage, kind: str) -> Callable[[float], Sample]:
    def measure(_: float) -> Sample:
        few, many = (_counted(stage, kind, count) for count in (_FEW, _MANY))
        return Sample((many - few) / (_MANY - _FEW) / 1e3)

    return measure


def _counted(stage: Stage, kind: str, count: int) -> int:
    valgrind = str(shutil.which("valgrind"))
    folder = stage.children.folder("callgrind")
    command = [
        valgrind,
        "--tool=callgrind",
        "--callgrind-out-file=out",
        sys.executable,
        "-m",
        "bench.counted",
    ]
    child = stage.children.start("callgrind", [*command, kind, str(count)], folder, {"PYTHONHASHSEED": "0"})
    log = child.wait(_PATIENCE)
    stage.children.end(child)
    found = re.search(r"Collected : (\d+)", log)
    if not found:
        raise Broken(f"callgrind counts nothing:\n{log}")
    return int(found[1])

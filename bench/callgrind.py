"""Runs programs under valgrind's callgrind, which counts the instructions that they execute.

A program under :func:`command` with ``marker`` writes a file of counts, and starts to count from 0 again,
each time it calls ``os.getloadavg()``: the C function of that name is exported by every C library, costs
next to nothing, and is not used by the programs that are measured.
"""

from __future__ import annotations

import gc
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench.processes import BenchError

__all__ = ["command", "mark", "require_valgrind", "settle", "total_in_file", "total_in_log"]

_MARKER: Final = "getloadavg"
_CACHE_MISS: Final = "find_name_in_mro"  # the C function that CPython calls on a miss
# Parts of tox that run at the same time wait for each other: apt-get itself fails if another one is at work.
_APT_GET: Final = ("flock", "/var/lib/apt/lists", "apt-get")
_INSTALL: Final = (
    (*_APT_GET, "update"),
    (*_APT_GET, "install", "-y", "--no-install-recommends", "valgrind"),
)
_HELP: Final = "Install Debian's package valgrind."


def require_valgrind() -> None:
    """Install valgrind from Debian's packages if it is missing.

    :raises BenchError: if it cannot be installed, with instructions.
    """
    if shutil.which("valgrind"):
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise BenchError(f"no program valgrind, and only root can install it, with apt-get. {_HELP}")
    for each in _INSTALL:
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        if subprocess.run(each, env=environment, check=False, capture_output=True).returncode != 0:  # noqa: S603
            raise BenchError(f"no program valgrind, and {' '.join(each)} failed. {_HELP}")


def command(output: str, *, marker: bool = False) -> list[str]:
    """The command to put before a program and its arguments.

    :param output: file of the counts; with ``marker``, ``.1``, ``.2`` and so on are appended.
    :param marker: whether :func:`mark` writes a file.
    """
    options = [f"--callgrind-out-file={output}", *([f"--dump-before={_MARKER}"] if marker else [])]
    return [str(shutil.which("valgrind")), "--tool=callgrind", *options]


def settle() -> None:
    """Hide all objects of this program from the garbage collector: what it costs then depends on new ones."""
    gc.collect()
    gc.freeze()


def mark() -> None:
    """Write the counts since the last mark, in a program under callgrind, and start to count from 0.

    The garbage of the time before is collected after that: so each segment of a program begins with an empty
    young generation, and the cost of collecting its garbage is part of the next one.
    """
    os.getloadavg()
    gc.collect()


def total_in_file(path: Path) -> int:
    """The instructions in a file of counts, without those of misses in the type attribute cache of CPython.

    The slots of that cache depend on the addresses of names. Two names that share a slot cost up to 2 % of
    all instructions; whether there are such names is a matter of chance, and any change affects it.

    :raises BenchError: if there is no such file, or it is incomplete.
    """
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError as error:
        raise BenchError(f"callgrind wrote no counts: {error}") from None
    totals = [line for line in lines if line.startswith(("totals: ", "summary: "))]
    if not totals:
        raise BenchError(f"{path}: no total of instructions")
    return int(totals[0].split()[1]) - _inclusive_cost(lines, _CACHE_MISS)


def _inclusive_cost(lines: Sequence[str], function: str) -> int:
    """The instructions of all calls of a function, with those that it calls.

    For each call the file has ``cfn=(id) name``, with the name only at its first occurrence, ``calls=…``, and
    a line with the position and the cost. The result is 0 if the program has no symbols.
    """
    ids: set[str] = set()
    cost, called, follows = 0, "", False
    for line in lines:
        if follows:
            follows = False
            cost += int(line.split()[1]) if called in ids else 0
        elif line.startswith(("fn=", "cfn=")):
            called, _, name = line.partition("=")[2].partition(" ")
            if name == function:
                ids.add(called)
        elif line.startswith("calls="):
            follows = True
    return cost


def total_in_log(log: str) -> int:
    """The instructions of a whole run, from the log of callgrind.

    :raises BenchError: if the log has no total.
    """
    found = re.search(r"Collected : (\d+)", log)
    if not found:
        raise BenchError(f"callgrind counted nothing:\n{log}")
    return int(found[1])

"""Runs programs under valgrind's callgrind, which counts the instructions that they execute.

A program under :func:`command` with ``marker`` writes a file of counts, and starts to count from 0 again,
each time it calls ``os.getloadavg()``: the C function of that name is exported by every C library, costs
next to nothing, and is not used by the programs that are measured.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

from bench.processes import BenchError

__all__ = ["command", "mark", "require_valgrind", "total_in_file", "total_in_log"]

_MARKER: Final = "getloadavg"
_INSTALL: Final = (
    ("apt-get", "update"),
    ("apt-get", "install", "-y", "--no-install-recommends", "valgrind"),
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


def mark() -> None:
    """Write the counts since the last mark, in a program under callgrind."""
    os.getloadavg()


def total_in_file(path: Path) -> int:
    """The instructions in a file of counts.

    :raises BenchError: if there is no such file, or it is incomplete.
    """
    try:
        text = path.read_text(errors="replace")
    except OSError as error:
        raise BenchError(f"callgrind wrote no counts: {error}") from None
    found = re.search(r"^(?:totals|summary): (\d+)", text, re.MULTILINE)
    if not found:
        raise BenchError(f"{path}: no total of instructions")
    return int(found[1])


def total_in_log(log: str) -> int:
    """The instructions of a whole run, from the log of callgrind.

    :raises BenchError: if the log has no total.
    """
    found = re.search(r"Collected : (\d+)", log)
    if not found:
        raise BenchError(f"callgrind counted nothing:\n{log}")
    return int(found[1])

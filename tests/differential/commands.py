"""Runs commands on both sides, and compares their output and exit codes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pty
import signal
import struct
import termios
from collections.abc import Callable
from fcntl import ioctl

from msgspec import Struct

from tests.differential.compare import View
from tests.differential.generate.cli.commands import Command
from tests.differential.generate.cli.files import FILES
from tests.differential.normalise import figures, normalised
from tests.differential.sides import Side
from tests.differential.texts import (
    TEXT,
    without_colours,
    without_help,
    without_json,
    without_module,
    without_stderr,
    without_table,
)

__all__ = ["Outcome", "command_view", "run_command", "write_files"]

_TIMEOUT = 120.0  # seconds; only when something is wrong
_FIXED = {
    "COLUMNS": "100",
    "LINES": "40",
    "TERM": "xterm",
    "LANG": "C.UTF-8",
    "LC_ALL": "C.UTF-8",
    "PYTHONHASHSEED": "0",
}


class Outcome(Struct, frozen=True):
    """The output, the exit code and the files of a command."""

    code: int
    out: bytes
    err: bytes


_OUTPUTS: dict[str, Callable[[str], str]] = {
    "data": lambda text: text,
    "json": lambda text: without_json(text.encode()).decode(),
    "text": lambda text: f"{text.count(chr(10))} lines of {TEXT}",
    "help": without_help,
    "module": without_module,
    "table": without_table,
    "figures": lambda text: text,
    "log": lambda text: "",
}


def _normal_output(command: Command, out: bytes) -> str:
    if command.output != "figures":
        return normalised(out, "output").decode("utf-8", "replace")
    return normalised(figures(out), "output", "figures").decode("utf-8", "replace")


def command_view(command: Command, outcome: Outcome) -> View:
    """The outcome in the form that is compared."""
    out = "" if command.output == "log" else _normal_output(command, outcome.out)
    err = normalised(outcome.err, "output").decode("utf-8", "replace")
    code = f"exit code {outcome.code}"
    plain = _OUTPUTS[command.output](out)
    if command.terminal and not outcome.code:
        plain = _OUTPUTS[command.output](without_colours(out))
        plain = without_json(plain.encode()).decode()
    if command.output == "figures" and out.startswith("{"):
        plain = without_json(out.replace("N", "0").encode()).decode()
    if outcome.code and command.terminal:
        plain = f"{out.count(chr(10))} lines of {TEXT}"
    help_text = command.output == "help" and not outcome.code
    structure = without_help(err) if help_text else without_stderr(err)
    return View(
        (
            code,
            *(f"out: {line!r}" for line in out.splitlines()),
            *(f"err: {line!r}" for line in err.splitlines()),
        ),
        (
            code,
            *(f"out: {line!r}" for line in plain.splitlines()),
            *(f"err: {line!r}" for line in structure.splitlines()),
        ),
    )


def write_files(side: Side) -> None:
    """Write the files that commands read."""
    for name, content in FILES.items():
        path = side.folder / "required" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)


async def run_command(command: Command, side: Side) -> Outcome:
    """Run a command in the folder of a side, to its end."""
    program = side.program
    words = program.twistd(*command.arguments) if command.twistd else program.unixsvc(*command.arguments)
    if command.closed == "closed":
        words = ["sh", "-c", 'exec "$@" >&-', "sh", *words]
    ours, theirs = _terminal() if command.terminal else os.pipe()
    process = await asyncio.create_subprocess_exec(
        *words,
        cwd=side.folder / command.folder,
        env={**program.environment, **_FIXED, **command.environment},
        stdin=asyncio.subprocess.PIPE,
        stdout=theirs,
        stderr=theirs if command.terminal else asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    os.close(theirs)
    if command.closed == "pipe":
        os.close(ours)
    try:
        async with asyncio.timeout(_TIMEOUT):
            out = b""
            if command.closed != "pipe":
                interrupted = process.pid if command.interrupted else 0
                reading = asyncio.to_thread(_read, ours, interrupted)
                (_, err), out = await asyncio.gather(process.communicate(command.stdin), reading)
            else:
                _, err = await process.communicate(command.stdin)
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        return Outcome(-1, b"", b"it does not end\n")
    assert process.returncode is not None
    return Outcome(process.returncode, out, err or b"")


def _terminal() -> tuple[int, int]:
    """Both ends of a terminal of 100 columns."""
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    return ours, theirs


def _read(ours: int, interrupted: int) -> bytes:
    """The whole output to a pipe or a terminal.

    :param interrupted: a process that gets SIGINT after its first line, if any.
    """
    pieces: list[bytes] = []
    with contextlib.suppress(OSError):  # Linux reports a closed terminal like this
        while piece := os.read(ours, 65_536):
            pieces.append(piece)
            if interrupted and b"\n" in piece:
                os.kill(interrupted, signal.SIGINT)
                interrupted = 0
    os.close(ours)
    return b"".join(pieces)

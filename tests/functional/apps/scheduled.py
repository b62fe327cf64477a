"""Jobs that record each of their runs in a file."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from pathlib import Path

from unixsvc import App, JobRun, every

_FOLDER = Path(__file__).parent


def _record(run: JobRun) -> None:
    """Add a line in one step."""
    tick = run.scheduled_at.isoformat(timespec="microseconds")
    line = f"{tick} {run.attempt} {os.getpid()}\n".encode()
    file = os.open(_FOLDER / f"{run.schedule}.runs", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(file, line)
    os.close(file)


def once(run: JobRun) -> None:
    """Record the run, and die after that if a test asks for it."""
    _record(run)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(_FOLDER / "die")
        os.kill(os.getpid(), signal.SIGKILL)


async def repeated(run: JobRun) -> None:
    """Record the run, after a turn of asyncio's event loop."""
    await asyncio.sleep(0)
    _record(run)


app = App(
    [],
    schedules=[
        every("10ms", once, catch_up=True),
        every("10ms", repeated, catch_up=True, rerun=True),
    ],
)

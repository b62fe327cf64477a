"""An application that records each run of its action in a file that outlives its worker."""

from __future__ import annotations

import os
from typing import Annotated

from msgspec import Meta
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from unixsvc import POST, App, Conflict, Group

RUNS = "runs"


class Counting:
    """Runs of all kinds of actions."""

    def __init__(self, reactor: IReactorTime) -> None:
        self._reactor = reactor

    async def run(self, name: str, seconds: Annotated[float, Meta(ge=0)] = 0.0) -> dict[str, str | int]:
        """Record the name, wait, and return the worker."""
        _note(name)
        await deferLater(self._reactor, seconds)
        return {"name": name, "pid": os.getpid()}

    async def fail(self, name: str) -> None:
        """Record the name, and fail with the worker."""
        _note(name)
        raise Conflict({"pid": os.getpid()})


def _note(name: str) -> None:
    # One write, appended: those of other workers stand before or after it.
    file = os.open(RUNS, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(file, name.encode() + b"\n")
    os.close(file)


app = App(
    [
        Group(
            "",
            Counting,
            [
                POST("/run", Counting.run),
                POST("/shielded", Counting.run, shield=True),
                POST("/fail", Counting.fail),
            ],
        )
    ]
)

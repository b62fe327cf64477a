"""An application that records its actions in a file that outlives its workers, and streams."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from unixsvc import GET, POST, App, Gone, Group

_CALL_LOG = os.path.join(os.path.dirname(__file__), "call_log")


class CallLog:
    """Records and numbers."""

    def __init__(self, reactor: IReactorTime) -> None:
        self._reactor = reactor

    async def note(self, name: str, seconds: float = 0.0) -> str:
        """Record a name, and take some time."""
        _write(name)
        await deferLater(self._reactor, seconds)
        return name

    async def show(self, id: int, seconds: float = 0.0) -> dict[str, int]:
        """Take some time."""
        await deferLater(self._reactor, seconds)
        return {"id": id}

    async def numbers(self, count: int) -> AsyncIterator[int]:
        """Count, and record the last number at the end."""
        number = 0
        try:
            for number in range(count):
                yield number
        finally:
            _write(f"left at {number}")

    async def broken(self) -> AsyncIterator[int]:
        """Fail after two items."""
        yield 0
        yield 1
        raise Gone("there are no more")


def _write(line: str) -> None:
    file = os.open(_CALL_LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(file, line.encode() + b"\n")  # one write, appended: those of other workers stand around it
    os.close(file)


app = App(
    [
        Group(
            "",
            CallLog,
            [
                POST("/note", CallLog.note),
                GET("/item/{id:int}", CallLog.show),
                GET("/numbers", CallLog.numbers),
                GET("/broken", CallLog.broken),
            ],
        )
    ]
)

"""A program that reads a long stream slowly: ``python -m tests.functional.slow_stream_reader …``.

Its arguments are KIND DIR TOKEN ITEMS.

It prints, as JSON, the growth of its memory, and the longest time of another call meanwhile, in seconds.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

import unixsvc.aio
import unixsvc.blocking
from unixsvc.telemetry.memory import ResidentMemory

_PAUSES = 5
_PAUSE = 0.3  # seconds
_WARM_UP = 5_000  # items


class Reader:
    """What all clients share.

    :param items: the number of items.
    """

    def __init__(self, items: int) -> None:
        self._resident = ResidentMemory()
        self._before = 0
        self._every = items // _PAUSES
        self.items = items
        self.grown = 0
        self.call = 0.0

    def item(self, number: int) -> bool:
        """Count an item; True if it is time to sleep."""
        if number == 0:
            self._before = self._resident()
        pause = number % self._every == self._every - 1
        if pause:
            self.measure()
        return pause

    def measure(self) -> None:
        """Record the memory."""
        self.grown = max(self.grown, self._resident() - self._before)


def read_blocking(client: unixsvc.blocking.Client, reader: Reader) -> None:
    """Read with the blocking client, which uses a connection for each call."""
    for number, each in enumerate(client.stream("GET", "/count", {"to": reader.items})):
        assert each["number"] == number
        if reader.item(number):
            started = time.monotonic()
            client.get("/-/ping")
            reader.call = max(reader.call, time.monotonic() - started)
            time.sleep(_PAUSE)
            reader.measure()


async def read_async(client: Any, reader: Reader, sleep: Any) -> None:
    """Read with the others, on one connection."""
    number = 0
    async for each in client.stream("GET", "/count", {"to": reader.items}):
        assert each["number"] == number
        if reader.item(number):
            started = time.monotonic()
            await client.get("/-/ping")
            reader.call = max(reader.call, time.monotonic() - started)
            await sleep(_PAUSE)
            reader.measure()
        number += 1
    assert number == reader.items


async def _aio(options: dict[str, Any], readers: list[Reader]) -> None:
    async with unixsvc.aio.Client("streaming", **options) as client:
        for each in readers:
            await read_async(client, each, asyncio.sleep)


def _twisted(options: dict[str, Any], readers: list[Reader]) -> None:
    from twisted.internet import reactor, task
    from twisted.internet.defer import Deferred

    from unixsvc import Client

    async def main() -> None:
        async with Client("streaming", **options) as client:
            for each in readers:
                await read_async(client, each, lambda seconds: task.deferLater(reactor, seconds))

    task.react(lambda _: Deferred.fromCoroutine(main()).addCallback(lambda _: _print(readers[-1])))


def _print(reader: Reader) -> None:
    sys.stdout.write(json.dumps({"grown": reader.grown, "call": reader.call}) + "\n")
    sys.stdout.flush()


def main(kind: str, socket_dir: str, token: str, items: str) -> None:
    """Read twice: after the first time, everything is loaded."""
    options: dict[str, Any] = {"socket_dir": socket_dir, "token": token, "connections": 1}
    readers = [Reader(_WARM_UP), Reader(int(items))]
    if kind == "twisted":
        _twisted(options, readers)
        return
    if kind == "aio":
        asyncio.run(_aio(options, readers))
    else:
        with unixsvc.blocking.Client("streaming", **options) as client:
            for each in readers:
                read_blocking(client, each)
    _print(readers[-1])


if __name__ == "__main__":
    main(*sys.argv[1:])

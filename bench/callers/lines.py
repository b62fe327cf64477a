"""A client on plain Twisted for JSON lines: one connection, a Deferred for each id. A path, seconds."""

from __future__ import annotations

import json
import sys
from itertools import count as numbers
from typing import Any

from twisted.internet import epollreactor

epollreactor.install()

from twisted.internet.defer import Deferred, gatherResults  # noqa: E402  # only now
from twisted.internet.endpoints import UNIXClientEndpoint, connectProtocol  # noqa: E402
from twisted.internet.task import react  # noqa: E402
from twisted.protocols.basic import LineOnlyReceiver  # noqa: E402

from bench.callers.lanes import LANES, Count, expect  # noqa: E402


class _Client(LineOnlyReceiver):
    delimiter = b"\n"

    def __init__(self) -> None:
        self._waiting: dict[int, Deferred[Any]] = {}
        self._numbers = numbers()

    def get(self, path: str) -> Deferred[Any]:
        """Ask."""
        number = next(self._numbers)
        self.sendLine(json.dumps({"id": number, "path": path}).encode())
        answered: Deferred[Any] = Deferred()
        self._waiting[number] = answered
        return answered

    def lineReceived(self, line: bytes) -> None:
        """Hand an answer to whom it is for."""
        message = json.loads(line)
        self._waiting.pop(message["id"]).callback(message["data"])


async def _main(reactor: Any, path: str, seconds: str) -> None:
    client = await connectProtocol(UNIXClientEndpoint(reactor, path), _Client())
    expect(await client.get("/user/7"))
    count = Count(float(seconds))
    lane = count.lane
    await gatherResults([Deferred.fromCoroutine(lane(lambda: client.get("/user/7"))) for _ in range(LANES)])
    count.tell()


if __name__ == "__main__":
    react(lambda reactor, *args: Deferred.fromCoroutine(_main(reactor, *args)), sys.argv[1:])

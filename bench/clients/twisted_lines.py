"""JSON lines on plain Twisted: one connection, a Deferred for each id; arguments: path, seconds."""

from __future__ import annotations

import itertools
import json
import sys
from typing import Any

from twisted.internet import epollreactor

epollreactor.install()

from twisted.internet.defer import Deferred, gatherResults  # noqa: E402  # only after the reactor is installed
from twisted.internet.endpoints import UNIXClientEndpoint, connectProtocol  # noqa: E402
from twisted.internet.task import react  # noqa: E402
from twisted.protocols.basic import LineOnlyReceiver  # noqa: E402

from bench.clients.concurrent_calls import CONCURRENCY, CallCounter, check_result  # noqa: E402


class _Client(LineOnlyReceiver):
    delimiter = b"\n"

    def __init__(self) -> None:
        self._waiting: dict[int, Deferred[Any]] = {}
        self._numbers = itertools.count()

    def get(self, path: str) -> Deferred[Any]:
        """Send a request."""
        number = next(self._numbers)
        self.sendLine(json.dumps({"id": number, "path": path}).encode())
        reply: Deferred[Any] = Deferred()
        self._waiting[number] = reply
        return reply

    def lineReceived(self, line: bytes) -> None:
        """Fire the Deferred of the request."""
        message = json.loads(line)
        self._waiting.pop(message["id"]).callback(message["data"])


async def _main(reactor: Any, path: str, seconds: str) -> None:
    client = await connectProtocol(UNIXClientEndpoint(reactor, path), _Client())
    check_result(await client.get("/user/7"))
    counter = CallCounter(float(seconds))
    calls = [counter.call_repeatedly(lambda: client.get("/user/7")) for _ in range(CONCURRENCY)]
    await gatherResults([Deferred.fromCoroutine(each) for each in calls])
    counter.write_result()


if __name__ == "__main__":
    react(lambda reactor, *args: Deferred.fromCoroutine(_main(reactor, *args)), sys.argv[1:])

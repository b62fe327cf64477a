"""``unixsvc.Client`` on the asyncio reactor over uvloop; arguments: socket directory, token, seconds."""

from __future__ import annotations

import sys

import uvloop
from twisted.internet import asyncioreactor

asyncioreactor.install(uvloop.new_event_loop())

from twisted.internet.defer import Deferred, gatherResults  # noqa: E402  # only after the reactor is installed
from twisted.internet.task import react  # noqa: E402

from bench.clients.concurrent_calls import CONCURRENCY, CallCounter, check_result  # noqa: E402
from unixsvc import Client  # noqa: E402


async def _main(reactor: object, socket_dir: str, token: str, seconds: str) -> None:
    async with Client("bench", socket_dir=socket_dir, token=token) as client:
        check_result(await client.get("/user/7"))
        counter = CallCounter(float(seconds))
        calls = [counter.call_repeatedly(lambda: client.get("/user/7")) for _ in range(CONCURRENCY)]
        await gatherResults([Deferred.fromCoroutine(each) for each in calls])
        counter.write_result()


if __name__ == "__main__":
    react(lambda reactor, *args: Deferred.fromCoroutine(_main(reactor, *args)), sys.argv[1:])

"""``unixsvc.Client``, on Twisted's asyncio reactor over uvloop: a socket directory, a token, seconds."""

from __future__ import annotations

import sys

import uvloop
from twisted.internet import asyncioreactor

asyncioreactor.install(uvloop.new_event_loop())

from twisted.internet.defer import Deferred, gatherResults  # noqa: E402  # only now
from twisted.internet.task import react  # noqa: E402

from bench.callers.lanes import LANES, Count, expect  # noqa: E402
from unixsvc import Client  # noqa: E402


async def _main(reactor: object, socket_dir: str, token: str, seconds: str) -> None:
    async with Client("bench", socket_dir=socket_dir, token=token) as client:
        expect(await client.get("/user/7"))
        count = Count(float(seconds))
        lane = count.lane
        await gatherResults(
            [Deferred.fromCoroutine(lane(lambda: client.get("/user/7"))) for _ in range(LANES)]
        )
        count.tell()


if __name__ == "__main__":
    react(lambda reactor, *args: Deferred.fromCoroutine(_main(reactor, *args)), sys.argv[1:])

"""``unixsvc.aio.Client`` on uvloop; arguments: socket directory, token, seconds."""

from __future__ import annotations

import asyncio
import sys

import uvloop

from bench.clients.concurrent_calls import CONCURRENCY, CallCounter, check_result
from unixsvc.aio import Client


async def _main(socket_dir: str, token: str, seconds: str) -> None:
    async with Client("bench", socket_dir=socket_dir, token=token) as client:
        check_result(await client.get("/user/7"))
        counter = CallCounter(float(seconds))
        await asyncio.gather(
            *[counter.call_repeatedly(lambda: client.get("/user/7")) for _ in range(CONCURRENCY)]
        )
        counter.write_result()


if __name__ == "__main__":
    uvloop.run(_main(*sys.argv[1:]))

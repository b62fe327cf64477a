"""``unixsvc.aio.Client`` on uvloop: a socket directory, a token, seconds."""

from __future__ import annotations

import asyncio
import sys

import uvloop

from bench.callers.lanes import LANES, Count, expect
from unixsvc.aio import Client


async def _main(socket_dir: str, token: str, seconds: str) -> None:
    async with Client("bench", socket_dir=socket_dir, token=token) as client:
        expect(await client.get("/user/7"))
        count = Count(float(seconds))
        await asyncio.gather(*[count.lane(lambda: client.get("/user/7")) for _ in range(LANES)])
        count.tell()


if __name__ == "__main__":
    uvloop.run(_main(*sys.argv[1:]))

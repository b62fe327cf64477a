"""nats-py on uvloop, by way of the server: its port, seconds."""

from __future__ import annotations

import asyncio
import sys

import msgspec
import nats
import uvloop

from bench.callers.lanes import LANES, Count, expect

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


async def _main(port: str, seconds: str) -> None:
    client = await nats.connect(f"nats://127.0.0.1:{port}")

    async def show() -> object:
        return _decode((await client.request("bench.show", _encode({"id": 7}), timeout=10)).data)

    expect(await show())
    count = Count(float(seconds))
    await asyncio.gather(*[count.lane(show) for _ in range(LANES)])
    count.tell()
    await client.close()


if __name__ == "__main__":
    uvloop.run(_main(*sys.argv[1:]))

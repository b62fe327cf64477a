"""grpc.aio with one channel: a path, seconds."""

from __future__ import annotations

import asyncio
import sys

import grpc  # type: ignore[import-untyped]
import msgspec

from bench.callers.lanes import LANES, Count, expect

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


async def _main(path: str, seconds: str) -> None:
    async with grpc.aio.insecure_channel(f"unix:{path}") as channel:
        show = channel.unary_unary("/bench.Users/Show", _encode, _decode)
        expect(await show({"id": 7}))
        count = Count(float(seconds))
        await asyncio.gather(*[count.lane(lambda: show({"id": 7})) for _ in range(LANES)])
        count.tell()


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))

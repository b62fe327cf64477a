"""grpc.aio with one channel; arguments: path, seconds."""

from __future__ import annotations

import asyncio
import sys

import grpc
import msgspec

from bench.clients.concurrent_calls import CONCURRENCY, CallCounter, check_result

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


async def _main(path: str, seconds: str) -> None:
    async with grpc.aio.insecure_channel(f"unix:{path}") as channel:
        show = channel.unary_unary("/bench.Users/Show", _encode, _decode)
        check_result(await show({"id": 7}))
        counter = CallCounter(float(seconds))
        await asyncio.gather(*[counter.call_repeatedly(lambda: show({"id": 7})) for _ in range(CONCURRENCY)])
        counter.write_result()


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))

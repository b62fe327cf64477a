"""nats-py on uvloop, through the NATS server; arguments: its port, seconds."""

from __future__ import annotations

import asyncio
import sys

import msgspec
import nats
import uvloop

from bench.clients.concurrent_calls import CONCURRENCY, CallCounter, check_result

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


async def _main(port: str, seconds: str) -> None:
    client = await nats.connect(f"nats://127.0.0.1:{port}")

    async def show() -> object:
        return _decode((await client.request("bench.show", _encode({"id": 7}), timeout=10)).data)

    check_result(await show())
    counter = CallCounter(float(seconds))
    await asyncio.gather(*[counter.call_repeatedly(show) for _ in range(CONCURRENCY)])
    counter.write_result()
    await client.close()


if __name__ == "__main__":
    uvloop.run(_main(*sys.argv[1:]))

"""A service on nats-py behind a NATS server; arguments: its port, a file to create when it is ready."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import msgspec
import nats
import uvloop
from msgspec import Struct

from bench.servers.data import show


class _Shown(Struct):
    id: int


class _Text(Struct):
    text: str


_show = msgspec.json.Decoder(_Shown).decode
_text = msgspec.json.Decoder(_Text).decode
_encode = msgspec.json.Encoder().encode


async def _answer_show(message: Any) -> None:
    await message.respond(_encode(show(_show(message.data).id)))


async def _answer_echo(message: Any) -> None:
    await message.respond(_encode(_text(message.data)))


async def _serve(port: str, ready: str) -> None:
    client = await nats.connect(f"nats://127.0.0.1:{port}")
    await client.subscribe("bench.show", cb=_answer_show)
    await client.subscribe("bench.echo", cb=_answer_echo)
    await client.flush()
    Path(ready).touch()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(_serve(*sys.argv[1:]))

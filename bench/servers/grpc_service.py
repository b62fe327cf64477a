"""A service on grpc.aio; its messages are JSON as bytes, which is cheaper than protobuf."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import grpc
import msgspec
from msgspec import Struct

from bench.servers.data import show


class _Shown(Struct):
    id: int


class _Text(Struct):
    text: str


_show = msgspec.json.Decoder(_Shown).decode
_text = msgspec.json.Decoder(_Text).decode
_encode = msgspec.json.Encoder().encode


async def _answer_show(request: bytes, context: Any) -> bytes:
    return _encode(show(_show(request).id))


async def _answer_echo(request: bytes, context: Any) -> bytes:
    return _encode(_text(request))


async def _serve(path: str) -> None:
    server = grpc.aio.server()
    handlers = {
        "Show": grpc.unary_unary_rpc_method_handler(_answer_show),
        "Echo": grpc.unary_unary_rpc_method_handler(_answer_echo),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("bench.Users", handlers),))
    server.add_insecure_port(f"unix:{path}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1]))

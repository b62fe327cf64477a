"""JSON lines in the most obvious way: decode a line, encode the reply, write it."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import msgspec
import uvloop

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class JsonLines(asyncio.Protocol):
    """One connection."""

    def connection_made(self, transport: Any) -> None:
        """Keep the transport."""
        self._write = transport.write
        self._rest = b""

    def data_received(self, data: bytes) -> None:
        """Answer each line."""
        *lines, self._rest = (self._rest + data if self._rest else data).split(b"\n")
        for line in lines:
            message = _decode(line)
            result = message["data"] if message["path"] == "/echo" else {"id": 7, "name": "user 7"}
            self._write(_encode({"id": message["id"], "code": 200, "data": result}) + b"\n")


async def _serve(path: str) -> None:
    server = await asyncio.get_running_loop().create_unix_server(JsonLines, path, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(sys.argv[1]))

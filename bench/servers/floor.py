"""The least that a service on JSON lines can do: decode each message, send a fixed reply."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import msgspec
import uvloop
from msgspec import Raw, Struct

_REPLY = b'{"id":10,"code":200,"data":{"id":7,"name":"user 7"}}\n'


class Message(Struct):
    """The fields of a message."""

    id: int
    path: str
    auth_token: str = ""
    data: Raw = Raw(b"null")


_decode = msgspec.json.Decoder(Message).decode


class Floor(asyncio.Protocol):
    """One connection."""

    def connection_made(self, transport: Any) -> None:
        """Keep the transport."""
        self._write = transport.write
        self._rest: list[bytes] = []

    def data_received(self, data: bytes) -> None:
        """Answer each line."""
        if self._rest:
            self._rest.append(data)
            if not data.endswith(b"\n"):
                return
            data = b"".join(self._rest)
            self._rest = []
        elif not data.endswith(b"\n"):
            self._rest = [data]
            return
        if data.count(b"\n") == 1:
            self._write(_answer(data))
        else:
            self._write(b"".join([_answer(line) for line in data[:-1].split(b"\n")]))


def _answer(line: bytes) -> bytes:
    message = _decode(line)
    if message.path == "/echo":
        return b"".join((b'{"id":10,"code":200,"data":', message.data, b"}\n"))
    return _REPLY


async def _serve(path: str) -> None:
    server = await asyncio.get_running_loop().create_unix_server(Floor, path, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(sys.argv[1]))

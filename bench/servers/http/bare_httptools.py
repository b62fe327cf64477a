"""llhttp on uvloop without a server around it: the least that HTTP can cost in Python.

Arguments: ``fixed`` for a prepared answer, or ``json`` to decode and encode JSON; port.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import msgspec
import uvloop
from httptools import HttpRequestParser

from bench.servers.data import NewUser, create, show

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(NewUser).decode
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: "


class _Connection(asyncio.Protocol):
    """One connection; the parser calls its ``on_`` methods."""

    def connection_made(self, transport: Any) -> None:
        self._write = transport.write
        self._feed = HttpRequestParser(self).feed_data

    def data_received(self, data: bytes) -> None:
        self._feed(data)

    def on_url(self, url: bytes) -> None:
        self._url, self._body = url, b""

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        content = self.content()
        self._write(b"%b%d\r\n\r\n%b" % (_HEAD, len(content), content))

    def content(self) -> bytes:
        if self._body:
            new = _decode(self._body)
            return _encode(create(new.name, new.age))
        return _encode(show(int(self._url[6:])))


class _Fixed(_Connection):
    _SHOWN = _encode(show(7))
    _CREATED = _encode(create("Ada", 36))

    def content(self) -> bytes:
        return self._CREATED if self._body else self._SHOWN


async def _serve(kind: str, port: int) -> None:
    factory = _Fixed if kind == "fixed" else _Connection
    server = await asyncio.get_running_loop().create_server(factory, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(sys.argv[1], int(sys.argv[2])))

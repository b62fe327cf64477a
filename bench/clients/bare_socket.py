"""The least that one call at a time costs its caller; arguments: kind, socket directory, token, seconds.

- ``blocking``: sends prepared bytes, and receives until the end of a line, on a socket that blocks.
- ``poll``: with poll(2) before each receive, as a deadline needs it. It costs less: a receive that blocks is
  woken a second time by Linux, when the service reads the request.
- ``json``: as ``blocking``, with the request encoded and the reply decoded.
"""

from __future__ import annotations

import os
import select
import socket
import sys
from typing import Final

import msgspec

from bench.clients.concurrent_calls import BATCH, CallCounter, check_result

_SIZE: Final = 65536
_TIMEOUT: Final = 30.0  # seconds
_encode, _decode = msgspec.json.Encoder().encode, msgspec.json.Decoder().decode
_MESSAGE: Final = _encode({"id": 100_000, "path": "/user/7", "timeout": _TIMEOUT}) + b"\n"


def _blocking(connection: socket.socket) -> bytes:
    sendall, recv = connection.sendall, connection.recv
    data = b""
    for _ in range(BATCH):
        sendall(_MESSAGE)
        data = recv(_SIZE)
        while not data.endswith(b"\n"):
            data += recv(_SIZE)
    return data


def _poll(connection: socket.socket) -> bytes:
    waiter = select.poll()
    waiter.register(connection, select.POLLIN)
    poll, sendall, recv = waiter.poll, connection.sendall, connection.recv
    data = b""
    for _ in range(BATCH):
        sendall(_MESSAGE)
        data = b""
        while not data.endswith(b"\n"):
            poll(_TIMEOUT * 1000)
            data += recv(_SIZE)
    return data


def _json(connection: socket.socket) -> bytes:
    sendall, recv = connection.sendall, connection.recv
    data = b""
    for number in range(BATCH):
        sendall(_encode({"id": number, "path": "/user/7", "timeout": _TIMEOUT}) + b"\n")
        data = recv(_SIZE)
        while not data.endswith(b"\n"):
            data += recv(_SIZE)
        _decode(data)["data"]
    return data


_KINDS: Final = {"blocking": _blocking, "poll": _poll, "json": _json}


def _main(kind: str, socket_dir: str, token: str, seconds: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(os.path.join(socket_dir, "service_bench.sock"))
        connection.sendall(_encode({"id": 1, "path": "/user/7", "auth_token": token}) + b"\n")
        connection.recv(_SIZE)
        make_calls = _KINDS[kind]
        check_result(_decode(make_calls(connection))["data"])
        counter = CallCounter(float(seconds))
        over = False
        while not over:
            make_calls(connection)
            over = counter.count(BATCH)
        counter.write_result()


if __name__ == "__main__":
    _main(*sys.argv[1:])

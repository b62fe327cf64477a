"""The part of HTTP/2 that a gRPC client needs, with prepared bytes (RFC 9113, RFC 7541)."""

from __future__ import annotations

import json
import socket
import struct

from bench.load.generator import OpenConnection, RawClient
from bench.load.raw_client import Workload, connect
from bench.processes import Address, BenchError

__all__ = ["grpc"]

_DATA, _HEADERS, _RESET, _SETTINGS, _PING, _GOAWAY, _WINDOW = 0, 1, 3, 4, 6, 7, 8
_END, _ACK = 1, 1
_HEAD = struct.Struct(">BHBBI")  # length in 24 bits, type, flags, stream
_MOST = 2**31 - 1


def _frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return _HEAD.pack(len(payload) >> 16, len(payload) & 0xFFFF, kind, flags, stream) + payload


def _text(text: bytes) -> bytes:
    return bytes([len(text)]) + text  # lengths of 127 and more have another encoding


def _fields(path: bytes) -> bytes:
    """The header fields, indexed in the static table where possible; none enters the dynamic table."""
    return (
        b"\x83\x86"  # :method POST, :scheme http
        + b"\x04" + _text(path)
        + b"\x01" + _text(b"localhost")
        + b"\x0f\x10" + _text(b"application/grpc")
        + b"\x00" + _text(b"te") + _text(b"trailers")
    )  # fmt: skip


_HELLO = (
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    + _frame(_SETTINGS, 0, 0, struct.pack(">HI", 4, _MOST))  # window of a stream
    + _frame(_WINDOW, 0, 0, struct.pack(">I", _MOST - 65535))  # and of the connection: never exhausted
)


class _Calls:
    """One connection; each call is a stream with the next odd number."""

    def __init__(self, client: socket.socket, path: bytes, body: bytes, result: bytes) -> None:
        self.message = self.reply = b""  # each stream has another number
        self._client = client
        self._result = result
        self._stream = 1
        self._rest = b""
        fields = _fields(path)
        data = b"\x00" + struct.pack(">I", len(body)) + body
        # Only the stream number differs between requests; the bytes around it are prepared.
        self._before = _frame(_HEADERS, 4, 0, fields)[:5]
        self._between = fields + _frame(_DATA, _END, 0, data)[:5]
        self._after = data

    def requests(self, count: int) -> bytes:
        parts: list[bytes] = []
        for stream in range(self._stream, self._stream + 2 * count, 2):
            number = stream.to_bytes(4)
            parts += (self._before, number, self._between, number, self._after)
        self._stream += 2 * count
        return b"".join(parts)

    def count_replies(self, data: bytes) -> int:
        data, at, done = self._rest + data, 0, 0
        while len(data) - at >= 9:
            high, low, kind, flags, _ = _HEAD.unpack_from(data, at)
            end = at + 9 + (high << 16) + low
            if end > len(data):
                break
            if kind == _HEADERS:
                done += flags & _END
            elif kind == _DATA:
                if data[at + 14 : end] != self._result:
                    raise BenchError(f"a unexpected reply: {data[at:end][:300]!r}")
            else:
                self._other(kind, flags, data[at + 9 : end])
            at = end
        self._rest = data[at:]
        return done

    def _other(self, kind: int, flags: int, payload: bytes) -> None:
        if kind in (_RESET, _GOAWAY):
            raise BenchError(f"the server closed the stream: {payload!r}")
        if kind in (_SETTINGS, _PING) and not flags & _ACK:
            self._client.sendall(_frame(kind, _ACK, 0, payload if kind == _PING else b""))


def grpc(address: Address, workload: Workload) -> OpenConnection:
    """Calls of ``/bench.Users/Show`` or ``/bench.Users/Echo``.

    Requests must fit into the windows that a server opens at the start, which are 64 kB.
    """
    path = b"/bench.Users/Show" if workload.data is None else b"/bench.Users/Echo"
    body = json.dumps({"id": 7} if workload.data is None else workload.data).encode()
    result = json.dumps(workload.result, separators=(",", ":")).encode()

    def open_connection() -> tuple[socket.socket, RawClient]:
        client = connect(address)
        client.sendall(_HELLO)
        return client, _Calls(client, path, body, result)

    return open_connection

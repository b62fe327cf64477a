"""The bytes that are sent to each system, and the counting of its replies."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Final

from msgspec import Struct
from twisted.protocols.amp import AmpBox

from bench.load.generator import OpenConnection, RawClient
from bench.processes import Address, BenchError

__all__ = [
    "Creation",
    "Workload",
    "amp",
    "connect",
    "http",
    "json_lines",
    "nats",
    "one_message",
    "receive_until",
]

# SO_RCVTIMEO in seconds and microseconds: unlike settimeout(), it adds no system call to each recv().
_RECEIVE_TIMEOUT: Final = struct.pack("ll", 20, 0)
_IDS: Final = range(10, 42)  # all of one length, and at least as many as requests in flight
_COMPACT: Final = (",", ":")
_LAST_CHUNK: Final = b"0\r\n\r\n"
_inboxes = count(10_000_000)


class Workload(Struct, frozen=True):
    """What a request asks for.

    :ivar path: of the route.
    :ivar text: sent to be echoed; None asks for user 7 instead.
    """

    path: str = "/user/7"
    text: str | None = None

    @property
    def data(self) -> Mapping[str, object] | None:
        """The arguments."""
        return None if self.text is None else {"text": self.text}

    @property
    def result(self) -> Mapping[str, object]:
        """The expected result."""
        return {"id": 7, "name": "user 7"} if self.text is None else {"text": self.text}

    @property
    def body(self) -> bytes:
        """The arguments as JSON; empty without any."""
        return b"" if self.data is None else json.dumps(self.data, separators=_COMPACT).encode()


class Creation(Workload, frozen=True):
    """A user to be created, whose fields are checked."""

    path: str = "/user"

    @property
    def data(self) -> Mapping[str, object]:
        """The fields of the user."""
        return {"name": "Ada", "age": 36}

    @property
    def result(self) -> Mapping[str, object]:
        """The user with its number."""
        return {"id": 101, **self.data}


def connect(address: Address, timeout: float | None = None) -> socket.socket:
    """A blocking connection.

    :param timeout: of each ``recv``, in seconds; 20 by default.
    """
    client = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET, socket.SOCK_STREAM)
    wait = _RECEIVE_TIMEOUT if timeout is None else struct.pack("ll", round(timeout), 0)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, wait)
    if not isinstance(address, str):
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client.connect(address)
    return client


class _FixedLengthReplies:
    """Counts replies that all have one length.

    :param messages: the requests, sent in turn; all of one length.
    :param size: of a reply, in bytes.
    :param tail: the last bytes of each reply.
    :param reply: the whole reply to the first message, for loads with one request at a time.
    """

    def __init__(self, messages: Sequence[bytes], size: int, tail: bytes, reply: bytes = b"") -> None:
        self.message = messages[0]
        self.reply = reply
        self._ring = b"".join(messages) * 2
        self._ring_size, self._message_size = sum(map(len, messages)), len(messages[0])
        self._size, self._tail = size, tail
        self._position = self._received = 0

    def requests(self, count: int) -> bytes:
        begin = self._position
        end = begin + count * self._message_size
        self._position = end % self._ring_size
        return self._ring[begin:end]

    def count_replies(self, data: bytes) -> int:
        complete, self._received = divmod(self._received + len(data), self._size)
        if not data or (not self._received and not data.endswith(self._tail[-len(data) :])):
            raise BenchError(f"unexpected reply: {data[-300:]!r}")
        return complete


class _OneReply(_FixedLengthReplies):
    """Waits until the server has closed the connection."""

    def count_replies(self, data: bytes) -> int:
        if data:
            self._complete = super().count_replies(data)
            return 0
        return self._complete or super().count_replies(data)


class _NatsReplies(_FixedLengthReplies):
    def count_replies(self, data: bytes) -> int:
        if b"PING\r\n" in data:  # the server measures the round trip to its clients
            data = data.replace(b"PING\r\n", b"")
        return super().count_replies(data) if data else 0


def json_lines(
    address: Address,
    workload: Workload,
    *,
    token: str = "",
    echoed: bool = False,
    separators: tuple[str, str] = _COMPACT,
) -> OpenConnection:
    """JSON lines in the protocol of unixsvc.

    :param token: sent with each message.
    :param echoed: whether the reply to each message is the message itself.
    :param separators: of JSON in the replies of the service.
    """
    request: dict[str, object] = {"path": workload.path}
    if workload.text is not None:
        request |= {"method": "POST", "data": workload.data}
    if token:
        request["auth_token"] = token
    messages = [_line({"id": each, **request}) for each in _IDS]
    replies = [_line({"id": each, "code": 200, "data": workload.result}, separators) for each in _IDS]
    if echoed:
        replies = messages
    reply = replies[0] if workload.text is None else b""
    size, tail = len(replies[0]), replies[0][-20:]
    return lambda: (connect(address), _FixedLengthReplies(messages, size, tail, reply))


def one_message(address: Address, workload: Workload, *, token: str) -> OpenConnection:
    """The one-message exchange of unixsvc: neither has a line end, and the server closes the connection.

    :param token: sent with each message.
    """
    message = _line({"path": workload.path, "auth_token": token})[:-1]
    reply = _line(dict(workload.result))[:-1]
    return lambda: (connect(address), _OneReply([message], len(reply), reply))


def _line(message: dict[str, object], separators: tuple[str, str] = _COMPACT) -> bytes:
    return json.dumps(message, separators=separators).encode() + b"\n"


def amp(address: Address, workload: Workload) -> OpenConnection:
    """AMP boxes; their values have at most 65,535 bytes."""
    arguments = {b"id": b"7"} if workload.text is None else {b"text": workload.text.encode()}
    result = {b"id": b"7", b"name": b"user 7"} if workload.text is None else arguments
    command = b"Show" if workload.text is None else b"Echo"
    messages = [
        AmpBox({b"_ask": b"%d" % each, b"_command": command, **arguments}).serialize() for each in _IDS
    ]
    reply = AmpBox({b"_answer": b"%d" % _IDS[0], **result}).serialize()
    return lambda: (connect(address), _FixedLengthReplies(messages, len(reply), reply[-5:]))


def http(address: Address, workload: Workload, headers: str = "") -> OpenConnection:
    """HTTP/1.1 with keep-alive; the length of a response is taken from the first one.

    :param headers: further header lines, each with its line end.
    """
    body = workload.body
    body_headers = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n" if body else ""
    method = "POST" if body else "GET"
    head = f"{method} {workload.path} HTTP/1.1\r\nHost: localhost\r\n{headers}{body_headers}\r\n"
    message = head.encode() + body
    tail = json.dumps(workload.result, separators=(",", ":")).encode()[-20:]
    size = 0

    def open_connection() -> tuple[socket.socket, RawClient]:
        nonlocal size, tail
        if not size:
            with connect(address) as client:
                response = receive_until(client, message, tail)
                if b"chunked" in response:
                    if not response.endswith(_LAST_CHUNK):
                        response += receive_until(client, b"", _LAST_CHUNK)
                    tail = _LAST_CHUNK
                size = len(response)
        return connect(address), _FixedLengthReplies([message], size, tail)

    return open_connection


def nats(address: Address, workload: Workload) -> OpenConnection:
    """The text protocol of NATS, through its server, with an inbox for each connection."""
    body = json.dumps({"id": 7} if workload.data is None else workload.data).encode()
    result = json.dumps(workload.result, separators=(",", ":")).encode()
    subject = b"bench.show" if workload.data is None else b"bench.echo"

    def open_connection() -> tuple[socket.socket, RawClient]:
        client, reply_subject = connect(address), b"%d" % next(_inboxes)
        receive_until(
            client, b'CONNECT {"verbose":false}\r\nSUB %b 1\r\nPING\r\n' % reply_subject, b"PONG\r\n"
        )
        message = b"PUB %b %b %d\r\n%b\r\n" % (subject, reply_subject, len(body), body)
        reply = b"MSG %b 1 %d\r\n%b\r\n" % (reply_subject, len(result), result)
        known = reply if workload.data is None else b""
        return client, _NatsReplies([message], len(reply), reply[-20:], known)

    return open_connection


def receive_until(client: socket.socket, message: bytes, tail: bytes) -> bytes:
    """Send a message, and receive until the reply contains some bytes.

    :raises BenchError: if the connection is closed first.
    """
    client.sendall(message)
    received = b""
    while tail not in received:
        data = client.recv(1 << 16)
        if not data:
            raise BenchError(f"connection closed after {received[-300:]!r}")
        received += data
    return received

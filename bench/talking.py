"""What is sent to each system, as bytes, and how its replies are counted."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Sequence
from itertools import count

from msgspec import Struct
from twisted.protocols.amp import AmpBox

from bench.children import Address, Broken
from bench.load import Open, Talker

__all__ = ["Work", "amp", "connect", "http", "lines", "nats"]

_WAIT = struct.pack("ll", 20, 0)  # of SO_RCVTIMEO: unlike settimeout(), it costs no system call
_IDS = range(10, 42)  # all of one length, and as many as there are requests at a time, at most
_TIGHT = (",", ":")
_LAST = b"0\r\n\r\n"  # the end of an answer in chunks
_inboxes = count(10_000_000)


class Work(Struct, frozen=True):
    """What is asked for.

    :ivar path: of the route.
    :ivar text: what is to be sent back; None to be shown user 7 instead.
    """

    path: str = "/user/7"
    text: str | None = None

    @property
    def data(self) -> dict[str, str] | None:
        """The arguments."""
        return None if self.text is None else {"text": self.text}

    @property
    def result(self) -> dict[str, object]:
        """What answers it."""
        return {"id": 7, "name": "user 7"} if self.text is None else {"text": self.text}


def connect(address: Address) -> socket.socket:
    """A connection that blocks, for 20 s at most."""
    client = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET, socket.SOCK_STREAM)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _WAIT)
    if not isinstance(address, str):
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client.connect(address)
    return client


class _Counting:
    """Replies that are all of one length are counted by it.

    :param messages: the requests, in turn; all of one length.
    :param size: of a reply, in bytes.
    :param tail: how each of them ends.
    :param reply: the one to the first message, if there is to be one at a time.
    """

    def __init__(self, messages: Sequence[bytes], size: int, tail: bytes, reply: bytes = b"") -> None:
        self.message = messages[0]
        self.reply = reply
        self._ring = b"".join(messages) * 2
        self._round, self._step = sum(map(len, messages)), len(messages[0])
        self._size, self._tail = size, tail
        self._at = self._got = 0

    def ask(self, count: int) -> bytes:
        begin = self._at
        end = begin + count * self._step
        self._at = end % self._round
        return self._ring[begin:end]

    def heard(self, data: bytes) -> int:
        done, self._got = divmod(self._got + len(data), self._size)
        if not data or (not self._got and not data.endswith(self._tail[-len(data) :])):
            raise Broken(f"a wrong reply: {data[-300:]!r}")
        return done


class _Nats(_Counting):
    def heard(self, data: bytes) -> int:
        if b"PING\r\n" in data:  # the server measures its own way
            data = data.replace(b"PING\r\n", b"")
        return super().heard(data) if data else 0


def lines(
    address: Address,
    work: Work,
    *,
    token: str = "",
    same: bool = False,
    separators: tuple[str, str] = _TIGHT,
) -> Open:
    """JSON lines, as the protocol of unixsvc has them.

    :param token: shown with each message.
    :param same: whether each is answered with itself.
    :param separators: that the service writes.
    """
    ask: dict[str, object] = {"path": work.path}
    if work.text is not None:
        ask |= {"method": "POST", "data": work.data}
    if token:
        ask["auth_token"] = token
    messages = [_line({"id": each, **ask}) for each in _IDS]
    replies = [_line({"id": each, "code": 200, "data": work.result}, separators) for each in _IDS]
    if same:
        replies = messages
    whole = replies[0] if work.text is None else b""
    return lambda: (connect(address), _Counting(messages, len(replies[0]), replies[0][-20:], whole))


def _line(message: dict[str, object], separators: tuple[str, str] = _TIGHT) -> bytes:
    return json.dumps(message, separators=separators).encode() + b"\n"


def amp(address: Address, work: Work) -> Open:
    """Boxes of AMP; its values have at most 65,535 bytes."""
    arguments = {b"id": b"7"} if work.text is None else {b"text": work.text.encode()}
    result = {b"id": b"7", b"name": b"user 7"} if work.text is None else arguments
    command = b"Show" if work.text is None else b"Echo"
    messages = [
        AmpBox({b"_ask": b"%d" % each, b"_command": command, **arguments}).serialize() for each in _IDS
    ]
    reply = AmpBox({b"_answer": b"%d" % _IDS[0], **result}).serialize()
    return lambda: (connect(address), _Counting(messages, len(reply), reply[-5:]))


def http(address: Address, work: Work, headers: str = "") -> Open:
    """HTTP/1.1 on a connection that stays; the length of an answer is learnt from the first."""
    body = b"" if work.data is None else json.dumps(work.data).encode()
    sent = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n" if body else ""
    head = f"{'POST' if body else 'GET'} {work.path} HTTP/1.1\r\nHost: localhost\r\n{headers}{sent}\r\n"
    message = head.encode() + body
    tail = json.dumps(work.result, separators=(",", ":")).encode()[-20:]
    size = 0

    def open_one() -> tuple[socket.socket, Talker]:
        nonlocal size, tail
        if not size:
            with connect(address) as client:
                answer = _answer(client, message, tail)
                if b"chunked" in answer:
                    answer += b"" if answer.endswith(_LAST) else _answer(client, b"", _LAST)
                    tail = _LAST
                size = len(answer)
        return connect(address), _Counting([message], size, tail)

    return open_one


def nats(address: Address, work: Work) -> Open:
    """The text protocol of NATS, through its server, with an inbox for each connection."""
    body = json.dumps({"id": 7} if work.data is None else work.data).encode()
    result = json.dumps(work.result, separators=(",", ":")).encode()
    subject = b"bench.show" if work.data is None else b"bench.echo"

    def open_one() -> tuple[socket.socket, Talker]:
        client, stream_buffer = connect(address), b"%d" % next(_inboxes)
        _answer(client, b'CONNECT {"verbose":false}\r\nSUB %b 1\r\nPING\r\n' % stream_buffer, b"PONG\r\n")
        message = b"PUB %b %b %d\r\n%b\r\n" % (subject, stream_buffer, len(body), body)
        reply = b"MSG %b 1 %d\r\n%b\r\n" % (stream_buffer, len(result), result)
        return client, _Nats([message], len(reply), reply[-20:], reply if work.data is None else b"")

    return open_one


def _answer(client: socket.socket, message: bytes, tail: bytes) -> bytes:
    client.sendall(message)
    answer = b""
    while tail not in answer:
        data = client.recv(1 << 16)
        if not data:
            raise Broken(f"closed after {answer[-300:]!r}")
        answer += data
    return answer

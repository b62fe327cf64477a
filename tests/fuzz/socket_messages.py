"""Connections on a socket: requests, streams, cancels and credit, some of them damaged, cut anywhere."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import msgspec
from hypothesis import strategies as st
from msgspec import Struct
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from tests.fuzz.application import TOKEN, make_handle
from tests.fuzz.strategies import JSON, NASTY, TEXT, Cuts, cut, cuts, damaged
from tests.fuzz.target import Crash, Target
from unixsvc.config.settings import Limits, Security
from unixsvc.server.protocol import ServerProtocol
from unixsvc.server.registry import ConnectionRegistry
from unixsvc.testing import MemoryTransport

__all__ = ["SOCKET", "Connection"]

_LIMITS: Final = Limits(max_message_bytes=8192)
_LATE: Final = 300.0  # seconds after which nothing may be pending
_ATTEMPTS: Final = 50  # times that a client that reads slowly reads on
_CODES: Final = frozenset({200, 400, 401, 403, 404, 405, 408, 413, 422, 499, 503, 504})

_IDS = st.integers(0, 5) | st.integers() | TEXT
_LEVELS = st.sampled_from(["debug", "info", "a", "b", "red"])
_NUMBERS = st.integers(-5, 400) | st.floats(allow_nan=False) | st.sampled_from(["1", "1.5", "x", "NaN"])
_EVERYTHING = st.fixed_dictionaries(
    {},
    optional={
        "level": _LEVELS, "colour": _LEVELS, "name": TEXT, "word": TEXT, "number": _NUMBERS, "real": _NUMBERS,
        "price": _NUMBERS, "id": st.uuids().map(str) | TEXT, "when": st.datetimes().map(str) | TEXT,
        "day": st.dates().map(str) | TEXT, "lasting": TEXT, "data": TEXT, "iban": TEXT, "pet": JSON,
        "numbers": st.lists(_NUMBERS, max_size=5), "pairs": JSON,
    },
)  # fmt: skip
_FIELDS = st.fixed_dictionaries(
    {"level": st.sampled_from(["a", "b"])}, optional={"limit": _NUMBERS, "tags": st.lists(_LEVELS), "x": JSON}
)
_SEGMENTS = st.sampled_from(["a", "b", "1", "%41", "%2F", "%", "%ff", "..", "", "é", " "]) | TEXT
_PATHS = (
    st.builds("/items/{}/{}".format, st.integers(-3, 10**20), _SEGMENTS)
    | st.builds("/items/{}/{}/{}".format, _NUMBERS, st.uuids(), _SEGMENTS)
    | st.lists(_SEGMENTS, max_size=4).map(lambda parts: "/" + "/".join(parts))
    | st.builds("/fields?level=a&limit={}&{}={}".format, _NUMBERS, _SEGMENTS, _SEGMENTS)
)
_CALLS = st.one_of(
    st.fixed_dictionaries({"path": st.just("/echo"), "method": st.just("POST"), "data": _EVERYTHING}),
    st.fixed_dictionaries(
        {"path": st.just("/echo"), "method": st.just("POST"), "data": st.builds(dict, value=JSON)}
    ),
    st.fixed_dictionaries({"path": st.just("/everything"), "method": st.just("POST"), "data": _EVERYTHING}),
    st.fixed_dictionaries({"path": st.just("/fields"), "data": _FIELDS}),
    st.fixed_dictionaries({"path": st.just("/forever"), "timeout": st.sampled_from([0.001, 1, 60, -1])}),
    st.fixed_dictionaries({"path": st.just("/count"), "data": st.builds(dict, upto=st.integers(-1, 400))}),
    st.fixed_dictionaries({"path": st.sampled_from(["/-/ping", "/-/routes", "/-/health", "/-/stats"])}),
    st.fixed_dictionaries({"path": _PATHS, "method": st.sampled_from(["GET", "get", "POST", "PATCH", ""])}),
)
_EXTRAS = st.fixed_dictionaries(
    {},
    optional={
        "id": _IDS,
        "credit": st.integers(0, 20),
        "oneway": st.booleans(),
        "timeout": st.sampled_from([0, 1e-9, 5, 1e300]),
        "meta": st.dictionaries(st.sampled_from(["request_id", "traceparent", "x"]), TEXT),
        "auth_token": st.sampled_from([TOKEN, TOKEN, TOKEN, "f" * 64, ""]),
    },
)
_REQUESTS = st.builds(lambda key, call, extras: {"id": key, **call, **extras}, _IDS, _CALLS, _EXTRAS)
_CONTROLS = st.builds(lambda key: {"id": key, "cancel": True}, _IDS) | st.builds(
    lambda key, items: {"id": key, "credit": items}, _IDS, st.integers(0, 1000)
)
_WRONG_FIELDS = st.builds(
    lambda call, field, value: {**call, field: value},
    _REQUESTS,
    st.sampled_from(["id", "path", "method", "data", "auth_token", "timeout", "meta", "credit", "cancel"]),
    JSON,
)
_ENCODERS = st.sampled_from([
    lambda value: msgspec.json.encode(value) + b"\n",
    lambda value: json.dumps(value, indent=None, separators=(" ,\t", " : ")).encode() + b"\r\n",
    lambda value: json.dumps(value, ensure_ascii=False).encode() + b"\n",
])  # fmt: skip


def _encoded(values: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[bytes]:
    return st.builds(lambda encode, value: encode(value), _ENCODERS, values)


_GOOD = _encoded(_REQUESTS)
_MESSAGES = st.sampled_from("ggggggccwdn").flatmap({
    "g": _GOOD, "c": _encoded(_CONTROLS), "w": _encoded(_WRONG_FIELDS), "d": damaged(_GOOD), "n": NASTY,
}.__getitem__)  # fmt: skip


class Connection(Struct, frozen=True):
    """What a client sends.

    :ivar authenticated: it shows its token first.
    :ivar end: whether it ends its sending side at last.
    :ivar slow: its reading stops after each reply.
    :ivar wait: the time between two pieces, in seconds.
    """

    messages: list[bytes]
    places: Cuts
    policy: Literal["required", "private", "off"]
    authenticated: bool
    end: bool
    slow: bool
    wait: float


_CONNECTIONS = st.builds(
    Connection,
    st.lists(_MESSAGES, min_size=1, max_size=8),
    cuts,
    st.sampled_from(["required", "private", "off"]),
    st.sampled_from([True, True, True, False]),
    st.booleans(),
    st.booleans(),
    st.sampled_from([0.0, 0.0, 0.0, 0.5, 40.0]),
)
_GREETING = msgspec.json.encode({"id": "hello", "path": "/-/ping", "auth_token": TOKEN}) + b"\n"


class _Server:
    """A server with one connection."""

    def __init__(self, case: Connection) -> None:
        self.clock = Clock()
        handle = make_handle(self.clock, case.policy)
        self.registry = ConnectionRegistry(handle, _LIMITS, Security(token=case.policy), self.clock)
        self.protocol, self.transport = ServerProtocol(self.registry), MemoryTransport()
        self.transport.slow = case.slow
        self.protocol.makeConnection(self.transport)

    def receive(self, data: bytes, seconds: float) -> None:
        """Pass bytes on, unless the server reads no more, and let time pass."""
        for _ in range(_ATTEMPTS):
            if self.transport.closed in ("abort", "lose"):
                return
            if self.transport.reading:
                self.protocol.dataReceived(data)
                break
            self.pass_time(0.01)
        self.pass_time(seconds)

    def pass_time(self, seconds: float) -> None:
        """Advance the clock, and let a slow client read on."""
        if self.transport.producer is not None and self.transport.slow:
            self.protocol.resumeProducing()
        self.clock.advance(seconds)
        self.registry.check_time()

    def finish(self) -> None:
        """Let everything end: at once, then after all time limits."""
        self.transport.slow = False
        for seconds in (0.0, 0.0, 1.0, *[_LATE / 10] * 10):
            self.pass_time(seconds)
        self.protocol.connectionLost(Failure(ConnectionDone()))
        self.clock.advance(_LATE)


def _run(case: Connection) -> Mapping[str, int]:
    server = _Server(case)
    first = [_GREETING] if case.authenticated else []
    for piece in [*first, *cut(b"".join(case.messages), case.places)]:
        server.receive(piece, case.wait)
    if case.end and not server.transport.closed:
        server.protocol.readConnectionLost()
    server.finish()
    return _judge(case, server.transport.value())


def _judge(case: Connection, received: bytes) -> Mapping[str, int]:
    """The number of each code; anything but complete, documented messages is a crash."""
    codes: Counter[str] = Counter()
    for line in _lines(received):
        value = msgspec.json.decode(line)
        if not isinstance(value, dict) or ("code" not in value and "id" not in value):
            codes["goaway" if value == {"goaway": True} else "bare 200"] += 1
        elif not value.get("more"):
            if value["code"] not in _CODES:
                raise Crash(f"a reply that is not documented: {line!r}")
            codes[str(value["code"])] += 1
    # A damaged message can be cut into one more message by each line end in it.
    sent = b"".join(case.messages).count(b"\n") + 2
    if codes.total() - codes["goaway"] > sent:
        raise Crash(f"{codes} for {sent} messages")
    return codes


def _lines(received: bytes) -> Sequence[bytes]:
    return received.splitlines() if received.endswith(b"\n") or not received else [received]


SOCKET: Final = Target("socket", _CONNECTIONS, _run)

"""HTTP connections: heads, paths, queries, JSON and forms, some of them damaged, cut anywhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, urlencode

import msgspec
from hypothesis import strategies as st
from msgspec import Struct

from tests.fuzz.application import ROUTES, TOKEN
from tests.fuzz.strategies import JSON, NASTY, TEXT, Cuts, cut, cuts, damaged
from tests.fuzz.target import Crash, Target
from tests.unit.rest.http_requests import GatewayHarness, RawClient
from unixsvc.config.http import Http

__all__ = ["HTTP"]

_CODES: Final = frozenset({
    200, 204, 400, 401, 403, 404, 405, 406, 408, 411, 413, 414, 415, 417, 421, 422, 431, 501, 503, 504, 505,
})  # fmt: skip
_LONGEST_RESPONSE: Final = 65_536  # the contract and the statistics are the longest of this application
_LATE: Final = 120  # seconds after which nothing may be pending

_TOKENS = st.sampled_from([f"Authorization: Bearer {TOKEN}"] * 3 + ["Authorization: Basic eA==", "", "X: y"])
_WORDS = st.sampled_from(["a", "b", "1", "1.5", "debug", "red", "on", "", "x" * 300]) | TEXT
_NAMES = st.sampled_from(["level", "limit", "tags", "price", "upto", "name", "number", "real", "pet"]) | TEXT
_PAIRS = st.lists(st.tuples(_NAMES, _WORDS), max_size=5)
_SEGMENTS = st.sampled_from(["a", "1", "%41", "%2F", "%2e%2e", "%", "%ff", "..", ".", "", ";x", "%00"]) | (
    TEXT.map(lambda text: quote(text, safe=""))
)
_PATHS = (
    st.sampled_from(["/fields", "/everything", "/echo", "/count", "/-/ping", "/openapi.json", "/docs", "/*"])
    | st.lists(_SEGMENTS, max_size=4).map(lambda parts: "/" + "/".join(parts))
    | st.builds("/items/{}/{}".format, st.integers(-1, 3), _SEGMENTS)
)
_QUERIES = st.just("") | st.just("?level=a") | _PAIRS.map(lambda pairs: "?" + urlencode(pairs))
_HEADERS = st.lists(
    st.sampled_from([
        "Accept: text/event-stream", "Accept: application/json;q=0.1, */*;q=0", "Accept-Encoding: gzip",
        "Idempotency-Key: k", "X-Request-Timeout: 1", "X-Request-Timeout: nan", "Connection: close",
        "Connection: keep-alive, upgrade", "Expect: 100-continue", "If-None-Match: W/\"a\", *",
        "Range: bytes=0-1",
        "Origin: http://localhost", "Origin: http://example.org", "Sec-Fetch-Site: cross-site",
        "Cookie: a=b; c",
        "Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "Upgrade: websocket",
        "X-Forwarded-For: 1, 2", "X-Request-Id: é", "Transfer-Encoding: chunked", "Content-Length: 3",
    ])
    | st.builds("{}: {}".format, st.sampled_from(["Accept", "Cookie", "Forwarded", "X-A", "Origin"]), TEXT),
    max_size=4,
)  # fmt: skip
_METHODS = st.sampled_from(["GET", "GET", "POST", "POST", "HEAD", "OPTIONS", "PUT", "get", "TRACE"])
_BOUNDARY: Final = "multipart/form-data; boundary=xyz"


def _multipart(pairs: list[tuple[str, str]]) -> bytes:
    parts = [
        f'--xyz\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in pairs
    ]
    return ("".join(parts) + "--xyz--\r\n").encode("utf-8", "surrogatepass")


_BODIES: st.SearchStrategy[tuple[str, bytes]] = st.one_of(
    st.just(("", b"")),
    st.tuples(
        st.just("application/json"), st.dictionaries(_NAMES, JSON, max_size=4).map(msgspec.json.encode)
    ),
    st.tuples(
        st.just("application/x-www-form-urlencoded"), _PAIRS.map(lambda pairs: urlencode(pairs).encode())
    ),
    st.tuples(st.just(_BOUNDARY), _PAIRS.map(_multipart)),
    st.tuples(st.just(_BOUNDARY), damaged(_PAIRS.map(_multipart))),
    st.tuples(
        st.sampled_from(["application/json; charset=latin-1", "text/plain", "a/b;=", _BOUNDARY]), NASTY
    ),
)


def _whole(
    method: str, path: str, query: str, token: str, headers: list[str], body: tuple[str, bytes], chunked: bool
) -> bytes:
    """The bytes of a request."""
    content_type, content = body
    lines = [f"{method} {path}{query} HTTP/1.1", "Host: localhost", *headers, *([token] if token else [])]
    if content_type:
        lines.append(f"Content-Type: {content_type}")
    if chunked:
        lines.append("Transfer-Encoding: chunked")
        content = b"%x\r\n%b\r\n0\r\n\r\n" % (len(content), content) if content else b"0\r\n\r\n"
    elif content:
        lines.append(f"Content-Length: {len(content)}")
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogatepass") + content


_REQUESTS = st.builds(_whole, _METHODS, _PATHS, _QUERIES, _TOKENS, _HEADERS, _BODIES, st.booleans())
_VALID = st.sampled_from([
    ("GET", "/fields", "?level=a&limit=3", ""), ("GET", "/items/3/a", "", ""),
    ("GET", "/count", "?upto=5", ""),
    ("POST", "/everything", "", '{"level":"debug","numbers":[1]}'),
    ("POST", "/echo", "", '{"value":{"a":[1.5]}}'),
    ("GET", "/openapi.json", "", ""), ("GET", "/-/ping", "", ""),
]).flatmap(lambda each: st.builds(
    _whole, st.just(each[0]), st.just(each[1]), st.just(each[2]), _TOKENS, st.just([]),
    st.just(("application/json" if each[3] else "", each[3].encode())), st.booleans(),
))  # fmt: skip
_SIMPLE = _VALID | st.builds(
    _whole, st.sampled_from(["GET", "POST"]), _PATHS, _QUERIES, _TOKENS, st.just([]), _BODIES, st.booleans()
)


class _Connection(Struct, frozen=True):
    """What a client sends.

    :ivar wait: the time between two pieces, in seconds.
    """

    requests: list[bytes]
    places: Cuts
    policy: str
    wait: float


_CONNECTIONS = st.builds(
    _Connection,
    st.lists(_SIMPLE | _REQUESTS | damaged(_SIMPLE), min_size=1, max_size=4),
    cuts,
    st.sampled_from(["required", "private", "off"]),
    st.sampled_from([0.0, 0.0, 0.0, 1.0, 30.0]),
)
_HTTP: Final = Http(docs=True, max_header_bytes=4096)


def _run(case: _Connection) -> Mapping[str, int]:
    harness = GatewayHarness(*ROUTES, http=_HTTP, policy=case.policy)
    client = RawClient(harness.site)
    for piece in cut(b"".join(case.requests), case.places):
        if client.transport.closed in ("lose", "abort"):
            break
        client.channel.dataReceived(piece)
        harness.clock.advance(case.wait)
    received = client.received()
    for _ in range(_LATE):
        harness.clock.advance(1.0)
    received += client.received()
    client.channel.connectionLost(None)
    harness.clock.advance(_LATE)
    return _judge(received, len(case.requests) + b"".join(case.requests).count(b"\n"))


def _judge(received: bytes, most: int) -> Mapping[str, int]:
    """The number of each status code; anything but whole responses with documented codes is a crash."""
    codes: Counter[str] = Counter()
    if len(received) > most * _LONGEST_RESPONSE:
        raise Crash(f"{len(received)} bytes of responses")
    # A body may contain anything, but none of this application has a status line in it.
    for part in received.split(b"HTTP/1.1 ")[1:]:
        code = int(part[:3])
        if code == 100:
            continue
        if code not in _CODES:
            raise Crash(f"a response that is not documented: {part[:300]!r}")
        codes[str(code)] += 1
    if received and not received.startswith(b"HTTP/1.1 "):
        raise Crash(f"no response: {received[:300]!r}")
    return codes


HTTP: Final[Target[Any]] = Target("http", _CONNECTIONS, _run)

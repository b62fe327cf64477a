"""The cost of an HTTP request grows no faster than its length, whatever a client puts into it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tests.unit.rest.http_requests import GatewayHarness, RawClient
from tests.unit.routing.test_linear_cost import SAMPLE
from tests.unit.support.linear_cost import LENGTH, PATTERNS, LinearCostTestCase
from unixsvc.config.http import Http

_MAX_HEADER_BYTES: Final = 65_536
_LONGEST_RESPONSE: Final = 4096
_LINE: Final = 7900  # a request line has at most 8,192 bytes
_HEADERS: Final = (
    "Accept", "Accept-Encoding", "Access-Control-Request-Method", "Authorization", "Connection",
    "Content-Encoding", "Content-Length", "Content-Type", "Cookie", "Expect", "Forwarded", "Host",
    "Idempotency-Key", "If-None-Match", "Origin", "Range", "Traceparent", "Transfer-Encoding", "Upgrade",
    "X-Forwarded-For", "X-Request-Id", "X-Request-Timeout",
)  # fmt: skip
_BOUNDARY: Final = "multipart/form-data; boundary=x"
_PART: Final = "--x\r\nContent-Disposition: form-data; name=level\r\n\r\n{}\r\n--x--\r\n"
_TYPES: Final = ("application/json", "application/x-www-form-urlencoded", _BOUNDARY)


def _request(line: str, *headers: str, body: str = "") -> bytes:
    encoded = body.encode()
    lines = [f"{line} HTTP/1.1", "Host: shop.test", *headers]
    lines += [f"Content-Length: {len(encoded)}"] if body else []
    return "\r\n".join([*lines, "", ""]).encode() + encoded


def _posted(content_type: str, body: str) -> Callable[[str], bytes]:
    """A request with a body that a text is put into."""
    return lambda text: _request(
        "POST /everything", f"Content-Type: {content_type}", body=body.replace("{}", text)
    )


LINES: Final[dict[str, Callable[[str], bytes]]] = {
    "the path": lambda text: _request(f"GET /{text}"),
    "a float": lambda text: _request(f"GET /items/{text}/a"),
    "a path": lambda text: _request(f"GET /items/1.5/00000000-0000-0000-0000-000000000000/{text}"),
    "the query": lambda text: _request(f"GET /fields?{text}"),
    "a field of the query": lambda text: _request(f"GET /fields?level={text}"),
    "the method": lambda text: _request(f"{text} /fields"),
}
INPUTS: Final[dict[str, Callable[[str], bytes]]] = {
    "the head": lambda text: _request("GET /fields", text),
    "the name of a header": lambda text: _request("GET /fields", f"{text}: a"),
    "a boundary": lambda text: _request("POST /everything", f"Content-Type: {_BOUNDARY}{text}", body=_PART),
    "a charset": lambda text: _request("POST /everything", f"Content-Type: {_TYPES[0]}{text}", body="{}"),
    "a field of JSON": _posted(_TYPES[0], '{"level":"{}","{}":1}'),
    "a field of a form": _posted(_TYPES[1], "level={}&{}=1"),
    "a field of a multipart form": _posted(_BOUNDARY, _PART),
    "the name of a part": _posted(_BOUNDARY, _PART.replace("level", '"{}"')),
    "the head of a part": _posted(_BOUNDARY, _PART.replace("level", "level{}")),
    "a chunked body": lambda text: _request("POST /everything", "Transfer-Encoding: chunked") + text.encode(),
    "a trailer": lambda text: (
        _request("POST /everything", "Transfer-Encoding: chunked") + f"0\r\n{text}\r\n\r\n".encode()
    ),
    **{f"a body of {each}": _posted(each, "{}") for each in _TYPES},
    **{f"the header {each}": lambda text, each=each: _request("GET /fields", f"{each}: {text}")  # type: ignore[misc]
       for each in _HEADERS},
}  # fmt: skip
"""For each place in a request, in its first line and elsewhere, the function that puts a text there."""


class RequestTests(LinearCostTestCase):
    """HTTP requests."""

    def test_requests(self) -> None:
        """Each pattern costs as much as it should at each place, and no response repeats all of it."""
        harness = GatewayHarness(
            *SAMPLE.routes, http=Http(docs=False, max_header_bytes=_MAX_HEADER_BYTES), policy="off"
        )
        for where, request in [*LINES.items(), *INPUTS.items()]:
            for pattern in PATTERNS:

                def handle(text: str, request: Callable[[str], bytes] = request, where: str = where) -> None:
                    client = RawClient(harness.site)
                    client.channel.dataReceived(request(text))
                    response = client.received()
                    client.channel.connectionLost(None)
                    self.assertNotIn(b" 503 ", response[:20], where)
                    self.assertLess(len(response), _LONGEST_RESPONSE, where)

                self.assert_linear(handle, pattern, where, _LINE if where in LINES else LENGTH)

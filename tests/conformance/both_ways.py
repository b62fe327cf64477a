"""Requests to two workers of the demo, one of which has Klein dispatch them: the responses are equal."""

from __future__ import annotations

import base64
import re
import socket
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from tests.functional.orchestrator_process import OrchestratorProcess

__all__ = ["KNOWN", "RecordedRequest", "differences", "read_requests"]

_CONFIG: Final = """
[services.user]
app = "unix_app.user:app"

[http]
app = "{app}"
listen = ["tcp:0:interface=127.0.0.1"]
mounts = {{ "/users" = "user:/user" }}
depends_on = ["user"]
gzip_over = 100

[http.cors]
origins = ["https://shop.example"]
"""
_APPS: Final = ("rest_app:app", "tests.conformance.klein_demo:app")
_TIMEOUT: Final = 60.0  # seconds; only reached if something is broken
_DATE: Final = re.compile(rb"\r\nDate: [^\r]*")
# The connection is the replay's own, and so is the token.
_OWN: Final = frozenset({"connection", "authorization", "host", "content-length", "transfer-encoding"})


class RecordedRequest(Struct, frozen=True):
    """A request, as Schemathesis has sent it.

    :ivar target: path and query.
    :ivar body: in base64.
    """

    method: str
    target: str
    headers: dict[str, str]
    body: str = ""


_PATHS: Final = (
    "/", "/ticks?count=2", "/user", "/user/1", "/user/x", "/user/99", "/users", "/users/1", "/users/",
    "/nowhere", "/index", "/docs", "/docs/", "/docs/init.js", "/openapi.json", "/-/ping", "/-/health",
    "/-/routes", "/%ff", "//user", "/user/%31", "/us%65rs/1", "/user%2F1", "/%69ndex",
)  # fmt: skip
_HEADERS: Final = (
    {"Accept": "text/event-stream", "Origin": "https://shop.example"},
    {"Accept-Encoding": "gzip"},
    {"If-None-Match": "*", "Traceparent": f"00-{'1' * 32}-{'2' * 16}-01"},
    {"Origin": "https://evil.example"},
)

KNOWN: Final = [
    RecordedRequest(method, path, headers)
    for path in _PATHS
    for method in ("GET", "HEAD", "OPTIONS", "PATCH")
    for headers in (_HEADERS if method == "GET" else _HEADERS[:1])
]
"""Requests for what the demo has besides the operations of its document, too."""


def read_requests(path: Path) -> list[RecordedRequest]:
    """The requests in a file of JSON lines."""
    return [msgspec.json.decode(line, type=RecordedRequest) for line in path.read_bytes().splitlines()]


def differences(requests: Iterable[RecordedRequest]) -> Iterator[str]:
    """Send each request to both; what differs in the responses except the date."""
    with ExitStack() as stack:
        addresses = [stack.enter_context(_demo(app)) for app in _APPS]
        for number, request in enumerate(requests):
            straight, through = [
                _ask(port, _bytes_of(request, token, number), token) for port, token in addresses
            ]
            if straight != through:
                yield f"{request}\n{straight!r}\n{through!r}"


@contextmanager
def _demo(app: str) -> Iterator[tuple[int, str]]:
    """Run the demo; its port and its token."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "unixsvc.toml").write_text(_CONFIG.format(app=app))
        running = OrchestratorProcess(folder, "--socket-dir", str(Path(folder, "run")))
        try:
            base: Any = running.until("listens on http://")["message"]
            running.until("ready: ")
            yield int(base.rpartition(":")[2]), Path(folder, ".auth_token").read_text().strip()
        finally:
            running.end()


def _bytes_of(request: RecordedRequest, token: str, number: int) -> bytes:
    body = base64.b64decode(request.body)
    sent = {name.lower(): value for name, value in request.headers.items()}
    headers = {name: value for name, value in sent.items() if name not in _OWN}
    if "authorization" in sent or request.method == "PATCH":
        headers["authorization"] = f"Bearer {token}"
    headers = {"host": "localhost", "x-request-id": f"r{number}", **headers, "connection": "close"}
    if body:
        headers["content-length"] = str(len(body))
    lines = [f"{request.method} {request.target} HTTP/1.1", *(f"{name}: {headers[name]}" for name in headers)]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def _ask(port: int, sent: bytes, token: str) -> bytes:
    """The bytes of a response."""
    with socket.create_connection(("127.0.0.1", port), _TIMEOUT) as client:
        client.sendall(sent)
        found = b"".join(iter(lambda: client.recv(1 << 16), b""))
    return _DATE.sub(b"", found).replace(token.encode(), b"TOKEN")

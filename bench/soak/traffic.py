"""The mixed load: threads that each send one kind of request, at a bounded rate."""

from __future__ import annotations

import http.client
import itertools
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from typing import Any, Final

from msgspec import Struct

from unixsvc.blocking import Client
from unixsvc.errors import ServiceError

__all__ = ["KINDS", "Target", "Traffic"]

_TIMEOUT: Final = 30.0  # seconds
_PER_CONNECTION: Final = 200  # requests on a connection that is kept
_BOUNDARY: Final = "soak"
_FILE: Final = b"x" * 400_000  # more than what an upload keeps in memory
_JSON: Final = {"Content-Type": "application/json"}
_FAILURES: Final = (OSError, http.client.HTTPException, ServiceError)


class Target(Struct, frozen=True):
    """What gets the load.

    :ivar port: of the gateway, on 127.0.0.1.
    :ivar socket_dir: with the sockets of the services.
    """

    port: int
    socket_dir: str
    token: str

    @property
    def headers(self) -> dict[str, str]:
        """Those of a request with the token."""
        return {"Authorization": f"Bearer {self.token}"}

    def connect(self) -> http.client.HTTPConnection:
        """A connection to the gateway, which is made by its first request."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=_TIMEOUT)

    def client(self, service: str, token: str | None = None) -> Client:
        """A client of a service."""
        return Client(service, socket_dir=self.socket_dir, token=token or self.token, timeout=_TIMEOUT)


class Unexpected(Exception):
    """A response with another status than the right one."""


Requests = Iterator[object]


def _kept(target: Target) -> Requests:
    with closing(target.connect()) as connection:
        for number in range(_PER_CONNECTION):
            prefix = "/stock" if number % 2 else ""
            yield _fetch(connection, "GET", f"{prefix}/items/{number + 1}", target.headers)
            yield _fetch(connection, "POST", f"{prefix}/items", target.headers | _JSON, b'{"name": "pen"}')


def _short(target: Target) -> Requests:
    for number in range(1, 100):
        with closing(target.connect()) as connection:
            yield _fetch(connection, "GET", f"/items/{number}", target.headers)


def _socket(target: Target) -> Requests:
    with target.client("shop") as client:
        for number in range(1, _PER_CONNECTION):
            yield client.call("GET", f"/items/{number}")


def _short_socket(target: Target) -> Requests:
    for number in range(1, 100):
        with target.client("shop") as client:
            yield client.call("GET", f"/items/{number}")


def _streams(target: Target) -> Requests:
    for number in itertools.count():
        with closing(target.connect()) as connection:
            path = "/stock/count?to=50" if number % 2 else "/count?to=50"
            connection.request("GET", path, headers=target.headers | {"Accept": "application/x-ndjson"})
            response = connection.getresponse()
            yield response.read(500 if number % 3 else None)  # most are left before their end


def _uploads(target: Target) -> Requests:
    body = b"\r\n".join(
        (
            f"--{_BOUNDARY}".encode(),
            b'Content-Disposition: form-data; name="file"; filename="a.bin"',
            b"Content-Type: application/octet-stream",
            b"",
            _FILE,
            f"--{_BOUNDARY}--\r\n".encode(),
        )
    )
    headers = target.headers | {"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"}
    with closing(target.connect()) as connection:
        while True:
            yield _fetch(connection, "POST", "/upload", headers, body)


def _wrong_tokens(target: Target) -> Requests:
    for number in itertools.count():
        wrong = f"{number:064x}"
        with closing(target.connect()) as connection:
            headers = {"Authorization": f"Bearer {wrong}"}
            yield _fetch(connection, "GET", "/items/1", headers, status=401)
        with target.client("shop", wrong) as client:
            try:
                client.call("GET", "/items/1")
            except ServiceError as error:
                if error.code != 401:
                    raise
            yield 401


def _unknown_paths(target: Target) -> Requests:
    with closing(target.connect()) as connection:
        for number in itertools.count():
            headers = target.headers | {"X-Request-Id": f"soak-{number}"}
            yield _fetch(connection, "GET", f"/nothing/{number}", headers, status=404)


def _probes(target: Target) -> Requests:
    while True:
        with closing(target.connect()) as connection:
            yield _fetch(connection, "GET", "/-/ready", {})


class Kind(Struct, frozen=True):
    """One kind of request.

    :ivar pause: between two of a thread, in seconds.
    """

    name: str
    run: Callable[[Target], Requests]
    pause: float
    threads: int = 1


KINDS: Final[Sequence[Kind]] = (
    Kind("kept connections", _kept, 0.005, 4),
    Kind("short connections", _short, 0.01, 2),
    Kind("kept sockets", _socket, 0.005, 2),
    Kind("short sockets", _short_socket, 0.01, 2),
    Kind("streams", _streams, 0.05),
    Kind("uploads", _uploads, 0.1),
    Kind("wrong tokens", _wrong_tokens, 0.05),
    Kind("unknown paths", _unknown_paths, 0.02),
    Kind("probes", _probes, 0.2),
)


class Traffic:
    """Runs the load while its context is entered.

    :ivar done: how many requests were answered, by their kind.
    :ivar failed: how many were not, as their worker was killed, or were answered with another status.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self._ended = threading.Event()
        self.done: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self._threads = [
            threading.Thread(target=self._run, args=(kind,), daemon=True)
            for kind in KINDS
            for _ in range(kind.threads)
        ]

    def __enter__(self) -> Traffic:
        for each in self._threads:
            each.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        for each in self._threads:
            each.join()

    def _run(self, kind: Kind) -> None:
        while not self._ended.is_set():
            with suppress(StopIteration), closing(_generator(kind.run(self._target))) as requests:
                self._send(kind, requests)

    def _send(self, kind: Kind, requests: Any) -> None:
        while not self._ended.wait(kind.pause):
            try:
                next(requests)
            except StopIteration:
                return
            except (*_FAILURES, Unexpected):
                self.failed[kind.name] += 1
                return
            self.done[kind.name] += 1


def _generator(requests: Requests) -> Any:
    """The same object: all of them are generators, which have ``close``."""
    return requests


def _fetch(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    headers: dict[str, str],
    body: bytes | None = None,
    *,
    status: int = 200,
) -> bytes:
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    data = response.read()
    if response.status != status:
        raise Unexpected(f"{method} {path}: {response.status}")
    return data

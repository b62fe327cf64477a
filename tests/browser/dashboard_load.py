"""Requests over HTTP from a thread: a shop in use."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Final

__all__ = ["fetch", "run_load", "slow_request"]

_PAUSE: Final = 0.01  # seconds between requests
# Mostly products, at times a report, and one product that fails.
_PATHS: Final = ("/products/1", "/products/2", "/report", "/products/3", "/products/4", "/products/13")


def fetch(port: int, path: str, headers: Mapping[str, str]) -> int:
    """Make one request; the code of its reply."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path, headers=dict(headers))
        return connection.getresponse().status
    finally:
        connection.close()


@contextmanager
def slow_request(port: int, request_id: str) -> Iterator[list[int]]:
    """Make a request that takes a minute; the list gets the code of its reply.

    :param port: of the gateway.
    :param request_id: its id.
    """
    codes: list[int] = []
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def work() -> None:
        # The connection is closed at the end of the context.
        with suppress(http.client.HTTPException, OSError):
            codes.append(connection.getresponse().status)

    connection.request("GET", "/report?seconds=60", headers={"X-Request-ID": request_id})
    waiting = connection.sock
    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield codes
    finally:
        with suppress(OSError):  # it has ended
            waiting.shutdown(socket.SHUT_RDWR)
        thread.join()
        connection.close()


@contextmanager
def run_load(port: int) -> Iterator[None]:
    """Make requests one after the other, until the end of the context.

    Requests that fail with their worker are made again.

    :param port: of the gateway.
    """
    stop = threading.Event()

    def work() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        count = 0
        while not stop.wait(_PAUSE):
            path = _PATHS[count % len(_PATHS)]
            count += 1
            try:
                connection.request("GET", path)
                connection.getresponse().read()
            except (http.client.HTTPException, OSError):
                connection.close()
        connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()

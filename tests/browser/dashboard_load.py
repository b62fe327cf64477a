"""Requests over HTTP from a thread: a shop in use."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

__all__ = ["run_load"]

_PAUSE: Final = 0.01  # seconds between requests
# Mostly products, at times a report, and one product that fails.
_PATHS: Final = ("/products/1", "/products/2", "/report", "/products/3", "/products/4", "/products/13")


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

"""Clients that send request heads one byte at a time, in a process of their own."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

from tests.functional.raw_http_client import RawHttpConnection, get

__all__ = ["SlowClients", "main", "percentile"]

_ROOT = Path(__file__).parents[2]
_HEAD = get("/", "A: " + "b" * 2000)
_EACH = 1.0  # seconds between two bytes of one client


class SlowClients:
    """Many slow clients, which are paused at first.

    :param port: of the server.
    """

    def __init__(self, port: int, clients: int) -> None:
        command = [sys.executable, "-m", "tests.functional.slow_http_client", str(port), str(clients)]
        self._process = subprocess.Popen(command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdin is not None and self._process.stdout is not None
        self._input, self._output = self._process.stdin, self._process.stdout
        self._output.readline()

    def __enter__(self) -> SlowClients:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def set(self, on: bool) -> None:
        """Resume or pause them; done when they have."""
        self._input.write(b"+" if on else b"-")
        self._input.flush()
        self._output.readline()


def percentile(connection: RawHttpConnection, requests: int, part: float) -> float:
    """The given percentile of the latency of requests, in seconds."""
    took, request = [], get()
    for _ in range(requests):
        began = time.perf_counter()
        assert connection.request(request).code == 200
        took.append(time.perf_counter() - began)
    return sorted(took)[int(requests * part) - 1]


def main() -> None:
    """Send while the last byte from the standard input is ``+``."""
    port, clients = int(sys.argv[1]), int(sys.argv[2])
    sockets = [socket.create_connection(("127.0.0.1", port)) for _ in range(clients)]
    on, sent = False, 0
    _say()
    while True:
        if select.select([0], [], [], 0)[0]:
            command = os.read(0, 1)
            if not command:
                return
            on = command == b"+"
            _say()
        if on:
            byte = _HEAD[sent // clients % len(_HEAD)]
            with contextlib.suppress(OSError):
                sockets[sent % clients].send(bytes([byte]))
            sent += 1
        time.sleep(_EACH / clients)


def _say() -> None:
    sys.stdout.write("\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()

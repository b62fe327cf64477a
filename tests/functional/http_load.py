"""HTTP requests without a pause, each on a connection of its own."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from typing import Final

__all__ = ["HttpLoad"]

_TIMEOUT: Final = 60.0  # seconds; only reached if something is broken


class HttpLoad:
    """Clients that request a path over a Unix socket.

    :param where: the path of the socket.
    :param token: shown with each request.
    """

    def __init__(self, where: str, path: str, token: str, clients: int = 2) -> None:
        self._where = where
        self._path = path
        self._headers = {"Authorization": f"Bearer {token}"}
        self._stop = threading.Event()
        self._done = 0
        self._failed: list[str] = []
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(clients)]
        for thread in self._threads:
            thread.start()

    def further(self, count: int) -> None:
        """Wait until so many more requests have ended."""
        goal, deadline = self._done + count, time.monotonic() + _TIMEOUT
        while self._done < goal:
            assert time.monotonic() < deadline, (self._done, self._failed[:3])
            time.sleep(0.01)

    def stop(self) -> list[str]:
        """End it; the failures."""
        self._stop.set()
        for thread in self._threads:
            thread.join(_TIMEOUT)
        return self._failed

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                status = self._request()
            except OSError as error:
                self._failed.append(repr(error))
            else:
                if status != http.client.OK:
                    self._failed.append(str(status))
            self._done += 1

    def _request(self) -> int:
        connection = http.client.HTTPConnection("localhost", timeout=_TIMEOUT)
        connection.sock = socket.socket(socket.AF_UNIX)
        try:
            connection.sock.settimeout(_TIMEOUT)
            connection.sock.connect(self._where)
            connection.request("GET", self._path, headers={**self._headers, "Connection": "close"})
            response = connection.getresponse()
            response.read()
            return response.status
        finally:
            connection.close()

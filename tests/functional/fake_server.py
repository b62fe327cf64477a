"""Servers that follow a script."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import socketserver
import tempfile
import threading
import time
from collections.abc import Callable
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.functional.load_harness import Load, Outcome

__all__ = ["RIGHT", "Fake", "FakeTestCase", "Peer", "eventually"]

RIGHT = {"code": 200, "data": {"id": 7}}


def eventually(test: Callable[[], object]) -> None:
    """Wait for a condition; AssertionError after twenty seconds."""
    deadline = time.monotonic() + 20.0
    while not test():
        if time.monotonic() > deadline:
            raise AssertionError("the condition did not become true in time")
        time.sleep(0.005)


class Peer(socketserver.StreamRequestHandler):
    """The server's side of a connection, in a thread of its own.

    :ivar got: the received requests.
    """

    timeout = 20.0
    server: Fake

    def handle(self) -> None:
        """Run the script of the connection."""
        self.got: list[dict[str, Any]] = []
        number = self.client_address
        self.server.peers[number] = self
        with contextlib.suppress(EOFError, OSError):
            self.server.scripts[min(number, len(self.server.scripts) - 1)](self)

    def next(self) -> int:
        """Read a request; its id. EOFError if there is none."""
        line = self.rfile.readline()
        if not line.endswith(b"\n"):
            raise EOFError
        self.got.append(json.loads(line))
        return int(self.got[-1]["id"])

    def send(self, **message: Any) -> None:
        """Send a message."""
        self.connection.sendall(json.dumps(message).encode() + b"\n")

    def answer(self, count: int = 1) -> None:
        """Send correct replies to the next requests."""
        for _ in range(count):
            self.send(id=self.next(), **RIGHT)

    def serve(self) -> None:
        """Send correct replies until the client closes."""
        while True:
            self.answer()


class Fake(socketserver.ThreadingUnixStreamServer):
    """A server.

    :param scripts: of the first connection, the second, and so on; the last one is for all others.
    :ivar peers: the connections, by number.
    """

    request_queue_size = 1

    def __init__(self, path: str, scripts: tuple[Callable[[Peer], object], ...]) -> None:
        self.scripts = scripts
        self.peers: dict[int, Peer] = {}
        self._accepted = 0
        super().__init__(path, Peer)

    def get_request(self) -> tuple[socket.socket, int]:
        """Accept a connection; its address is its number."""
        accepted, _ = super().get_request()
        self._accepted += 1
        return accepted, self._accepted - 1

    def shutdown_request(self, request: Any) -> None:
        """Close a connection without a shutdown, so that unread bytes reset it."""
        request.close()


class FakeTestCase(SynchronousTestCase):
    """Has a server that follows a script."""

    def setUp(self) -> None:
        """Choose the path of the socket."""
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        self.path = os.path.join(folder, "s")

    def listen(self, *scripts: Callable[[Peer], object]) -> None:
        """Start the server."""
        self.fake = Fake(self.path, scripts)
        thread = threading.Thread(target=self.fake.serve_forever, args=(0.01,))
        thread.start()
        for each in (thread.join, self.fake.server_close, self.fake.shutdown):
            self.addCleanup(each)

    def load(self, **options: Any) -> Load:
        """Start a load of one connection."""
        load = Load(self.path, "abc", **{"connections": 1} | options)
        self.addCleanup(load.end)
        return load

    def outcome(self, *scripts: Callable[[Peer], object], count: int = 10, **options: Any) -> Outcome:
        """The outcome of a load of so many replies from this server."""
        self.listen(*scripts)
        load = self.load(**options)
        load.started(count)
        eventually(lambda: len(self.fake.peers) >= options.get("connections", 1))
        return load.stop()

    def got(self) -> list[int]:
        """The number of requests on each connection."""
        return [len(peer.got) for _, peer in sorted(self.fake.peers.copy().items())]

    def assertFailed(self, outcome: Outcome, *words: str) -> None:
        """There is one failure for each of these words."""
        self.assertEqual(outcome.failures, len(words), outcome)
        for word, text in zip(words, outcome.failed, strict=True):
            self.assertIn(word, text)

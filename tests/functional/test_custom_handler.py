"""A transport of a user's own, named by the configuration."""

from __future__ import annotations

import json
import os
import signal
import socket
from typing import Any

from tests.functional.orchestrator_process import OrchestratorTestCase


class PrefixedTests(OrchestratorTestCase):
    """Messages with their length in front, over the same routes, checks, workers and reloads."""

    config = """
[services.codes]
app = "codes:app"
handler = "prefixed:PrefixedRequestHandler"
"""

    def connect(self) -> socket.socket:
        """A client."""
        client = socket.socket(socket.AF_UNIX)
        self.addCleanup(client.close)
        client.settimeout(20)
        client.connect(self.path())
        return client

    def send(self, client: socket.socket, **fields: Any) -> None:
        """Send a message."""
        text = json.dumps({"auth_token": self.token(), **fields}).encode()
        client.sendall(len(text).to_bytes(4, "big") + text)

    def receive(self, client: socket.socket) -> Any:
        """The next reply."""
        length = int.from_bytes(client.recv(4, socket.MSG_WAITALL), "big")
        return json.loads(client.recv(length, socket.MSG_WAITALL))

    def test_requests(self) -> None:
        """Requests are answered, failures too, and the figures count both."""
        self.start()
        client = self.connect()
        for message, reply in (
            ({"id": 1, "path": "/item/7"}, {"id": 1, "code": 200, "data": {"id": 7}}),
            ({"id": 2, "path": "/item/x"}, {"id": 2, "status": "error", "code": 404, "message": "Not found"}),
        ):
            self.send(client, **message)
            self.assertLessEqual(reply.items(), self.receive(client).items())
        status = self.status()
        self.assertEqual((status["requests"], status["workers"][0]["connections"]), (2, 1))

    def test_drains(self) -> None:
        """A reload replaces the worker, and what was asked of the old one is answered."""
        self.start()
        client = self.connect()
        self.send(client, id=1, path="/wait", data={"seconds": 0.7})
        self.eventually(lambda: self.status()["workers"][0]["connections"] == 1)
        before = self.worker_pids()
        self.assertDone("reload")
        self.assertNotEqual(self.worker_pids(), before)
        self.assertEqual(self.receive(client), {"id": 1, "code": 200, "data": 0.7})
        self.assertEqual(client.recv(1), b"")

    def test_stops(self) -> None:
        """It ends with the orchestrator."""
        running = self.start()
        self.connect()
        running.signal(signal.SIGTERM)
        self.assertEqual((running.wait(), running.left()), (0, []))
        self.assertFalse(os.path.exists(self.path()))

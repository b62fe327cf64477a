"""A transport of a user's own: the one of the documentation, with real workers."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

from tests.examples.blocks import ROOT, Block, examples_of
from tests.functional.orchestrator_process import OrchestratorTestCase

_PAGE = ROOT / "docs" / "how-to" / "request-handler.rst"


class LinesTests(OrchestratorTestCase):
    """A line for each request, over the same routes, checks, workers and reloads."""

    config = """
[services.codes]
app = "codes:app"
handler = "lines:LineRequestHandler"
"""

    def setUp(self) -> None:
        """Write the handler of the page."""
        super().setUp()
        blocks: list[Block] = [each.parsed for each in examples_of(_PAGE, lambda block: None)]
        source = "".join(each.source for each in blocks if each.caption.startswith("lines.py"))
        Path(self.folder, "lines.py").write_text(source)

    def connect(self) -> socket.socket:
        """A client that has shown the token."""
        client = socket.socket(socket.AF_UNIX)
        self.addCleanup(client.close)
        client.settimeout(20)
        client.connect(self.path())
        client.sendall(f"TOKEN {self.token()}\n".encode())
        return client

    def test_requests(self) -> None:
        """Requests are answered, failures too, and the metrics count both."""
        self.start()
        client = self.connect()
        for request, reply in (
            (b"1 GET /item/7\n", b'1 200 {"id":7}\n'),
            (b"2 GET /item/x\n", b'2 404 ["Not found",null]\n'),
        ):
            client.sendall(request)
            self.assertEqual(client.recv(1000), reply)
        status = self.status()
        self.assertEqual((status["requests"], status["workers"][0]["connections"]), (2, 1))

    def test_drains(self) -> None:
        """A reload replaces the worker, and requests that the old one has accepted are answered."""
        self.start()
        client = self.connect()
        client.sendall(b'1 GET /wait {"seconds": 0.7}\n')
        self.eventually(lambda: self.status()["workers"][0]["connections"] == 1)
        before = self.worker_pids()
        self.assertDone("reload")
        self.assertNotEqual(self.worker_pids(), before)
        self.assertEqual(client.recv(1000), b"1 200 0.7\n")
        self.assertEqual(client.recv(1), b"")

    def test_stops(self) -> None:
        """It ends with the orchestrator."""
        running = self.start()
        self.connect()
        running.signal(signal.SIGTERM)
        self.assertEqual((running.wait(), running.left()), (0, []))
        self.assertFalse(os.path.exists(self.path()))

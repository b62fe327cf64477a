"""The live page of a real orchestrator: where it listens, what a reload changes, and what it says."""

from __future__ import annotations

import http.client
import json
import os
import socket
from typing import Any

from tests.functional.orchestrator_process import OrchestratorTestCase

_SERVICE = '[services.codes]\napp = "codes:app"\n'
_PAGE = '[dashboard]\nlisten = "unix:run/{}.sock:mode=600"\n'


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=10)
        self._path = path

    def connect(self) -> None:
        """Connect."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class DashboardTests(OrchestratorTestCase):
    config = _SERVICE + _PAGE.format("page")

    def page(self, name: str) -> str:
        """The path of a socket."""
        return os.path.join(self.folder, "run", f"{name}.sock")

    def get(self, name: str, path: str) -> tuple[int, Any]:
        """Make a request; the code and the decoded body."""
        connection = _UnixConnection(self.page(name))
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    def test_figures(self) -> None:
        """The page has the figures of the status: the same requests and errors, and the same workers."""
        self.start()
        for number in range(5):
            self.ask("codes", f"/item/{number}")
        code, snapshot = self.get("page", "/snapshot")
        found, status = snapshot["services"]["codes"], self.status()
        self.assertEqual((code, found["status"]), (200, "ready"))
        total = found["total"]
        self.assertEqual((total["requests"], total["errors"]), (status["requests"], status["errors"]))
        self.assertEqual(total["requests"], 5)
        self.assertEqual([each["pid"] for each in found["workers"]], self.worker_pids())
        self.assertEqual(os.stat(self.page("page")).st_mode & 0o777, 0o600)

    def test_reload(self) -> None:
        """A reload moves the page, switches it off and on; one that cannot be done leaves it as it was."""
        self.start()
        self.configure(_SERVICE + _PAGE.format("moved"))
        self.assertDone("reload")
        self.assertEqual(self.get("moved", "/session")[0], 200)
        self.assertRaises(OSError, self.get, "page", "/session")
        self.configure(_SERVICE + _PAGE.format("moved") + 'token_file = "no-such-file"\n')
        self.assertRefuses(4, ["reload"], "dashboard.token_file", "openssl")
        self.assertEqual(self.get("moved", "/snapshot")[0], 200)
        self.configure(_SERVICE)
        self.assertDone("reload")
        self.assertRaises(OSError, self.get, "moved", "/session")
        self.configure(_SERVICE + _PAGE.format("page") + 'token = "required"\n')
        self.assertDone("reload")
        self.assertEqual(self.get("page", "/snapshot")[0], 401)

"""Results with status, headers, cookies and events over HTTP, of a service that is mounted."""

from __future__ import annotations

import http.client
import os
import socket

from tests.functional.orchestrator_process import OrchestratorTestCase

_TIMEOUT = 60.0  # seconds; only reached if a test fails


class _UnixConnection(http.client.HTTPConnection):
    """An HTTP connection over a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_TIMEOUT)
        self._path = path

    def connect(self) -> None:
        """Connect."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(_TIMEOUT)
        self.sock.connect(self._path)


class MountedResultsTests(OrchestratorTestCase):
    """The service and the gateway are processes of their own."""

    config = (
        '[services.kinds]\napp = "kinds:app"\n'
        '[http]\nlisten = ["unix:web.sock"]\nmounts = {"/kinds" = "kinds:/results"}\nworkers = 1\n'
    )

    def request(self, method: str, path: str, body: str = "", **headers: str) -> http.client.HTTPResponse:
        """Send a request on a new connection."""
        connection = _UnixConnection(os.path.join(self.folder, "web.sock"))
        self.addCleanup(connection.close)
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        fields |= {"Authorization": f"Bearer {self.token()}"}
        if body:
            fields["Content-Type"] = "application/json"
        connection.request(method, path, body or None, fields)
        return connection.getresponse()

    def events(self, last: str = "") -> http.client.HTTPResponse:
        """Request a stream of events, after the last one that was seen."""
        headers = {"Accept": "text/event-stream"} | ({"Last_Event_ID": last} if last else {})
        return self.request("GET", "/kinds/ticks?count=5", **headers)

    def test_results(self) -> None:
        """Status, headers, cookies, media types and paths of redirects reach the client."""
        self.start()
        session = self.request("POST", "/kinds/session", '{"name": "Ada"}')
        self.assertEqual(
            session.headers["Set-Cookie"],
            "__Host-session=abc; Max-Age=3600; Path=/; Secure; HttpOnly; SameSite=Lax",
        )
        self.assertEqual(self.request("POST", "/kinds/accepted", '{"name": "Ada"}').status, 202)
        moved = self.request("GET", "/kinds/moved/3")
        self.assertEqual((moved.status, moved.headers["Location"]), (307, "/kinds/items/3"))
        picture = self.request("GET", "/kinds/picture/3")
        self.assertEqual((picture.headers["Content-Type"], picture.read()), ("image/png", b"\x89PNG\x03"))
        self.assertEqual(self.request("GET", "/kinds/download?count=3").read(), b"0\n1\n2\n")

    def test_resume(self) -> None:
        """A client that has lost the connection continues after the last event that it has seen."""
        self.start()
        first = self.events()
        seen = [first.readline() for _ in range(5)]
        self.assertEqual(seen[0], b"id: 0\n")
        first.close()
        rest = self.events(last="0").read().splitlines()
        self.assertEqual(next(each for each in rest if each.startswith(b"id: ")), b"id: 1")
        self.assertEqual(sum(each.startswith(b"data: ") for each in rest), 5)

"""The gateway over HTTP, in workers of the orchestrator."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import ssl
import threading
import time
from typing import Any

from tests.functional.http_stack import HttpTestCase
from tests.unit.support.certificates import write_certificate

_DEMO = """
[services.user]
app = "unix_app.user:app"
[http]
app = "rest_app:app"
listen = ["tcp:0:interface=127.0.0.1"]
mounts = { "/users" = "user:/user" }
depends_on = ["user"]
"""


class DemoTests(HttpTestCase):
    """The demo."""

    config = _DEMO

    def setUp(self) -> None:
        """Start the demo."""
        super().setUp()
        self.serve()

    def test_own_routes(self) -> None:
        """Public routes of the gateway's own application are open, and have the data of the service."""
        self.assertEqual(self.fetch("GET", "/", token=False).data, {"message": "Hello World!"})
        self.assertEqual(self.fetch("GET", "/user", token=False).data, [{"id": 1, "name": "Zeki"}])

    def test_mounted(self) -> None:
        """Mounted routes are answered by the service, and Location has the path of the mount."""
        created = self.fetch("POST", "/users", {"name": "Ada"})
        self.assertEqual((created.code, created.data), (201, {"id": 2, "name": "Ada"}))
        self.assertEqual(created.headers["location"], "/users/2")
        self.assertEqual(self.fetch("GET", "/users/2").data, {"id": 2, "name": "Ada"})
        self.assertEqual(self.fetch("GET", "/user/2", token=False).data, {"id": 2, "name": "Ada"})
        self.assertEqual(self.fetch("DELETE", "/users/2").code, 204)
        self.assertEqual(self.fetch("GET", "/users/2").code, 404)

    def test_wrong_body(self) -> None:
        """Invalid bodies are reported by field, in own and mounted routes."""
        for path in "/user", "/users":
            response = self.fetch("POST", path, {"name": "", "colour": "red"})
            self.assertEqual(
                (response.code, response.headers["content-type"]), (422, "application/problem+json")
            )
            self.assertEqual([each["field"] for each in response.data["errors"]], ["name", "colour"])

    def test_no_token(self) -> None:
        """Other routes need the token, and 401 has WWW-Authenticate."""
        for method, path in (("POST", "/user"), ("GET", "/users"), ("GET", "/-/stats")):
            response = self.fetch(method, path, token=False)
            self.assertEqual((response.code, response.headers["www-authenticate"]), (401, "Bearer"))

    def test_document(self) -> None:
        """The OpenAPI document has exactly the own and the mounted routes."""
        document = self.fetch("GET", "/openapi.json", token=False).data
        self.assertEqual(document["openapi"], "3.1.0")
        expected = {"/", "/pictures", "/ticks", "/user", "/user/{id}", "/users", "/users/{id}"}
        self.assertEqual(set(document["paths"]), expected)
        self.assertEqual(json.loads(self.command("openapi").out), document)  # without asking the gateway
        self.assertEqual(set(document["paths"]["/users/{id}"]) & {"get", "put", "patch", "delete"},
                         {"get", "put", "patch", "delete"})  # fmt: skip

    def test_stream(self) -> None:
        """A stream is JSON lines or events, as the client accepts."""
        lines = self.fetch("GET", "/ticks?count=2", token=False)
        self.assertEqual(lines.body, b'{"number":1}\n{"number":2}\n')
        events = self.fetch("GET", "/ticks?count=2", token=False, headers={"Accept": "text/event-stream"})
        self.assertEqual(events.headers["content-type"].partition(";")[0], "text/event-stream")
        self.assertEqual(events.body.count(b"data: {"), 2)

    def test_stopped_service(self) -> None:
        """While the mounted service is stopped, its routes are 503, and others work."""
        self.assertDone("stop", "user")
        response = self.fetch("GET", "/users/1", headers={"X-Request-Timeout": "0.5"})
        self.assertIn(response.code, (503, 504))
        self.assertEqual(self.fetch("GET", "/user/1", token=False).code, 200)

    def test_status(self) -> None:
        """The gateway is a service like others: the status has its statistics."""
        for _ in range(3):
            self.fetch("GET", "/user/1", token=False)
        self.fetch("GET", "/user/99", token=False)  # not an error of the service
        status = self.status("http")
        self.assertEqual((status["class"], status["requests"], status["errors"]), ("rest_app:app", 4, 0))


class LifecycleTests(HttpTestCase):
    """Starts and stops of workers."""

    def test_reload(self) -> None:
        """A rolling reload under load loses no request: connections are closed after a response only."""
        self.configure(self.config + "workers = 2\n")
        self.serve()
        clients = [_Client(self.port, self.token()) for _ in range(4)]
        for each in clients:
            self.addCleanup(each.stop)
        for _ in range(3):
            self.assertDone("reload", "http")
        for each in clients:
            each.stop()
        answered = sum(each.answered for each in clients)
        self.assertEqual([each.problem for each in clients], [""] * 4)
        self.assertGreater(answered, 100)
        self.record_value(
            f"3 reloads, {answered} answered over HTTP, {sum(each.closed for each in clients)} closed"
        )

    def test_stop(self) -> None:
        """A request in progress is completed when the orchestrator stops; then the port is closed."""
        running = self.serve()
        answers: list[Any] = []
        thread = threading.Thread(target=lambda: answers.append(self.fetch("GET", "/wait?seconds=1")))
        thread.start()
        self.eventually(lambda: any(each["inflight"] for each in [self.stats()]))
        running.interrupt()
        thread.join(30)
        self.assertEqual((running.wait(), [each.code for each in answers]), (0, [200]))
        with socket.socket() as client:
            self.assertRaises(ConnectionRefusedError, client.connect, ("127.0.0.1", self.port))
        self.assertEqual(running.left(), [])

    def stats(self) -> Any:
        """The statistics of the worker, without this request."""
        return self.fetch("GET", "/-/stats").data

    def test_killed(self) -> None:
        """A worker that is killed is replaced, and the next request is answered."""
        self.serve()
        (pid,) = self.worker_pids("http")
        os.kill(pid, signal.SIGKILL)
        self.eventually(lambda: self.worker_pids("http") not in ([], [pid]))
        self.assertEqual(self.fetch("GET", "/item/7").data, {"id": 7})

    def test_blocked_loop(self) -> None:
        """A worker whose event loop is blocked is replaced."""
        self.configure(self.config + "watchdog = 0.5\n")
        self.serve()
        (pid,) = self.worker_pids("http")
        os.kill(pid, signal.SIGSTOP)
        self.eventually(lambda: self.worker_pids("http") not in ([], [pid]))
        self.assertEqual(self.fetch("GET", "/item/7").code, 200)

    def test_disconnect(self) -> None:
        """A disconnect cancels the action."""
        running = self.serve()
        connection = self.connect()
        connection.request("GET", "/never", headers={"Authorization": f"Bearer {self.token()}"})
        self.eventually(lambda: self.stats()["inflight"])
        connection.close()
        self.eventually(lambda: not self.stats()["inflight"])
        running.until("/never", "cancelled")

    def test_deadline(self) -> None:
        """X-Request-Timeout limits the action."""
        self.serve()
        started = time.monotonic()
        self.assertEqual(self.fetch("GET", "/never", headers={"X-Request-Timeout": "0.3"}).code, 504)
        self.assertLess(time.monotonic() - started, 5)


class _Client:
    """Sends requests without a pause on a persistent connection.

    :ivar problem: the first error, if any.
    """

    def __init__(self, port: int, token: str) -> None:
        self.answered = self.closed = 0
        self.problem = ""
        self._where = port
        self._headers = {"Authorization": f"Bearer {token}"}
        self._on = True
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        """Stop."""
        self._on = False
        self._thread.join(30)

    def _run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._where, timeout=30)
        while self._on and not self.problem:
            try:
                connection.request("GET", "/item/7", headers=self._headers)
                response = connection.getresponse()
                body = response.read()
            except (OSError, http.client.HTTPException) as error:
                # An idle connection may be closed while a request is on its way; clients retry then.
                if not isinstance(error, http.client.RemoteDisconnected | ConnectionError):
                    self.problem = repr(error)
                connection.close()
                self.closed += 1
                continue
            if (response.status, body) != (200, b'{"id":7}'):
                self.problem = f"{response.status} {body!r}"
            self.answered += 1
        connection.close()


class EndpointTests(HttpTestCase):
    """Endpoints."""

    def test_tls(self) -> None:
        """TLS, with a certificate whose path is relative to the configuration."""
        _, certificate = write_certificate(self.folder)
        where = "ssl:0:privateKey=key.pem:certKey=certificate.pem:interface=127.0.0.1"
        self.configure(self.config.replace("tcp:0:interface=127.0.0.1", where))
        self.serve()
        trusting = ssl.create_default_context(cafile=certificate)
        connection = http.client.HTTPSConnection("localhost", self.port, timeout=30, context=trusting)
        self.addCleanup(connection.close)
        self.assertEqual(self.fetch("GET", "/item/7", connection=connection).data, {"id": 7})
        large = self.fetch("GET", "/large/100000", connection=connection)
        self.assertEqual(len(large.data), 100_000)

    def test_several(self) -> None:
        """Several endpoints at once, one of them a Unix socket."""
        config = self.config.replace('["tcp:0', '["unix:web.sock:mode=600", "tcp:0')
        self.configure(config)
        self.serve()
        path = os.path.join(self.folder, "web.sock")
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        connection = http.client.HTTPConnection("localhost", timeout=30)
        connection.sock = socket.socket(socket.AF_UNIX)
        self.addCleanup(connection.close)
        connection.sock.connect(path)
        for each in connection, None:
            self.assertEqual(self.fetch("GET", "/item/7", connection=each).data, {"id": 7})

    def test_command_line(self) -> None:
        """The command line can set the endpoint, or disable HTTP."""
        running = self.start("--http", "tcp:0:interface=127.0.0.2")
        self.assertIn("127.0.0.2", running.until("listens on")["message"])
        running.interrupt()
        running.wait()
        running = self.start("--no-http")
        self.assertEqual(running.logged("listens on"), [])
        self.assertEqual(set(self.ask("orchestrator", "/status")), {"codes"})

    def test_port_in_use(self) -> None:
        """A port that is in use is an error of one line, at once."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            running = self.start("--http", f"tcp:{port}:interface=127.0.0.1", ready=False)
            self.assertEqual(running.wait(), 2)
        self.assertEqual(running.errors.count("\n"), 1)
        self.assertIn(f"http://127.0.0.1:{port}: cannot be bound: Address already in use", running.errors)

    def test_key_is_missing(self) -> None:
        """A missing key is an error of one line that names it."""
        where = "ssl:0:privateKey=nokey.pem:interface=127.0.0.1"
        self.configure(self.config.replace("tcp:0:interface=127.0.0.1", where))
        running = self.start(ready=False)
        self.assertEqual(running.wait(), 2)
        self.assertIn("nokey.pem", running.errors)
        self.assertEqual(running.errors.count("\n"), 1)

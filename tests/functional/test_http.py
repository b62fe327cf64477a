"""The gateway over HTTP, as a pool of workers of the orchestrator."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import ssl
import threading
import time
from typing import Any

from tests.functional.http_stack import WebTestCase
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


class DemoTests(WebTestCase):
    """What the demo answers."""

    config = _DEMO

    def setUp(self) -> None:
        """Start it."""
        super().setUp()
        self.serve()

    def test_own(self) -> None:
        """What is public is answered to anybody, in this process, with the data that the service has."""
        self.assertEqual(self.fetch("GET", "/", token=False).data, {"message": "Hello World!"})
        self.assertEqual(self.fetch("GET", "/user", token=False).data, [{"id": 1, "name": "Zeki"}])

    def test_mounted(self) -> None:
        """Through the mount the service answers, and what it makes is where it is from here."""
        created = self.fetch("POST", "/users", {"name": "Ada"})
        self.assertEqual((created.code, created.data), (201, {"id": 2, "name": "Ada"}))
        self.assertEqual(created.headers["location"], "/users/2")
        self.assertEqual(self.fetch("GET", "/users/2").data, {"id": 2, "name": "Ada"})
        self.assertEqual(self.fetch("GET", "/user/2", token=False).data, {"id": 2, "name": "Ada"})
        self.assertEqual(self.fetch("DELETE", "/users/2").code, 204)
        self.assertEqual(self.fetch("GET", "/users/2").code, 404)

    def test_wrong_body(self) -> None:
        """What is wrong with a body is said field by field, here and through the mount."""
        for path in "/user", "/users":
            answer = self.fetch("POST", path, {"name": "", "colour": "red"})
            self.assertEqual((answer.code, answer.headers["content-type"]), (422, "application/problem+json"))
            self.assertEqual([each["field"] for each in answer.data["errors"]], ["name", "colour"])

    def test_no_token(self) -> None:
        """What is not public takes the token, and says how it is shown."""
        for method, path in (("POST", "/user"), ("GET", "/users"), ("GET", "/-/stats")):
            answer = self.fetch(method, path, token=False)
            self.assertEqual((answer.code, answer.headers["www-authenticate"]), (401, "Bearer"))

    def test_document(self) -> None:
        """The OpenAPI document has the routes that there are, own and mounted, and no others."""
        document = self.fetch("GET", "/openapi.json", token=False).data
        self.assertEqual(document["openapi"], "3.1.0")
        expected = {"/", "/ticks", "/user", "/user/{id}", "/users", "/users/{id}"}
        self.assertEqual(set(document["paths"]), expected)
        self.assertEqual(set(document["paths"]["/users/{id}"]) & {"get", "put", "patch", "delete"},
                         {"get", "put", "patch", "delete"})  # fmt: skip

    def test_stream(self) -> None:
        """A stream comes as lines, or as events, as is wanted."""
        lines = self.fetch("GET", "/ticks?count=2", token=False)
        self.assertEqual(lines.body, b'{"number":1}\n{"number":2}\n')
        events = self.fetch("GET", "/ticks?count=2", token=False, headers={"Accept": "text/event-stream"})
        self.assertEqual(events.headers["content-type"].partition(";")[0], "text/event-stream")
        self.assertEqual(events.body.count(b"data: {"), 2)

    def test_service_behind_is_gone(self) -> None:
        """Where the mounted service is stopped, it is 503 there, and all else is answered."""
        self.assertDone("stop", "user")
        answer = self.fetch("GET", "/users/1", headers={"X-Request-Timeout": "0.5"})
        self.assertIn(answer.code, (503, 504))
        self.assertEqual(self.fetch("GET", "/user/1", token=False).code, 200)

    def test_status(self) -> None:
        """It is a service like any other: its figures are in the status."""
        for _ in range(3):
            self.fetch("GET", "/user/1", token=False)
        self.fetch("GET", "/user/99", token=False)  # which is no error of the service
        status = self.status("http")
        self.assertEqual((status["class"], status["requests"], status["errors"]), ("rest_app:app", 4, 0))


class LifeTests(WebTestCase):
    """Workers come and go."""

    def test_reload(self) -> None:
        """Under load, reloads lose no request: connections end with an answer, never instead of one."""
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
        self.figure(
            f"3 reloads, {answered} answered over HTTP, {sum(each.closed for each in clients)} closed"
        )

    def test_stop(self) -> None:
        """What is being answered when it is told to stop is answered; then nothing listens there."""
        running = self.serve()
        answers: list[Any] = []
        asking = threading.Thread(target=lambda: answers.append(self.fetch("GET", "/wait?seconds=1")))
        asking.start()
        self.eventually(lambda: any(each["inflight"] for each in [self.stats()]))
        running.interrupt()
        asking.join(30)
        self.assertEqual((running.wait(), [each.code for each in answers]), (0, [200]))
        with socket.socket() as client:
            self.assertRaises(ConnectionRefusedError, client.connect, ("127.0.0.1", self.port))
        self.assertEqual(running.left(), [])

    def stats(self) -> Any:
        """The figures of the worker, as it tells them itself; this very request is not counted."""
        return self.fetch("GET", "/-/stats").data

    def test_killed(self) -> None:
        """A worker that is killed is replaced, and the next request answered."""
        self.serve()
        (pid,) = self.worker_pids("http")
        os.kill(pid, signal.SIGKILL)
        self.eventually(lambda: self.worker_pids("http") not in ([], [pid]))
        self.assertEqual(self.fetch("GET", "/item/7").data, {"id": 7})

    def test_stands_still(self) -> None:
        """One whose event loop stands still is replaced."""
        self.configure(self.config + "watchdog = 0.5\n")
        self.serve()
        (pid,) = self.worker_pids("http")
        os.kill(pid, signal.SIGSTOP)
        self.eventually(lambda: self.worker_pids("http") not in ([], [pid]))
        self.assertEqual(self.fetch("GET", "/item/7").code, 200)

    def test_gone_client(self) -> None:
        """Who goes away has what it asked cancelled."""
        running = self.serve()
        connection = self.connect()
        connection.request("GET", "/never", headers={"Authorization": f"Bearer {self.token()}"})
        self.eventually(lambda: self.stats()["inflight"])
        connection.close()
        self.eventually(lambda: not self.stats()["inflight"])
        running.until("/never", "cancelled")

    def test_deadline(self) -> None:
        """The time that a client gives is kept."""
        self.serve()
        suspended = time.monotonic()
        self.assertEqual(self.fetch("GET", "/never", headers={"X-Request-Timeout": "0.3"}).code, 504)
        self.assertLess(time.monotonic() - suspended, 5)


class _Client:
    """Asks without a pause, on a connection that it keeps for as long as the server lets it.

    :ivar problem: what went wrong, if anything did.
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
        """Ask no more."""
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
                # One that was idle may be closed before a request reaches it; any client tries again then.
                if not isinstance(error, http.client.RemoteDisconnected | ConnectionError):
                    self.problem = repr(error)
                connection.close()
                self.closed += 1
                continue
            if (response.status, body) != (200, b'{"id":7}'):
                self.problem = f"{response.status} {body!r}"
            self.answered += 1
        connection.close()


class EndpointTests(WebTestCase):
    """Where it can listen."""

    def test_tls(self) -> None:
        """Encrypted, with a certificate that is relative to the configuration."""
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
        """On several endpoints at once, one of them a Unix socket."""
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

    def test_elsewhere(self) -> None:
        """The command line can say where, or that it is nowhere."""
        running = self.start("--http", "tcp:0:interface=127.0.0.2")
        self.assertIn("127.0.0.2", running.until("listens on")["message"])
        running.interrupt()
        running.wait()
        running = self.start("--no-http")
        self.assertEqual(running.logged("listens on"), [])
        self.assertEqual(set(self.ask("orchestrator", "/status")), {"codes"})

    def test_taken(self) -> None:
        """A port that is taken is one line, at once."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            running = self.start("--http", f"tcp:{port}:interface=127.0.0.1", ready=False)
            self.assertEqual(running.wait(), 2)
        self.assertEqual(running.errors.count("\n"), 1)
        self.assertIn(f"http://127.0.0.1:{port}: cannot be bound: Address already in use", running.errors)

    def test_key_is_missing(self) -> None:
        """A key that is not there is one line that names it."""
        where = "ssl:0:privateKey=nokey.pem:interface=127.0.0.1"
        self.configure(self.config.replace("tcp:0:interface=127.0.0.1", where))
        running = self.start(ready=False)
        self.assertEqual(running.wait(), 3)
        self.assertIn("nokey.pem", running.errors)
        self.assertEqual(running.errors.count("\n"), 1)

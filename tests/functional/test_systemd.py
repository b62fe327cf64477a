"""Tests of the orchestrator under a fake systemd."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Callable
from typing import Any

from tests.functional.orchestrator_process import OrchestratorProcess, OrchestratorTestCase


class SystemdTests(OrchestratorTestCase):
    """The messages to systemd."""

    config = '[services.codes]\napp = "codes:app"\nworkers = 2\n'

    def setUp(self) -> None:
        """Listen as systemd does."""
        super().setUp()
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        self.address = os.path.join(folder, "notify")
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.notify.close)
        self.notify.bind(self.address)
        self.notify.settimeout(20)
        self.messages: list[dict[str, str]] = []

    def start_notifying(self, **environment: str) -> OrchestratorProcess:
        """Start the orchestrator as with ``Type=notify``."""
        return self.start(environment={"NOTIFY_SOCKET": self.address, **environment}, ready=False)

    def next(self, wanted: Callable[[dict[str, str]], object]) -> dict[str, str]:
        """The next message that fulfils a condition."""
        while True:
            lines = self.notify.recv(65536).decode().split("\n")
            message = dict(line.split("=", 1) for line in lines)
            self.messages.append(message)
            if wanted(message):
                return message

    def test_life(self) -> None:
        """READY when all services are ready; RELOADING and READY around a reload; STATUS; STOPPING."""
        running = self.start_notifying()
        ready = self.next(lambda message: True)
        self.assertEqual((ready["READY"], set(ready)), ("1", {"READY", "STATUS"}))
        self.assertEqual(self.ask("codes", "/item/3"), {"id": 3})
        status = self.next(lambda message: "requests" in message.get("STATUS", ""))["STATUS"]
        self.assertRegex(status, r"^1 services, 2 workers ready; \d+ requests, \d+/s$")

        before = time.monotonic_ns() // 1000
        running.signal(signal.SIGHUP)
        reloading = self.next(lambda message: "RELOADING" in message)
        self.assertEqual(reloading["RELOADING"], "1")
        self.assertTrue(before <= int(reloading["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000)
        self.next(lambda message: "READY" in message)
        running.until("reloaded")

        running.signal(signal.SIGTERM)
        self.assertEqual(self.next(lambda message: "STOPPING" in message), {"STOPPING": "1"})
        self.assertEqual(running.wait(), 0)

    def test_not_ready(self) -> None:
        """If a service cannot start, READY is never sent."""
        self.configure('[services.codes]\napp = "import_error:app"\n')
        running = self.start_notifying()
        self.next(lambda message: "STOPPING" in message)
        self.assertEqual((running.wait(), self.messages), (3, [{"STOPPING": "1"}]))

    def test_watchdog(self) -> None:
        """Watchdog messages are sent only while every service has a ready worker."""
        self.configure('[services.codes]\napp = "fails_when_doomed:app"\nstart_limit = 1\n')
        running = self.start_notifying(WATCHDOG_USEC="300000")
        for _ in range(5):
            self.next(lambda message: "WATCHDOG" in message)
        started = time.monotonic()
        self.next(lambda message: "WATCHDOG" in message)
        self.assertLess(time.monotonic() - started, 0.3)
        with open(os.path.join(self.folder, "doomed"), "w"):
            os.kill(self.worker_pids()[0], signal.SIGKILL)
        running.until("has failed")
        self.next(lambda message: "codes is failed" in message.get("STATUS", ""))
        self.notify.settimeout(1.0)
        self.assertRaises(TimeoutError, self.next, lambda message: "WATCHDOG" in message)

    def test_environment_of_workers(self) -> None:
        """Workers inherit no variable of systemd."""
        self.start_notifying(WATCHDOG_USEC="9000000")
        self.next(lambda message: "READY" in message)
        names = set(self.ask("codes", "/environment"))
        self.assertIn("PATH", names)
        self.assertEqual(names & {"NOTIFY_SOCKET", "WATCHDOG_USEC", "LISTEN_FDS", "LISTEN_PID"}, set())


class ActivationTests(OrchestratorTestCase):
    """Sockets that systemd has bound."""

    config = '[services.codes]\napp = "codes:app"\n[services.other]\napp = "codes:app"\n'

    def bound(self, path: str) -> socket.socket:
        """A listening socket."""
        os.makedirs(os.path.join(self.folder, "run"), mode=0o700, exist_ok=True)
        listening = socket.socket(socket.AF_UNIX)
        self.addCleanup(listening.close)
        listening.bind(path)
        listening.listen(16)
        return listening

    def activated(self, *sockets: socket.socket, names: str, **options: Any) -> OrchestratorProcess:
        """Start the orchestrator with these sockets."""
        environment = {"LISTEN_FDS": str(len(sockets)), "LISTEN_FDNAMES": names}
        return self.start(passed_sockets=sockets, environment=environment, **options)

    def test_several(self) -> None:
        """Each service has its socket; clients that connected before are served; the paths stay."""
        sockets = [self.bound(self.path(name)) for name in ("other", "codes")]
        early = socket.socket(socket.AF_UNIX)
        self.addCleanup(early.close)
        early.connect(self.path())
        running = self.activated(*sockets, names="other:codes")
        early.sendall(b'{"path": "/item/4", "auth_token": "%s"}' % self.token().encode())
        early.settimeout(20)
        self.assertEqual(early.recv(4096), b'{"id":4}')
        self.assertEqual(self.ask("other", "/item/3"), {"id": 3})
        before = self.worker_pids()
        self.assertDone("reload")
        self.assertNotEqual(self.worker_pids(), before)
        self.assertEqual(self.ask("codes", "/item/3"), {"id": 3})
        running.signal(signal.SIGTERM)
        self.assertEqual((running.wait(), running.left()), (0, []))
        for name in "codes", "other":
            self.assertTrue(os.path.exists(self.path(name)))

    def test_one_of_two(self) -> None:
        """Sockets that systemd has not bound are bound by the orchestrator."""
        self.activated(self.bound(self.path()), names="codes")
        self.assertEqual(self.ask("codes", "/item/3"), {"id": 3})
        self.assertEqual(self.ask("other", "/item/3"), {"id": 3})

    def test_gateways(self) -> None:
        """Gateways have their sockets, of one name or another; a reload keeps them, and must not lose one."""
        folder = self.folder
        listen = [f'"unix:{name}.sock"' for name in ("one", "two")]
        config = f'[http]\napp = "codes:app"\nlisten = [{", ".join(listen)}]\n'
        more = '[http.internal]\napp = "codes:app"\nlisten = ["unix:internal.sock"]\n'
        self.configure(config + more)
        names = ("one", "two", "internal")
        sockets = [self.bound(os.path.join(folder, f"{name}.sock")) for name in names]
        early = self.http_request("internal")
        running = self.activated(*sockets, names="http:http:http-internal")
        for name in names:
            request = early if name == "internal" else self.http_request(name)
            self.assertTrue(request.recv(4096).startswith(b"HTTP/1.1 200 "), name)
        self.configure(config.replace(listen[1], '"unix:three.sock"') + more)
        self.assertRefuses(
            4, ["reload"], "passed by systemd", f"listens on {folder}/two.sock; listen of [http] has"
        )
        self.configure(config.replace(listen[1], listen[1] + ', "unix:three.sock"') + more)
        self.assertDone("reload")
        for name in (*names, "three"):
            self.assertTrue(self.http_request(name).recv(4096).startswith(b"HTTP/1.1 200 "), name)
        running.signal(signal.SIGTERM)
        self.assertEqual(running.wait(), 0)
        left = [name for name in (*names, "three") if os.path.exists(os.path.join(folder, f"{name}.sock"))]
        self.assertEqual(left, [*names])

    def http_request(self, name: str) -> socket.socket:
        """A connection to a Unix socket of the folder, with a health check under way."""
        connection = socket.socket(socket.AF_UNIX)
        self.addCleanup(connection.close)
        connection.settimeout(20)
        connection.connect(os.path.join(self.folder, f"{name}.sock"))
        connection.sendall(b"GET /-/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return connection

    def test_wrong(self) -> None:
        """A socket with a wrong name or path is one line and exit code 2."""
        elsewhere = os.path.join(self.folder, "elsewhere.sock")
        for name, path, words in (
            ("nobody", self.path(), "is for no service"),
            ("codes", elsewhere, f"clients connect to {self.path()}"),
        ):
            running = self.activated(self.bound(path), names=name, ready=False)
            self.assertEqual(running.wait(), 2)
            self.assertIn(words, running.errors)
            self.assertEqual(running.errors.count("\n"), 1)
            os.unlink(path)

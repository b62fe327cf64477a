"""Tests that all clients pass while services change, are absent, or are not trusted."""

from __future__ import annotations

import os
import signal
import socket
import tempfile
import threading
import time
from concurrent.futures import Future
from typing import Any
from unittest import skipIf

from tests.functional.client_suite import CallSuite, ClientTestCase, StreamSuite
from unixsvc.client.errors import ServiceUnreachable
from unixsvc.errors import DeadlineExceeded, MethodNotAllowed, ServiceError, Unavailable

__all__ = ["Suite"]


class ChangeSuite(ClientTestCase):
    """Services that change while they are called."""

    def test_reload(self) -> None:
        """A reload during 2,000 calls loses none, and the old worker exits."""
        self.start()
        client = self.client()
        before = self.worker_pids()
        reload = threading.Timer(0.1, self.command, ["reload"])
        reload.start()
        calls = [("GET", f"/wait?seconds={0.005 + number % 2 / 100}") for number in range(2000)]
        outcomes = client.outcomes(calls, 20)
        reload.join()
        self.assertEqual([each for each in outcomes if isinstance(each, Exception)], [])
        self.assertEqual(client.outcomes([("GET", "/item/7")] * 64), [{"id": 7}] * 64)
        self.assertNotEqual(self.worker_pids(), before)
        self.eventually(lambda: not os.path.exists(f"/proc/{before[0]}"), 5.0)

    def test_kill(self) -> None:
        """After a worker is killed, each GET succeeds; a POST succeeds or is lost; none runs twice."""
        self.start()
        client = self.client("call_log", connections=8)
        killing = threading.Thread(target=self.kill_busiest)
        killing.start()
        calls: list[tuple[Any, ...]] = []
        for number in range(3000):
            data = {"name": f"note {number}", "seconds": 0.02}
            calls.append(("POST", "/note", data) if number % 4 == 0 else ("GET", f"/item/{number}"))
        outcomes = client.outcomes(calls, 40)
        killing.join()
        notes = self.call_log()
        self.assertEqual(len(set(notes)), len(notes))
        for number, outcome in enumerate(outcomes):
            if number % 4:
                self.assertEqual(outcome, {"id": number})
            elif isinstance(outcome, Exception):
                self.assertIsInstance(outcome, Unavailable)
            else:
                self.assertIn(outcome, notes)
        self.assertTrue([each for each in outcomes if isinstance(each, Exception)])

    def kill_busiest(self) -> None:
        """After some notes, kill the worker of ``call_log`` that has the most connections."""
        self.eventually(lambda: len(self.call_log()) > 100)
        workers = self.status("call_log")["workers"]
        os.kill(max(workers, key=lambda each: each["connections"])["pid"], signal.SIGKILL)

    def test_restart(self) -> None:
        """Calls during a restart of the orchestrator are answered after it."""
        running = self.start()
        client = self.client()
        client.call("GET", "/item/7")
        running.signal(signal.SIGTERM)
        running.wait()
        futures: list[Future[Any]] = []
        again = self.start(ready=False)
        for number in range(10):
            futures.append(client.start_call("POST" if number % 2 else "GET", "/item/7", timeout=60))
        again.until("ready: ")
        for number, each in enumerate(futures):
            if number % 2:
                self.assertIsInstance(each.exception(60.0), MethodNotAllowed)
            else:
                self.assertEqual(each.result(60.0), {"id": 7})


class AbsentServiceSuite(ClientTestCase):
    """Services that are absent, or not trusted."""

    def setUp(self) -> None:
        """Make a socket directory."""
        super().setUp()
        self.socket_dir = tempfile.mkdtemp(dir=self.folder)

    def listen(self, name: str, backlog: int = 5) -> socket.socket:
        """Listen there."""
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.addCleanup(listening.close)
        listening.bind(os.path.join(self.socket_dir, f"service_{name}.sock"))
        listening.listen(backlog)
        return listening

    def test_none(self) -> None:
        """A call to an absent service fails after three seconds at most; the error lists the others."""
        self.listen("others")
        started = time.monotonic()
        with self.assertRaises(ServiceError) as caught:
            self.client("nobody", socket_dir=self.socket_dir, token="t").call("GET", "/item/7")
        self.assertLess(time.monotonic() - started, 3.0)
        self.assertIn("there is no service 'nobody'; there are: others", str(caught.exception))

    def test_appears(self) -> None:
        """A service that appears is called at once, also after long pauses."""
        call = self.client("late", socket_dir=self.socket_dir, token="t").start_call("GET", "/item/7")
        time.sleep(1.2)  # by then the pauses are long
        self.assertFalse(call.done())
        listening = self.listen("late")
        started = time.monotonic()
        listening.settimeout(5.0)
        with listening.accept()[0] as connection:
            self.assertLess(time.monotonic() - started, 0.1)
            connection.recv(1000)
            connection.sendall(b'{"id":1,"code":200,"data":"there"}\n')
            self.assertEqual(call.result(5.0), "there")

    def test_backlog(self) -> None:
        """While the backlog is full, the client retries, and connects when there is room."""
        listening = self.listen("full", backlog=0)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
            other.connect(listening.getsockname())
            future = self.client("full", socket_dir=self.socket_dir, token="t").start_call("GET", "/item/7")
            time.sleep(0.1)
            self.assertFalse(future.done())
            listening.accept()[0].close()
            listening.settimeout(2.0)
            with listening.accept()[0] as connection:
                self.assertIn(b"/item/7", connection.recv(1000))
                connection.sendall(b'{"id":1,"code":200,"data":"there"}\n')
                self.assertEqual(future.result(5.0), "there")

    def test_never_accepted(self) -> None:
        """The deadline is kept if the connection is never accepted."""
        self.listen("hanging")
        client = self.client("hanging", socket_dir=self.socket_dir, token="t")
        started = time.monotonic()
        with self.assertRaises(DeadlineExceeded):
            client.call("GET", "/item/7", timeout=0.2)
        self.assertLess(time.monotonic() - started, 0.25)

    @skipIf(os.geteuid() != 0, "only root can listen as another user")
    def test_other_user(self) -> None:
        """Nothing is sent to a socket on which another user listens."""
        os.chmod(self.folder, 0o755)
        os.chmod(self.socket_dir, 0o777)
        os.seteuid(65534)
        try:
            listening = self.listen("false")
        finally:
            os.seteuid(0)
        client = self.client("false", socket_dir=self.socket_dir, token="secret")
        with self.assertRaises(ServiceUnreachable) as caught:
            client.call("GET", "/item/7")
        self.assertIn("another user listens there (uid 65534)", str(caught.exception))
        listening.settimeout(2.0)
        with listening.accept()[0] as connection:
            connection.settimeout(2.0)
            self.assertEqual(connection.recv(1000), b"")


class Suite(CallSuite, StreamSuite, ChangeSuite, AbsentServiceSuite):
    """All tests."""

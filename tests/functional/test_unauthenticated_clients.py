"""Clients without a token: the memory that they take, and the connections of one user."""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from unittest import skipIf

import psutil

from tests.functional.orchestrator_process import OrchestratorTestCase

_MIB = 1 << 20
_CLIENTS = 150
_NOBODY = 65534
# Clients that read nothing, the one among them that does, and the size of each reply.
_UNREAD = 60
_READER = 15
_LARGE = 900_000
_HEAD = b"POST /item HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1048576\r\n\r\n"

# Connects so many times as another user, writes a line, and keeps the connections until its standard input
# ends. It changes its user itself, as that user may not be able to read the interpreter.
_SILENT = """
import os, socket, sys
os.setuid(int(sys.argv[3]))
held = [socket.socket(socket.AF_UNIX) for _ in range(int(sys.argv[2]))]
for each in held:
    each.connect(sys.argv[1])
print("connected", flush=True)
sys.stdin.read()
"""

# Connects so many times as another user, then sends a request on each connection, and writes the codes of the
# responses.
_ASKING = """
import contextlib, os, socket, sys
os.setuid(int(sys.argv[3]))
held = [socket.socket(socket.AF_UNIX) for _ in range(int(sys.argv[2]))]
for each in held:
    each.settimeout(60)
    each.connect(sys.argv[1])
for each in held:
    with contextlib.suppress(BrokenPipeError):
        each.sendall(b"GET /-/ping HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
print(*[each.makefile("rb").readline().split()[1].decode() for each in held])
"""


class MemoryTests(OrchestratorTestCase):
    """A worker whose clients together send far more than the budget, and never a whole message."""

    config = (
        "[limits]\nmax_buffered_bytes = 16777216\nauthentication_timeout = 60\n"
        '[services.codes]\napp = "codes:app"\nboot_timeout = 60\n'
        '[http]\napp = "codes:app"\nlisten = ["unix:run/http.sock"]\ntoken = "private"\nboot_timeout = 60\n'
    )

    def assert_bounded(self, service: str, connect: Callable[[], socket.socket], start: bytes) -> None:
        """Send the start of a megabyte from each client; the worker's memory stays within the budget."""
        worker = psutil.Process(self.status(service)["workers"][0]["pid"])
        before, sent = worker.memory_info().rss, 0
        data = start + b"a" * (_MIB - len(start) - 10)
        clients = []
        for _ in range(_CLIENTS):
            client = connect()
            self.addCleanup(client.close)
            client.setblocking(False)
            clients.append((client, memoryview(data)))
        deadline = time.monotonic() + 2.0
        while time.monotonic() < deadline:
            for index, (client, rest) in enumerate(clients):
                with contextlib.suppress(BlockingIOError, BrokenPipeError, ConnectionResetError):
                    count = client.send(rest)
                    sent += count
                    clients[index] = client, rest[count:]
            time.sleep(0.01)
        grown = worker.memory_info().rss - before
        self.record_value(f"{sent / _MIB:.0f} MiB sent, {grown / _MIB:.0f} MiB more resident memory")
        self.assertGreater(sent, 24 * _MIB)
        # Half as much again for the allocator: what is dropped leaves gaps.
        self.assertLess(grown, 24 * _MIB)

    def test_sockets(self) -> None:
        """Partial messages; who has the token is served meanwhile, also with a message as large as theirs."""
        self.start()
        with self.talk() as trusted:
            trusted.ask(id=1, path="/item/1")
            self.assert_bounded("codes", lambda: self.talk(token=False).socket, b'{"x":"')
            data = {"name": "x" * 900_000, "price": 1}
            self.assertEqual(trusted.ask(id=2, method="POST", path="/item", data=data)["code"], 200)
            self.assertEqual(self.ask("codes", "/item/3"), {"id": 3})

    def test_http(self) -> None:
        """Partial bodies; requests whose body is small are served meanwhile."""
        self.start()
        path = os.path.join(self.folder, "run", "http.sock")

        def connect() -> socket.socket:
            client = socket.socket(socket.AF_UNIX)
            client.connect(path)
            return client

        self.assert_bounded("http", connect, _HEAD)
        client = http.client.HTTPConnection("localhost", timeout=20)
        client.sock = connect()
        self.addCleanup(client.close)
        client.request("GET", "/-/ping")
        self.assertEqual(client.getresponse().status, 200)


class UnreadReplyTests(OrchestratorTestCase):
    """A worker whose clients together request far more than the budget, and read nothing of it."""

    config = (
        "[limits]\nmax_buffered_bytes = 16777216\nauthentication_timeout = 60\n"
        '[security]\ntoken = "private"\n[services.large]\napp = "large:app"\nboot_timeout = 60\n'
        '[http]\napp = "large:app"\nlisten = ["unix:run/http.sock"]\nboot_timeout = 60\n'
    )

    def assert_bounded(self, service: str, path: str, request: bytes) -> None:
        """Send requests for 900 kB; the memory stays within the budget, and a client that reads is served."""
        worker = psutil.Process(self.status(service)["workers"][0]["pid"])
        before = most = worker.memory_info().rss
        clients = []
        for _ in range(_UNREAD):
            client = socket.socket(socket.AF_UNIX)
            self.addCleanup(client.close)
            client.connect(path)
            client.sendall(request)
            clients.append(client)
        reader = clients[_READER]
        reader.setblocking(False)
        received = 0
        deadline = time.monotonic() + self.on_busy_machine(30.0)
        while received < _LARGE and time.monotonic() < deadline:
            with contextlib.suppress(BlockingIOError):
                received += len(reader.recv(_MIB))
            most = max(most, worker.memory_info().rss)
            time.sleep(0.005)
        grown = most - before
        self.record_value(f"{_UNREAD * _LARGE / _MIB:.0f} MiB unread, {grown / _MIB:.0f} MiB more memory")
        self.assertGreaterEqual(received, _LARGE)
        self.assertLess(grown, 24 * _MIB)

    def test_sockets(self) -> None:
        """Clients with the token are served at once meanwhile, on old and new connections."""
        self.start()
        with self.talk("large") as trusted:
            trusted.ask(id=1, path="/item/1")
            self.assert_bounded("large", self.path("large"), b'{"id":1,"path":"/large/900000"}\n')
            self.assertEqual(len(trusted.ask(id=2, path=f"/large/{_LARGE}")["data"]), _LARGE)
            self.assertEqual(self.ask("large", "/item/3"), {"id": 3})

    def test_http(self) -> None:
        """Requests with the token, and for the built-in routes, are served at once meanwhile."""
        self.start()
        path = os.path.join(self.folder, "run", "http.sock")
        self.assert_bounded("http", path, b"GET /large/900000 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        for target, headers in (("/-/ping", {}), ("/item/1", {"Authorization": f"Bearer {self.token()}"})):
            client = http.client.HTTPConnection("localhost", timeout=20)
            self.addCleanup(client.close)
            client.sock = socket.socket(socket.AF_UNIX)
            client.sock.settimeout(20)
            client.sock.connect(path)
            client.request("GET", target, headers=headers)
            self.assertEqual(client.getresponse().status, 200)


@skipIf(os.geteuid() != 0, "only root can connect as another user")
class UserTests(OrchestratorTestCase):
    """Another user connects as often as it can, and says nothing."""

    config = (
        "socket_mode = '666'\n[limits]\nmax_connections = 40\nauthentication_timeout = 2\n"
        + '[services.codes]\napp = "codes:app"\n'
    )

    def connect_silently(self, times: int) -> None:
        """Connect as the user ``nobody``."""
        arguments = [sys.executable, "-c", _SILENT, self.path(), str(times), str(_NOBODY)]
        process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(process.wait)
        for stream in (process.stdin, process.stdout):
            assert stream is not None
            self.addCleanup(stream.close)
        assert process.stdout is not None
        self.assertEqual(process.stdout.readline(), b"connected\n")

    def test_silent(self) -> None:
        """Others are served at once; the silent connections are closed after the authentication time-out."""
        self.start()
        for each in (self.folder, os.path.join(self.folder, "run")):
            os.chmod(each, 0o755)
        self.connect_silently(100)
        connected = [self.talk() for _ in range(20)]
        for talk in connected:
            self.assertEqual(talk.ask(id=1, path="/item/1")["code"], 200)
        self.eventually(lambda: self.status()["workers"][0]["connections"] == len(connected))


@skipIf(os.geteuid() != 0, "only root can connect as other users")
class HttpUserTests(OrchestratorTestCase):
    """Other users connect to an HTTP endpoint on a Unix socket as often as they can."""

    config = (
        '[services.codes]\napp = "codes:app"\n[http]\nmax_connections = 40\nmax_connections_per_user = 10\n'
        'app = "codes:app"\nlisten = ["unix:run/http.sock:mode=666"]\nboot_timeout = 60\n'
    )

    def codes(self, uid: int, times: int) -> list[str]:
        """The codes of the responses that a user gets on so many connections at the same time."""
        path = os.path.join(self.folder, "run", "http.sock")
        arguments = [sys.executable, "-c", _ASKING, path, str(times), str(uid)]
        return subprocess.run(arguments, capture_output=True, text=True, check=True).stdout.split()

    def test_quota(self) -> None:
        """Each gets as many as configured, and then 503; root has no such limit."""
        self.start()
        for each in (self.folder, os.path.join(self.folder, "run")):
            os.chmod(each, 0o755)
        self.assertEqual(self.codes(_NOBODY, 20), ["200"] * 10 + ["503"] * 10)
        self.assertEqual(self.codes(1, 20), ["200"] * 10 + ["503"] * 10)
        self.assertEqual(self.codes(0, 20), ["200"] * 20)

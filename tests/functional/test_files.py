"""Files over HTTP: plain, over TLS and on a Unix socket; slow clients, memory, threads and descriptors."""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import socket
import ssl
import time
from pathlib import Path

import psutil

from tests.functional.http_stack import HttpTestCase
from tests.unit.support.certificates import write_certificate

_MIB = 1 << 20
_SIZE = 48 * _MIB
_GROWTH = 8 * _MIB
_SEND_TIMEOUT = 2.0
_REQUEST = b"GET /files/large HTTP/1.1\r\nHost: localhost\r\n\r\n"
_CONFIG = f"""
[http]
app = "filing:app"
workers = 1
send_timeout = {_SEND_TIMEOUT}
listen = [
    "tcp:0:interface=127.0.0.1",
    "ssl:0:privateKey=key.pem:certKey=certificate.pem:interface=127.0.0.1",
    "unix:run/http.sock",
]
[http.static."/static"]
folder = "files"
"""


class FileTests(HttpTestCase):
    """A service with one worker, and a file that fits into no buffer."""

    config = _CONFIG

    def setUp(self) -> None:
        """Start it."""
        super().setUp()
        block = hashlib.sha256(b"block").digest() * (_MIB // 32)
        digest = hashlib.sha256()
        self.file = Path(self.folder, "files", "large")
        self.file.parent.mkdir()
        with open(self.file, "wb") as file:
            for number in range(_SIZE // _MIB):
                piece = number.to_bytes(8, "big") + block[8:]
                file.write(piece)
                digest.update(piece)
        self.digest = digest.hexdigest()
        _, self.certificate = write_certificate(self.folder)
        self.listening = self.serve().until("listens on")["message"]
        self.worker = psutil.Process(self.worker_pids("http")[0])
        self.get("/static/large", "Range: bytes=0-9")  # what the worker needs once is there after that

    def get(self, path: str, *headers: str) -> http.client.HTTPResponse:
        """Send a request on a connection of its own."""
        connection = self.connect()
        connection.request("GET", path, headers=dict(each.split(": ", 1) for each in headers))
        return connection.getresponse()

    def digest_of(self, response: http.client.HTTPResponse) -> str:
        """The digest of a body."""
        digest = hashlib.sha256()
        while piece := response.read(_MIB):
            digest.update(piece)
        return digest.hexdigest()

    def test_same_bytes(self) -> None:
        """A file arrives as it is over TCP, TLS and a Unix socket, twice on a connection, in flat memory."""
        connections = [self.connect(), self.connect_tls(), self.connect_unix()]
        for connection in connections:
            self.addCleanup(connection.close)
            connection.request("GET", "/files/large", headers={"Range": "bytes=0-9"})
            connection.getresponse().read()
        before = self.reset_peak()
        for connection in connections:
            for path in ("/files/large", "/static/large"):
                connection.request("GET", path)
                self.assertEqual(self.digest_of(connection.getresponse()), self.digest)
            connection.request("GET", "/ping")
            self.assertEqual(connection.getresponse().read(), b'"pong"')
        self.assertLess(self.peak() - before, _SIZE // 2)  # not even for a moment
        self.check_resumed()

    def reset_peak(self) -> int:
        """Forget the most memory that the worker has had; return what it has now, in bytes."""
        Path(f"/proc/{self.worker.pid}/clear_refs").write_text("5")
        return self.worker.memory_info().rss

    def peak(self) -> int:
        """The most memory that the worker has had since then, in bytes."""
        status = Path(f"/proc/{self.worker.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024

    def check_resumed(self) -> None:
        """A download that was interrupted goes on where it stopped, unless the file has changed."""
        first = self.get("/files/large")
        start, tag = first.read(10 * _MIB), first.headers["ETag"]
        first.close()
        rest = self.get("/files/large", f"Range: bytes={len(start)}-", f"If-Range: {tag}")
        self.assertEqual(rest.status, 206)
        digest = hashlib.sha256(start)
        digest.update(rest.read())
        self.assertEqual(digest.hexdigest(), self.digest)
        os.utime(self.file, (1, 1))
        self.assertEqual(self.get("/files/large", "Range: bytes=5-9", f"If-Range: {tag}").status, 200)

    def test_slow_clients(self) -> None:
        """Clients that do not read hold neither memory nor threads; their files are closed with them.

        A file that becomes shorter ends with the connection; the client does not hang.
        """
        before = self.worker.memory_info().rss
        files, threads = len(self.worker.open_files()), self.worker.num_threads()
        clients = [self.slow_client() for _ in range(20)]
        self.eventually(lambda: len(self.worker.open_files()) == files + 20)
        self.assertEqual(self.get("/ping").read(), b'"pong"')
        self.assertLess(self.worker.memory_info().rss - before, _GROWTH)
        self.assertLessEqual(self.worker.num_threads(), threads + 4)  # those that load, if any has had to
        os.truncate(self.file, 100)
        self.assertLess(_closed_after(clients[0]), _SIZE)
        for client in clients:
            client.close()
        self.eventually(lambda: len(self.worker.open_files()) == files)

    def test_stalled(self) -> None:
        """A client that takes nothing is disconnected; one that takes little at a time is not."""
        stalled, slow = self.slow_client(), self.slow_client()
        received = 0
        end = time.monotonic() + 3 * _SEND_TIMEOUT
        while time.monotonic() < end:
            received += len(slow.recv(20_000))
            time.sleep(0.05)
        self.assertEqual(_closed_after(stalled) < _SIZE, True)
        while received < _SIZE and (piece := slow.recv(_MIB)):
            received += len(piece)
        self.assertGreater(received, _SIZE)

    def connect_tls(self) -> http.client.HTTPConnection:
        """A connection with TLS."""
        [port] = re.findall(r"https://127\.0\.0\.1:(\d+)", self.listening)
        context = ssl.create_default_context(cafile=self.certificate)
        return http.client.HTTPSConnection("localhost", int(port), timeout=60, context=context)

    def connect_unix(self) -> http.client.HTTPConnection:
        """A connection to the Unix socket."""
        connection = http.client.HTTPConnection("localhost", timeout=60)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(os.path.join(self.folder, "run", "http.sock"))
        return connection

    def slow_client(self) -> socket.socket:
        """A client with a small window that has sent a request."""
        client = socket.socket()
        self.addCleanup(client.close)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 10_000)
        client.settimeout(60)
        client.connect(("127.0.0.1", self.port))
        client.sendall(_REQUEST)
        return client


def _closed_after(client: socket.socket) -> int:
    """The number of bytes that a client still receives before its connection is closed."""
    received = 0
    try:
        while piece := client.recv(_MIB):
            received += len(piece)
    except ConnectionError:
        pass
    return received

"""The bytes that clients send and receive, in each view, to the byte."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.functional.http_stack import HttpTestCase

_FILE = b"x" * 300_000


class Counter:
    """A connection that counts its bytes.

    :ivar sent: what it has sent.
    :ivar received: what it has received.
    """

    def __init__(self) -> None:
        self.sent = self.received = 0

    def talk(self, address: Any, *pieces: bytes, until: bytes = b"") -> None:
        """Send pieces, each after the reply to the one before; the last one is followed by the end.

        :param until: the end of each reply; empty for one that ends with the connection.
        """
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        with closing(socket.socket(family)) as connection:
            connection.settimeout(30)
            connection.connect(address)
            for piece in pieces:
                connection.sendall(piece)
                self.sent += len(piece)
                if until:
                    self._receive(connection, until)
            connection.shutdown(socket.SHUT_WR)
            self._receive(connection, b"")

    def _receive(self, connection: socket.socket, until: bytes) -> None:
        reply = b""
        while not (until and reply.endswith(until)):
            data = connection.recv(65_536)
            if not data:
                break
            reply += data
        self.received += len(reply)


class TrafficTests(HttpTestCase):
    """A service on a socket, and a gateway."""

    config = """
        [services.codes]
        app = "codes:app"
        workers = 1
        [http]
        app = "codes:app"
        listen = ["tcp:0:interface=127.0.0.1"]
        workers = 1
        token = "off"
        static = { "/files" = { folder = "files" } }
        [metrics]
        listen = "unix:metrics.sock"
    """

    def views(self, service: str) -> dict[str, tuple[int, int]]:
        """The bytes that clients have sent and received, in each view."""
        status = json.loads(self.command("status", "--json").out)[service]
        top = json.loads(self.command("top", "--json", "--interval", "0.1").out)[service]
        figures = self.ask("orchestrator", "/metrics")[service]["metrics"]["totals"]
        samples = dict(each.rsplit(" ", 1) for each in self._samples() if each.startswith("unixsvc_"))
        names = [f'unixsvc_{way}_bytes_total{{service="{service}"}}' for way in ("received", "sent")]
        return {
            "status": (status["received_bytes"], status["sent_bytes"]),
            "top": (top["received"], top["sent"]),
            "the control API": (figures["received"], figures["sent"]),
            "Prometheus": (int(samples[names[0]]), int(samples[names[1]])),
        }

    def assertCounted(self, service: str, counter: Counter) -> None:
        """Each view has what the clients have counted, once the worker has noticed all of it."""
        expected = counter.sent, counter.received
        with contextlib.suppress(self.failureException):
            self.eventually(lambda: set(self.views(service).values()) == {expected}, 10)
        found = self.views(service)
        self.assertEqual(found, dict.fromkeys(found, expected))

    def _samples(self) -> list[str]:
        with closing(socket.socket(socket.AF_UNIX)) as connection:
            connection.connect(os.path.join(self.folder, "metrics.sock"))
            connection.sendall(b"GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n")
            with connection.makefile(encoding="utf-8") as file:
                return file.read().splitlines()

    def test_socket(self) -> None:
        """One message on a connection, many, several at once, an unframed one, and a stream."""
        Path(self.folder, "files").mkdir()
        self.serve()
        counter, token = Counter(), self.token()
        message = b'{"id":%d,"path":"/item/3","auth_token":"%b"}\n'
        one = message % (1, token.encode())
        counter.talk(self.path(), one, until=b"\n")
        counter.talk(self.path(), one, message % (2, b"wrong"), one * 3 + b"\n", until=b"\n")
        counter.talk(self.path(), one[:-1].replace(b'"id":1,', b""))
        counter.talk(self.path(), b'{"id":1,"nonsense":1,"path":7}\n', until=b"\n")
        stream = b'{"id":9,"path":"/headed-rows","auth_token":"%b"}\n'
        counter.talk(self.path(), stream % token.encode())
        counter.sent -= 1  # the empty line is no message
        self.assertCounted("codes", counter)
        # A worker that is killed has counted all of its last report.
        [pid] = self.worker_pids()
        os.kill(pid, signal.SIGKILL)
        self.eventually(lambda: self.worker_pids() not in ([], [pid]))
        self.assertCounted("codes", counter)
        counter.talk(self.path(), one, until=b"\n")
        self.assertDone("reload", "codes")
        self.assertCounted("codes", counter)

    def test_http(self) -> None:
        """Requests on one connection, a request with a body, one that is refused, a file, a stream."""
        folder = Path(self.folder, "files")
        folder.mkdir()
        (folder / "large.bin").write_bytes(_FILE)
        self.serve()
        counter, address = Counter(), ("127.0.0.1", self.port)
        get = b"GET /item/3 HTTP/1.1\r\nHost: localhost\r\n\r\n"
        counter.talk(address, get, get + get, until=b"}")
        counter.talk(address, b"POST /item/3 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n", b"{}")
        counter.talk(address, get.replace(b"/item/3", b"/headed-rows"))
        counter.talk(address, b"nonsense\r\n\r\n")
        counter.talk(
            address, b"GET /files/large.bin HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        )
        self.assertGreater(counter.received, len(_FILE))
        self.assertCounted("http", counter)


class QueueTests(HttpTestCase):
    """What waits for a thread."""

    config = """
        [services.codes]
        app = "codes:app"
        workers = 1
        threads = 1
    """

    def test_threads(self) -> None:
        """Blocking actions beyond the threads are queued, by service and worker."""
        self.start()
        with contextlib.ExitStack() as stack:
            for number in range(4):
                stack.enter_context(self.talk()).send(id=number, path="/block")
            self.eventually(lambda: self.status()["queued"] == 3)
            self.assertEqual([each["queued"] for each in self.status()["workers"]], [3])
            top = json.loads(self.command("top", "--json", "--interval", "0.1").out)["codes"]
            self.assertEqual((top["queued"], top["inflight"]), (3, 4))

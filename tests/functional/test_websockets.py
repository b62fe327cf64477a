"""WebSockets with real clients: the library ``websockets``, also behind Debian's nginx."""

from __future__ import annotations

import json
import socket
import struct
import time
from typing import Any

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect, unix_connect
from websockets.typing import Origin

from tests.functional.http_stack import HttpTestCase
from tests.functional.nginx import Nginx
from tests.functional.orchestrator_process import OrchestratorTestCase
from tests.unit.rest.websocket.abuse import FRAMES
from tests.unit.rest.websocket.frames import frames_in

_TIMEOUT = 60.0  # seconds; only reached if something is broken
_HANDSHAKE = (
    b"GET /echo HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def closed_by(connection: ClientConnection) -> tuple[int, str]:
    """The code and the reason with which the server closes."""
    try:
        while True:
            connection.recv(_TIMEOUT)
    except ConnectionClosed as closed:
        assert closed.rcvd is not None
        return int(closed.rcvd.code), closed.rcvd.reason


class WebSocketTests(HttpTestCase):
    config = """
        [http]
        app = "websockets_app:app"
        listen = ["tcp:0:interface=127.0.0.1"]
        [http.websocket]
        compression = true
    """

    def open(self, path: str, **options: Any) -> ClientConnection:
        """Open a WebSocket."""
        url = f"ws://127.0.0.1:{self.port}{path}"
        connection: ClientConnection = connect(url, open_timeout=_TIMEOUT, **options)
        self.addCleanup(connection.close)
        return connection

    def test_messages(self) -> None:
        """Messages of all sizes come back, compressed or not; a room has several members."""
        self.serve()
        for options in ({}, {"compression": None}):
            echo = self.open("/echo", **options)
            for message in ("", "é", b"\x00\xff", "x" * 200_000, b"y" * 1_000_000):
                echo.send(message)
                self.assertEqual(echo.recv(_TIMEOUT), message)
            self.assertEqual(bool(echo.protocol.extensions), not options)
        members = [self.open("/chat/a") for _ in range(5)]
        self.eventually(lambda: self.fetch("GET", "/members/a").data == 5)
        members[0].send('{"text": "hello"}')
        for member in members:
            self.assertEqual(json.loads(member.recv(_TIMEOUT)), {"text": "hello"})
        members[0].close()
        members[1].socket.close()
        self.eventually(lambda: self.fetch("GET", "/members/a").data == 3)

    def test_faults(self) -> None:
        """What is wrong closes with its code; a failure is logged under the request id."""
        running = self.serve()
        chat = self.open("/chat/a")
        chat.send('{"text": 7}')
        self.assertEqual(closed_by(chat), (1007, "text: Expected `str`, got `int`"))
        echo = self.open("/echo", max_size=None)
        echo.send(b"x" * 1_100_000)
        self.assertEqual(closed_by(echo)[0], 1009)
        crash = self.open("/crash")
        crash.send("a secret")
        self.assertEqual(closed_by(crash), (1011, "Internal Server Error"))
        assert crash.response is not None
        logged = running.until("a secret")
        self.assertEqual(logged["request_id"], crash.response.headers["X-Request-Id"])
        with self.assertRaises(InvalidStatus) as refused:
            self.open("/echo", origin="https://evil.example")
        self.assertEqual(refused.exception.response.status_code, 403)

    def test_slow_client(self) -> None:
        """A client that does not read stops the action; when it reads again, nothing is lost."""
        self.serve()
        client = socket.create_connection(("127.0.0.1", self.port), _TIMEOUT)
        self.addCleanup(client.close)
        client.sendall(_HANDSHAKE)
        while b"\r\n\r\n" not in client.recv(4096, socket.MSG_PEEK):
            time.sleep(0.01)
        client.recv(4096)
        frame = b"\x82\xff" + struct.pack("!Q", 500_000) + bytes(4) + bytes(500_000)
        client.setblocking(False)
        sent = 0
        deadline = time.monotonic() + 2
        while time.monotonic() < deadline and sent < 100_000_000:  # until the server does not read any more
            try:
                sent += client.send((frame * 2)[sent % len(frame) :])
            except BlockingIOError:
                time.sleep(0.05)
        self.assertLess(sent, 60_000_000)
        client.settimeout(_TIMEOUT)
        expected = sent // len(frame) * (len(frame) - 4)  # the server's frames are not masked
        received = 0
        while received < expected:
            received += len(client.recv(1_000_000))
        self.assertGreaterEqual(received, expected)

    def test_abuse(self) -> None:
        """Frames that are not allowed close the connection with their code; the worker serves others."""
        self.serve()
        before = self.fetch("GET", "/pid").data
        head = _HANDSHAKE.replace(b"\r\n\r\n", b"\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n")
        for abuse in FRAMES:
            with socket.create_connection(("127.0.0.1", self.port), _TIMEOUT) as client:
                client.sendall(head + abuse.sent)
                received = b"".join(iter(lambda: client.recv(65_536), b""))
            frames = frames_in(received.partition(b"\r\n\r\n")[2])
            self.assertEqual(int.from_bytes(frames[-1].payload[:2], "big"), abuse.code, abuse.why)
        self.assertEqual(self.fetch("GET", "/pid").data, before)

    def test_reload(self) -> None:
        """A reload closes with 1012; a client that connects again reaches the new worker."""
        self.serve()
        before = self.fetch("GET", "/pid").data
        chat = self.open("/chat/a")
        self.assertDone("reload")
        self.assertEqual(closed_by(chat), (1012, "service restart"))
        self.assertNotEqual(self.fetch("GET", "/pid").data, before)
        again = self.open("/chat/a")
        again.send('{"text": "back"}')
        self.assertEqual(json.loads(again.recv(_TIMEOUT)), {"text": "back"})


class MountedTests(HttpTestCase):
    config = """
        [services.sockets]
        app = "websockets_app:app"
        [http]
        listen = ["tcp:0:interface=127.0.0.1"]
        mounts = { "/sockets" = "sockets:/" }
    """

    def test_mounted(self) -> None:
        """Messages of all sizes pass through a mount, and 1012 at a reload of the service."""
        self.serve()
        url = f"ws://127.0.0.1:{self.port}/sockets"
        headers = {"Authorization": f"Bearer {self.token()}"}
        with connect(f"{url}/echo", additional_headers=headers, open_timeout=_TIMEOUT) as echo:
            for message in ("", "é", b"\x00\xff", "x" * 200_000, b"y" * 500_000):
                echo.send(message)
                self.assertEqual(echo.recv(_TIMEOUT), message)
            for number in range(500):
                echo.send(str(number))
            self.assertEqual([echo.recv(_TIMEOUT) for _ in range(500)], [*map(str, range(500))])
            self.assertDone("reload", "sockets")
            self.assertEqual(closed_by(echo), (1012, "service restart"))
        with self.assertRaises(InvalidStatus) as refused:
            connect(f"{url}/echo", open_timeout=_TIMEOUT)
        self.assertEqual(refused.exception.response.status_code, 401)


class BehindNginxTests(OrchestratorTestCase):
    config = """
        [http]
        app = "websockets_app:app"
        listen = ["unix:web.sock"]
        trusted_proxies = ["unix"]
    """

    def test_nginx(self) -> None:
        """With the configuration of the documentation, nginx passes WebSockets on, and their ends."""
        self.start()
        with unix_connect(f"{self.folder}/web.sock", "ws://localhost/echo") as direct:
            direct.send("a")
            self.assertEqual(direct.recv(_TIMEOUT), "a")
        nginx = self.enterContext(Nginx(f"{self.folder}/web.sock"))
        url = f"ws://127.0.0.1:{nginx.port}/api/chat/a"
        with connect(url, origin=Origin(f"http://127.0.0.1:{nginx.port}")) as chat:
            chat.send('{"text": "hello"}')
            self.assertEqual(json.loads(chat.recv(_TIMEOUT)), {"text": "hello"})
            chat.send('{"text": 7}')
            self.assertEqual(closed_by(chat)[0], 1007)

"""The access log and rate limits: requests that are refused early, WebSockets and static folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.logger import LogEvent, capturedLogs

from tests.unit.rest.websocket.frames import TEXT, close_frame, frame
from tests.unit.service.served import ServedCase, code_of
from unixsvc import GET, POST, WEBSOCKET, App, Conflict, RateLimit, WebSocket
from unixsvc.config.http import Http, StaticFolder
from unixsvc.config.settings import Limits
from unixsvc.limiting.service_rate import ServiceRate
from unixsvc.telemetry.access.entry import NAMESPACE

HTTP = Http(token="off", allowed_hosts=("localhost",), max_header_bytes=512, header_timeout=4, docs=False)
UPGRADE = (
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)
Line = tuple[str, str, object, int]


def show(id: int) -> int:
    """Returns its argument."""
    return id


def put(text: str) -> str:
    """Returns its argument."""
    return text


async def echo(socket: WebSocket[str, str]) -> None:
    """Sends each message back."""
    async for text in socket:
        await socket.send(text)


async def closed(socket: WebSocket[str, str]) -> None:
    """Refuses each client."""
    raise Conflict


class LoggedCase(ServedCase):
    """An application whose access log is read."""

    def setUp(self) -> None:
        """Define routes."""
        self.app = App(
            [
                GET("/show/{id:int}", show, public=True),
                POST("/put", put, public=True),
                WEBSOCKET("/echo", echo, public=True, rate_limit=RateLimit("2/minute")),
                WEBSOCKET("/closed", closed, public=True),
            ]
        )

    def events(self, function: Any, *arguments: Any) -> list[LogEvent]:
        """The events of the access log during a call."""
        with capturedLogs() as events:
            function(*arguments)
        return [each for each in events if each["log_namespace"] == NAMESPACE]

    def lines(self, function: Any, *arguments: Any) -> list[Line]:
        """The method, the path, the route and the code of each."""
        fields = [each["fields"] for each in self.events(function, *arguments)]
        return [(each["method"], each["path"], each["route"], each["code"]) for each in fields]


class RefusedTests(LoggedCase):
    """Requests that are refused before an action or a page gets them."""

    def test_head(self) -> None:
        """A head that is malformed or too long is one line, with what is known of the request line."""
        self.serve(self.app, http=HTTP, access="all")
        for data, line in (
            (b"GET /show/7?a=secret HTTP/1.1\r\nHost: localhost\r\nno colon\r\n\r\n", ("GET", "/show/7")),
            (b"GET /show/7 HTTP/1.1\r\nX: " + b"x" * 600, ("GET", "/show/7")),
            (b"GET /" + b"x" * 600, ("GET", "-")),
            (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n", ("-", "-")),
            (b"get / HTTP/1.1 \x1b[31m\r\n\r\n", ("-", "-")),
            (b"GET /a\x1b[31m HTTP/1.1\r\n\r\n", ("GET", "-")),
        ):
            [(method, path, _, code)] = self.lines(self.exchange, data)
            self.assertEqual((method, path), line, data)
            self.assertEqual(code, code_of(self.transport.value()), data)
            self.assertGreaterEqual(code, 400)

    def test_fields(self) -> None:
        """The line has the request id of the response, its size, and the address of the client."""
        self.serve(self.app, http=HTTP, access="all")
        [event] = self.events(self.exchange, b"GET / HTTP/1.1\r\nno colon\r\n\r\n")
        head, _, body = self.transport.value().partition(b"\r\n\r\n")
        self.assertIn(f"X-Request-Id: {event['request_id']}".encode(), head)
        self.assertEqual((event["fields"]["bytes"], event["fields"]["ms"]), (len(body), 0.0))
        self.assertEqual(event["fields"]["address"], "192.168.1.1")

    def test_timeout(self) -> None:
        """A request that does not arrive in time is 408; a connection without one is no line."""
        self.serve(self.app, http=HTTP, access="all")
        self.exchange(b"GET /show/7 HT")
        self.assertEqual(
            self.lines(self.clock.pump, [1.0] * 6), [("GET", "/show/7", "GET /show/{id:int}", 408)]
        )
        self.exchange(b"POST /put HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{")
        self.assertEqual(self.lines(self.clock.pump, [10.0] * 7), [("POST", "/put", "POST /put", 408)])
        self.exchange(b"")
        self.assertEqual(self.lines(self.clock.pump, [1.0] * 6), [])

    def test_body(self) -> None:
        """A body that is too large or no JSON is one line, with the path."""
        self.serve(self.app, http=HTTP, access="errors", limits=Limits(max_message_bytes=2000))
        head = "POST /put HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: "
        for rest, code in (("3000\r\n\r\n", 413), ("2\r\n\r\n{]", 400)):
            self.assertEqual(
                self.lines(self.exchange, (head + rest).encode()), [("POST", "/put", "POST /put", code)]
            )

    def test_gateway(self) -> None:
        """A request with another host, or from another origin, is one line."""
        self.serve(self.app, http=HTTP, access="all")
        data = b"GET /show/7?a=secret HTTP/1.1\r\nHost: evil.example\r\n\r\n"
        self.assertEqual(self.lines(self.exchange, data), [("GET", "/show/7", "GET /show/{id:int}", 421)])
        cross = ("Origin: https://evil.example", "Sec-Fetch-Site: cross-site")
        self.assertEqual(
            self.lines(self.request, "POST", "/put", *cross), [("POST", "/put", "POST /put", 403)]
        )

    def test_connections(self) -> None:
        """A connection that is refused is no request."""
        self.serve(self.app, http=HTTP, access="all", limits=Limits(max_connections=1))
        self.exchange(b"GET /show/7 HT")
        self.assertEqual(self.lines(self.exchange, b""), [])
        self.assertEqual(code_of(self.transport.value()), 503)

    def test_off(self) -> None:
        """Without an access log there is no line."""
        self.serve(self.app, http=HTTP)
        self.assertEqual(self.lines(self.exchange, b"no request\r\n\r\n"), [])


class WebSocketTests(LoggedCase):
    """WebSockets in the access log, and under rate limits."""

    def test_closed(self) -> None:
        """A WebSocket is one line, when it is closed, with its duration."""
        self.serve(self.app, http=HTTP, access="all")
        self.assertEqual(self.lines(self.request, "GET", "/echo", *UPGRADE), [])
        self.assertEqual(code_of(self.transport.value()), 101)
        self.clock.advance(2)
        self.connection.dataReceived(frame(TEXT, b"hello"))
        [event] = self.events(self.connection.dataReceived, close_frame(1000))
        fields = event["fields"]
        self.assertEqual(
            (fields["method"], fields["path"], fields["route"]), ("WEBSOCKET", "/echo", "WEBSOCKET /echo")
        )
        self.assertEqual((fields["code"], fields["ms"]), (200, 2000.0))

    def test_refused(self) -> None:
        """A handshake that is refused is one line with the code: by the action, its route, or its form."""
        self.serve(self.app, http=HTTP, access="all")
        for path, headers, code in (
            ("/closed", UPGRADE, 409),
            ("/nowhere", UPGRADE, 404),
            ("/echo", UPGRADE[:3], 400),
        ):
            [(_, logged, _, found)] = self.lines(self.request, "GET", path, *headers)
            self.assertEqual((logged, found), (path, code))
            self.assertEqual(code_of(self.transport.value()), code)

    def test_limited(self) -> None:
        """A rate limit counts handshakes, not messages; one above it is 429, and one line."""
        self.serve(self.app, http=HTTP, access="all")
        for _ in range(2):
            self.assertEqual(code_of(self.request("GET", "/echo", *UPGRADE)), 101)
            self.connection.dataReceived(frame(TEXT, b"a") * 5)
        [(_, path, _, code)] = self.lines(self.request, "GET", "/echo", *UPGRADE)
        response = self.transport.value()
        self.assertEqual((path, code, code_of(response)), ("/echo", 429, 429))
        self.assertIn(b"\r\nRetry-After: ", response)
        self.clock.advance(60)
        self.assertEqual(code_of(self.request("GET", "/echo", *UPGRADE)), 101)


class StaticTests(LoggedCase):
    """Files of a static folder in the access log, and under the rate limit of the service."""

    def test_files(self) -> None:
        """A file is one line with its size; the limit of the service counts files; one above it is 429."""
        folder = Path(self.mktemp())
        folder.mkdir()
        (folder / "a.txt").write_bytes(b"a" * 100)
        http = Http(token="off", docs=False, static={"/files": StaticFolder(str(folder.absolute()))})
        self.serve(self.app, http=http, access="all", rate=ServiceRate("2/minute"))
        [event] = self.events(self.request, "GET", "/files/a.txt")
        self.assertEqual(code_of(self.transport.value()), 200)
        fields = event["fields"]
        found = [fields[name] for name in ("path", "code", "route")]
        self.assertEqual(found, ["/files/a.txt", 200, "* /files/*"])
        for path, route, code in (("/files/none.txt", "* /files/*", 404), ("/files/a.txt", None, 429)):
            self.assertEqual(self.lines(self.request, "GET", path), [("GET", path, route, code)])

"""Klein and the gateway's own way answer each request with the same bytes."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from klein import Klein
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.server import Site
from zope.interface import implementer

from tests.unit.rest.abuse import HEADS, LIMIT, bodies
from tests.unit.rest.http_requests import TOKEN, GatewayHarness, RawClient
from tests.unit.rest.stream_connection import ITEMS
from tests.unit.rest.web.klein_gateway import BothWays, normalized
from tests.unit.rest.web.klein_routes import KleinRoutes
from tests.unit.rest.web.random_requests import FIELDS, KNOWN, ORIGIN, requests
from unixsvc import Created
from unixsvc.config.http import Cors, Http
from unixsvc.domain.interfaces import IRouterDatasource
from unixsvc.domain.message import Reply, Request
from unixsvc.errors import Conflict
from unixsvc.routing.route import DELETE, GET, POST, PUT, Group, Route


class New(msgspec.Struct):
    """The body of a request."""

    name: str
    size: int = 1


class Waiting:
    """Actions that take their time.

    :param clock: of the gateway.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock

    async def wait(self, seconds: float = 1.0) -> float:
        """Waits."""
        await deferLater(self._clock, seconds)
        return seconds

    async def conflict(self) -> None:
        """Waits, and fails."""
        await deferLater(self._clock, 1)
        raise Conflict("too late")

    async def never(self) -> None:
        """Never returns."""
        await Deferred()


@implementer(IRouterDatasource)
class Mounted:
    """Another service."""

    def handle(self, request: Request) -> Reply | Awaitable[Reply]:
        """Returns the path, or an error."""
        if "gone" in request.path:
            return Reply(410, b"", "Gone", request.path)
        return Reply(200, msgspec.json.encode([request.method, request.path, request.query]))


async def of_path(value: str) -> str:
    """Returns a path variable."""
    return value


async def of_int(value: int) -> int:
    """Returns a path variable."""
    return value


async def of_float(value: float) -> float:
    """Returns a path variable."""
    return value


async def of_uuid(value: uuid.UUID) -> uuid.UUID:
    """Returns a path variable."""
    return value


async def make(new: New) -> Created[New]:
    """Returns its data."""
    return Created(new, f"/things/{new.name}")


async def crash() -> None:
    """Fails."""
    raise RuntimeError("the secret")


def large(size: int = 5000) -> str:
    """Returns a long text."""
    return "x" * min(size, 100_000)


def nothing() -> None:
    """Returns nothing."""


ROUTES: list[Group | Route] = [
    GET("/hello", nothing, public=True), PUT("/hello", nothing), DELETE("/hello", nothing, public=True),
    GET("/things/{value}", of_path, public=True), POST("/things", make, public=True),
    GET("/ints/{value:int}", of_int, public=True), GET("/floats/{value:float}", of_float, public=True),
    GET("/uuids/{value:uuid}", of_uuid, public=True), GET("/files/{value:path}", of_path, public=True),
    GET("/slash/", nothing, public=True), POST("/double//slash", nothing, public=True),
    GET("/any/{value:int}", of_int, public=True), POST("/any/{value}", of_path, public=True),
    GET("/failure", crash, public=True), GET("/large", large, public=True), POST("/secret", make),
    Group("/waiting", Waiting, [
        GET("/wait", Waiting.wait, public=True), POST("/wait", Waiting.wait),
        GET("/conflict", Waiting.conflict, public=True), GET("/never", Waiting.never, public=True),
    ]),
    ITEMS,
]  # fmt: skip


def add_pages(app: Klein) -> None:
    """Add pages, also such as have paths of actions."""
    KleinRoutes().add(app)
    app.route("/slash", endpoint="slash")(lambda request: b"a page")
    app.route("/any/<path:rest>", endpoint="any")(lambda request, rest: rest)
    app.route("/echo", methods=["POST"], endpoint="echo")(lambda request: request.content.read())
    app.route("/url", endpoint="url")(
        lambda request: app.url_for(request, "of_path", {"value": "a/b"}).encode()
    )


def harness() -> GatewayHarness:
    """A gateway."""
    http = Http(
        gzip_over=1000,
        cors=Cors(origins=(ORIGIN,)),
        max_header_bytes=LIMIT,
        allowed_hosts=("localhost", "x", "shop.example"),
    )
    return GatewayHarness(*ROUTES, web=add_pages, http=http, mounts={"/mount/ed": Mounted()})


def parsed(response: bytes) -> tuple[bytes, list[bytes], bytes]:
    """The status line, the headers in any order, and the body."""
    head, _, body = response.partition(b"\r\n\r\n")
    line, *fields = head.split(b"\r\n")
    return line, sorted(fields), body


class BothWaysTests(SynchronousTestCase):
    """Conversations over two connections, one for each way."""

    def setUp(self) -> None:
        """Start both."""
        self.ways = BothWays(harness)

    def tearDown(self) -> None:
        """End what still waits."""
        for each in self.ways.harnesses:
            each.gateway.abort()
        self.flushLoggedErrors()

    def assert_equal(self, *clients: RawClient, sent: object = None) -> bytes:
        """Both have received the same; what it was."""
        straight, through = [normalized(client.received()) for client in clients]
        self.assertEqual(straight, through, sent)
        self.assertEqual(clients[0].transport.closed, clients[1].transport.closed, sent)
        pending = [each.gateway.pending for each in self.ways.harnesses]
        self.assertEqual(pending[0], pending[1], sent)
        return straight

    def converse(self, *pieces: bytes) -> bytes:
        """Send bytes, let some time pass, and disconnect; the responses."""
        clients = self.ways.connect()
        for piece in pieces:
            for client in clients:
                client.channel.dataReceived(piece)
        found = self.assert_equal(*clients, sent=pieces)
        for seconds in (1, 60):
            self.ways.advance(seconds)
            found += self.assert_equal(*clients, sent=pieces)
        for client in clients:
            client.channel.connectionLost(Failure(ConnectionDone()))
        self.assert_equal(*clients, sent=pieces)
        return found

    def test_abuse(self) -> None:
        """Bytes that are rejected, in one piece, byte by byte, and behind an accepted request."""
        limit = self.ways.harnesses[0].limits.max_message_bytes
        first = b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"
        for abuse in (*HEADS, *(each for each in bodies(LIMIT, limit) if len(each.sent) < limit)):
            found = self.converse(abuse.sent)
            self.assertIn(b" %d " % abuse.code, found)
            self.assertEqual(
                self.converse(*(bytes([byte]) for byte in abuse.sent[:4000])),
                self.converse(*(bytes([byte]) for byte in abuse.sent[:4000])),
            )
            self.assertIn(b" %d " % abuse.code, self.converse(first + abuse.sent))

    def test_known(self) -> None:
        """Every path of the application, with several methods and headers."""
        for path in KNOWN:
            for method in ("GET", "HEAD", "POST", "PUT", "OPTIONS"):
                for field in (
                    "A: b",
                    f"Authorization: Bearer {TOKEN}",
                    "Accept: text/event-stream",
                    f"Origin: {ORIGIN}",
                ):
                    request = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{field}\r\n\r\n".encode()
                    self.assertTrue(self.converse(request))

    def test_disconnects(self) -> None:
        """A client that disconnects ends an action, a stream and a page that wait."""
        for path in ("/waiting/never", "/waiting/wait", "/late", "/own/wait"):
            clients = self.ways.connect()
            for client in clients:
                client.request("GET", path)
            self.assertEqual(self.assert_equal(*clients), b"")
            self.assertEqual(self.ways.harnesses[0].gateway.pending, 1)
            for client in clients:
                client.channel.connectionLost(Failure(ConnectionDone()))
            self.assertEqual(self.assert_equal(*clients), b"")
            self.assertEqual(self.ways.harnesses[0].gateway.pending, 0)

    def test_abort(self) -> None:
        """What waits when the service stops is answered."""
        for path in ("/waiting/never", "/late", "/own/wait"):
            clients = self.ways.connect()
            for client in clients:
                client.request("GET", path)
            for harness in self.ways.harnesses:
                harness.gateway.abort()
            self.assertIn(b"503", self.assert_equal(*clients))

    def test_slow_reader(self) -> None:
        """A client that takes little at a time receives the same in the end."""
        for path in ("/some?n=200", "/fail?n=5", "/endless", "/large?size=50000", "/docs/init.js"):
            clients = self.ways.connect()
            received = [b"", b""]
            for number, client in enumerate(clients):
                client.transport.slow = True
                received[number] += normalized(client.request("GET", path))
                for _ in range(300):
                    client.channel.resumeProducing()
                    received[number] += normalized(client.received())
            # Both are read in steps of their own.
            length = min(map(len, received)) if path == "/endless" else None
            self.assertEqual(received[0][:length], received[1][:length])
            self.assertIn(b" 200 OK", received[0])
            for client in clients:
                client.channel.connectionLost(Failure(ConnectionDone()))

    def test_plain_site(self) -> None:
        """A plain site of twisted.web sends the same codes, headers and bodies."""
        harness = self.ways.harnesses[1]
        for path in KNOWN:
            for method in ("GET", "HEAD", "POST", "OPTIONS"):
                for field in (*FIELDS[:1], *FIELDS[15:16]):
                    straight = RawClient(self.ways.sites[0])
                    through = RawClient(Site(harness.gateway.app.resource(), reactor=harness.clock))
                    found = []
                    for client in (straight, through):
                        found.append(normalized(client.request(method, path, field)))
                    self.ways.advance(1)
                    for number, client in enumerate((straight, through)):
                        found[number] += normalized(client.received())
                        client.channel.connectionLost(Failure(ConnectionDone()))
                    self.assertEqual(*map(parsed, found))

    @given(st.lists(requests(), min_size=1, max_size=3))
    def test_generated(self, sent: list[bytes]) -> None:
        """Random requests, one or several at once."""
        self.converse(b"".join(sent))
        self.converse(*sent)

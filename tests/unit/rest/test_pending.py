from typing import Any

from treq.testing import StubTreq
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource
from twisted.web.server import Site

from tests.unit.rest.http_requests import FakeHandle, GatewayHarness, RawClient, header_values
from unixsvc.domain.message import Reply
from unixsvc.domain.stream import ReplyStream
from unixsvc.errors import ServiceError
from unixsvc.rest.server.protocol import HttpProtocol
from unixsvc.routing.route import GET, Group, Route


async def hello() -> dict[str, str]:
    """Returns at once."""
    return {"hello": "world"}


async def show(id: str) -> str:
    """Returns a segment of the path."""
    return id


ROUTES: list[Group | Route] = [GET("/hello", hello, public=True), GET("/things/{id}", show, public=True)]


class Waiting:
    """A controller with an action that waits.

    :ivar pending: fires when it is to go on.
    :ivar raised: the exception that was raised in it.
    """

    pending: Deferred[str]
    raised: ServiceError | None

    def __init__(self, clock: IReactorTime) -> None:
        Waiting.last = self
        self.pending = Deferred()
        self.raised = None

    last: "Waiting"

    async def wait(self) -> str:
        """Waits."""
        try:
            return await self.pending
        except ServiceError as error:
            self.raised = error
            raise


class Elsewhere:
    """Items from another service.

    :ivar called: the methods that were called.
    """

    def __init__(self) -> None:
        self.called: list[str] = []

    async def __anext__(self) -> bytes:
        """The next item."""
        self.called.append("anext")
        return b"1"

    async def aclose(self) -> None:
        """Close."""
        self.called.append("aclose")


WAIT = Group("/wait", Waiting, [GET("", Waiting.wait, public=True)])


class WaitingTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Start a gateway, and connect a client."""
        self.harness = GatewayHarness(WAIT)
        self.site: Any = self.harness.site
        self.client = RawClient(self.site)

    def test_answered(self) -> None:
        """A request is pending until its action returns, and is answered then."""
        self.assertEqual(self.client.request("GET", "/wait"), b"")
        self.assertEqual(self.harness.gateway.pending, 1)
        Waiting.last.pending.callback("done")
        self.assertTrue(self.client.received().endswith(b'\r\n\r\n"done"'))
        self.assertEqual(self.harness.gateway.pending, 0)
        left = [
            each
            for each in self.harness.clock.getDelayedCalls()
            if each is not self.harness.connections._checks.call
        ]
        self.assertEqual(left, [])

    def test_deadline(self) -> None:
        """An action that exceeds its time is cancelled, and the response is 504."""
        self.client.request("GET", "/wait", "X-Request-Timeout: 2.5")
        self.harness.clock.advance(2.4)
        self.assertEqual(self.client.received(), b"")
        self.harness.clock.advance(0.2)
        self.assertIn(b" 504 ", self.client.received())
        self.assertEqual(Waiting.last.raised.code if Waiting.last.raised else 0, 504)

    def test_disconnect(self) -> None:
        """A disconnect cancels the action, and nothing is sent."""
        self.client.request("GET", "/wait")
        self.client.channel.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(Waiting.last.raised.code if Waiting.last.raised else 0, 499)
        self.assertEqual((self.client.received(), self.harness.gateway.pending), (b"", 0))
        self.assertEqual(self.harness.stats.snapshot().all.codes, {499: 1})

    def test_abort(self) -> None:
        """Pending requests are 503 with Retry-After when the gateway aborts."""
        self.client.request("GET", "/wait")
        self.harness.gateway.abort()
        response = self.client.received()
        self.assertIn(b" 503 ", response)
        self.assertEqual(header_values(response, b"Retry-After"), [b"1"])
        self.assertEqual(self.harness.gateway.pending, 0)

    def test_head(self) -> None:
        """For HEAD, a stream is closed without reading an item."""
        elsewhere: Any = Elsewhere()
        ended: list[Any] = []

        def end(error: BaseException | None, size: int) -> Reply:
            ended.append(error)
            return Reply()

        stream = ReplyStream(elsewhere, end, seconds=None, item_seconds=1.0)
        there = GatewayHarness(handle=FakeHandle(stream))
        client = RawClient(there.site)
        self.assertIn(b" 200 ", client.request("HEAD", "/stream"))
        self.assertEqual((elsewhere.called, len(ended)), (["aclose"], 1))

    def test_no_timers(self) -> None:
        """An action that returns at once needs no timer and no notification of a disconnect."""
        there = GatewayHarness(*ROUTES)
        client = RawClient(there.site)
        timers = there.clock.getDelayedCalls()
        for name in ("writer", "web_request"):
            self.patch(HttpProtocol, name, None)
        self.assertTrue(client.request("GET", "/hello").endswith(b'{"hello":"world"}'))
        self.assertEqual(there.clock.getDelayedCalls(), timers)

    def test_overloaded(self) -> None:
        """Requests over the limit are 503."""
        there = GatewayHarness(*ROUTES, max_inflight=0)
        found = there.request("GET", "/hello")
        self.assertEqual((found.code, found.header("Retry-After")), (503, "1"))


class PlacesTests(SynchronousTestCase):
    def test_prefix(self) -> None:
        """Below another resource, the gateway uses the rest of the path, undecoded."""
        root = Resource()
        root.putChild(b"api", GatewayHarness(*ROUTES).resource)
        treq: Any = StubTreq(root)
        response = self.successResultOf(treq.get("http://localhost/api/things/a%2Fb"))
        self.assertEqual(self.successResultOf(treq.json_content(response)), "a/b")

    def test_one_write(self) -> None:
        """A response is one write."""
        there = GatewayHarness(*ROUTES)
        client = RawClient(there.site)
        pieces: list[bytes] = []
        transport: Any = client.transport
        transport.write = pieces.append
        client.request("GET", "/hello")
        self.assertEqual(len(pieces), 1)

    def test_connection_close(self) -> None:
        """The last response of a connection has Connection: close, others do not."""
        there = GatewayHarness(*ROUTES)
        client = RawClient(there.site)
        self.assertEqual(header_values(client.request("GET", "/hello"), b"Connection"), [])
        self.assertEqual(
            header_values(client.request("GET", "/hello", "Connection: close"), b"Connection"), [b"close"]
        )
        client = RawClient(there.site)
        there.connections.drain(wait_for_idle=True)
        self.assertEqual(header_values(client.request("GET", "/hello"), b"Connection"), [b"close"])

    def test_any_site(self) -> None:
        """Under any site of twisted.web, responses are the same, without Server."""
        client = RawClient(Site(GatewayHarness(*ROUTES).resource, reactor=Clock()))
        response = client.request("GET", "/hello")
        self.assertEqual(header_values(response, b"Server"), [])
        self.assertEqual([len(header_values(response, each)) for each in (b"Date", b"Content-Type")], [1, 1])

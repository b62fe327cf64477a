"""Tokens, silent clients and the budget of a worker over HTTP."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.rest.http_connection import ClosingTransport, ServerHarness, raw, responses_in
from tests.unit.rest.http_requests import TOKEN, GatewayHarness, RawClient, header_values
from unixsvc import GET
from unixsvc.config.http import Http
from unixsvc.config.settings import Limits

_MIB = 1 << 20
_LENGTH = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n"
_CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nDBBA0\r\n"  # 900,000


async def _hello() -> str:
    return "hi"


class TokenTests(SynchronousTestCase):
    """What follows from the tokens of one connection."""

    def setUp(self) -> None:
        """Connect to a gateway whose every request needs a token."""
        self.harness = GatewayHarness(
            GET("/hello", _hello), http=Http(docs=False, token="required"), policy="required"
        )
        self.client = RawClient(self.harness.site)

    def ask(self, token: str | None, method: str = "GET") -> tuple[int, list[bytes]]:
        """Send a request; the status code, and the Connection header."""
        headers = [] if token is None else [f"Authorization: Bearer {token}"]
        response = self.client.request(method, "/hello", *headers)
        return int(response.split(b" ")[1]), header_values(response, b"Connection")

    def test_five_wrong_tokens(self) -> None:
        """The fifth wrong token of a connection ends it, with the response; missing ones do not count."""
        for method in ("GET", "HEAD", "GET", "GET"):
            self.assertEqual(self.ask("wrong", method), (401, []))
            self.assertEqual(self.ask(None), (401, []))
        self.assertEqual(self.ask("wrong"), (401, [b"close"]))
        self.assertEqual(self.client.transport.closed, "lose")

    def test_valid_between(self) -> None:
        """Valid tokens between them change nothing, as on a socket."""
        for _ in range(4):
            self.assertEqual(self.ask("wrong"), (401, []))
            self.assertEqual(self.ask(TOKEN), (200, []))
        self.assertEqual(self.ask("wrong"), (401, [b"close"]))

    def test_foreign_tokens(self) -> None:
        """Where public routes need no token, an unknown one counts only if a route refuses it."""
        self.harness = GatewayHarness(
            GET("/hello", _hello), GET("/open", _hello, public=True), http=Http(docs=False), policy="private"
        )
        self.client = RawClient(self.harness.site)
        for _ in range(8):
            response = self.client.request("GET", "/open", "Authorization: Bearer foreign")
            self.assertEqual(response.split(b" ")[1], b"200")
        for _ in range(4):
            self.assertEqual(self.ask("wrong"), (401, []))
        self.assertEqual(self.ask("wrong"), (401, [b"close"]))

    def test_own_count(self) -> None:
        """Each connection has a count of its own."""
        for _ in range(10):
            self.client = RawClient(self.harness.site)
            self.assertEqual(self.ask("wrong"), (401, []))

    def idle(self, token: str | None, seconds: int) -> str:
        """Send a request and wait; how the connection is closed then."""
        self.ask(token)
        self.harness.clock.pump([0.25] * seconds * 4)
        return self.client.transport.closed

    def test_idle(self) -> None:
        """Without a valid token, a connection is idle for the authentication time-out at most."""
        self.assertEqual(self.idle(None, 4), "")
        self.assertEqual(self.idle("wrong", 4), "")
        self.assertEqual(self.idle("wrong", 8), "lose")

    def test_idle_with_token(self) -> None:
        """With a valid token it has the idle time-out, also if later requests have none."""
        self.ask(TOKEN)
        self.assertEqual(self.idle(None, 100), "")

    def test_idle_where_not_demanded(self) -> None:
        """Where not every request needs a token, it has the idle time-out too."""
        self.harness = GatewayHarness(GET("/hello", _hello, public=True))
        self.client = RawClient(self.harness.site)
        self.assertEqual(self.idle(None, 100), "")


class SilentTests(SynchronousTestCase):
    """Connections that send nothing."""

    def closed_after(self, seconds: int, http: Http) -> str:
        """How a connection that sends nothing is closed after this time."""
        harness = ServerHarness(http, Limits(authentication_timeout=5))
        _, transport = harness.connect()
        harness.wait(seconds)
        return transport.closed

    def test_silent(self) -> None:
        """Where a token is demanded, they are closed after the authentication time-out."""
        for token in ("private", "required"):
            http = Http(token=token, header_timeout=10)
            self.assertEqual((self.closed_after(4, http), self.closed_after(8, http)), ("", "lose"))

    def test_others(self) -> None:
        """Elsewhere they have the time for the head of a request, or if that is shorter."""
        self.assertEqual(self.closed_after(8, Http(token="off", header_timeout=10)), "")
        self.assertEqual(self.closed_after(4, Http(header_timeout=2)), "lose")


class BudgetTests(SynchronousTestCase):
    """Bodies of several connections; with a budget of 4 MiB, they are paused above 2.25 MiB."""

    def setUp(self) -> None:
        """Start a server."""
        limits = Limits(max_buffered_bytes=_MIB, max_message_bytes=_MIB, message_timeout=60)
        self.harness = ServerHarness(Http(header_timeout=60), limits)
        self.gateway = self.harness.gateway

    def clients(self, count: int, head: bytes = _LENGTH, size: int = 600_000) -> list[Any]:
        """Clients that have sent a part of a body."""
        found = [self.harness.connect() for _ in range(count)]
        for channel, _ in found:
            channel.dataReceived(head + b"a" * size)
        return found

    def codes(self, transport: ClosingTransport) -> list[int]:
        """The status codes of the responses."""
        return [each.code for each in responses_in(transport.value())]

    def test_paused(self) -> None:
        """A client that exceeds the budget is not read from until another is done; then it is served."""
        for head, rest in ((_LENGTH, b""), (_CHUNKED, b"\r\n0\r\n\r\n")):
            self.setUp()
            clients = self.clients(4, head)
            self.assertEqual([each.reading for _, each in clients], [True, True, True, False])
            first, late = clients[0], clients[3]
            first[0].dataReceived(b"a" * 300_000 + rest)
            self.assertTrue(late[1].reading)
            late[0].dataReceived(b"a" * 300_000 + rest)
            self.assertEqual((self.codes(first[1]), self.codes(late[1])), ([200], [200]))
            self.assertEqual([len(each) for each in self.gateway.bodies], [900_000, 900_000])

    def test_disconnected(self) -> None:
        """A client that disconnects makes room as well."""
        (_, first), *_, (_, late) = self.clients(4)
        first.lose()
        self.assertTrue(late.reading)

    def test_stalled(self) -> None:
        """The oldest client that sends nothing while others wait gets 408."""
        (_, first), (_, second), *_, (_, late) = self.clients(4)
        self.harness.wait(2.5)
        self.assertEqual((self.codes(first), first.closed), ([408], "half"))
        self.assertEqual((self.codes(second), second.closed, late.reading), ([], "", True))

    def test_exhausted(self) -> None:
        """With the budget used up, a further client gets 503 at once."""
        *early, (_, late) = self.clients(6)
        self.assertEqual((self.codes(late), late.closed), ([503], "half"))
        self.assertEqual([self.codes(each) for _, each in early], [[]] * 5)

    def test_small_requests(self) -> None:
        """Requests without a body, and bodies that arrive with their head, are served meanwhile."""
        self.clients(5)
        self.assertEqual(self.codes(self.harness.send(raw())), [200])
        post = raw("POST / HTTP/1.1", "Content-Length: 3", body=b"abc")
        self.assertEqual(self.codes(self.harness.send(post)), [200])

    def test_processed(self) -> None:
        """The body of a request that is processed is counted until the response."""
        whole = raw("POST /wait HTTP/1.1", "Content-Length: 700000", body=b"a" * 700_000)
        for _ in range(3):
            self.harness.send(whole)
        ((_, late),) = self.clients(1)
        self.assertFalse(late.reading)
        self.gateway.respond()
        self.assertTrue(late.reading)

    def test_response_not_read(self) -> None:
        """It is no longer counted after the response, also while the client does not read that."""
        whole = raw("POST /wait HTTP/1.1", "Content-Length: 700000", body=b"a" * 700_000)
        first, *_ = [self.harness.send(whole) for _ in range(3)]
        ((_, late),) = self.clients(1)
        first.slow = True
        self.gateway.respond()
        self.assertTrue(late.reading)

    def test_not_processed(self) -> None:
        """A request that arrives as a whole, and for whose body there is no room, gets 503."""
        whole = raw("POST /wait HTTP/1.1", "Content-Length: 700000", body=b"a" * 700_000)
        sent = [self.harness.send(whole) for _ in range(7)]
        self.assertEqual([self.codes(each) for each in sent], [[]] * 4 + [[503]] * 3)
        self.assertEqual([each.closed for each in sent], [""] * 4 + ["half"] * 3)
        self.assertEqual(len(self.gateway.pending), 4)

    def test_all_counted(self) -> None:
        """A valid token in an earlier request changes nothing: each request has its own."""
        clients = self.clients(4)
        for channel, _ in clients:
            channel.client.authenticated = True
        self.assertFalse(clients[3][1].reading)

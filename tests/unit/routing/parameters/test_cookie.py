"""Parameters from cookies."""

from __future__ import annotations

from typing import Annotated

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.rest.http_requests import GatewayHarness, RawClient
from tests.unit.routing.parameters.asking import Asked, refused
from tests.unit.support.linear_cost import LinearCostTestCase
from unixsvc import Cookie
from unixsvc.domain.message import Request
from unixsvc.routing.parameters.cookie import CookieKind
from unixsvc.routing.route import GET


def session(session: Annotated[str | None, Cookie()]) -> str | None:
    """An optional cookie."""
    return session


class CookieTests(SynchronousTestCase):
    def test_both_transports(self) -> None:
        """Cookies are in the header field ``Cookie``, or in the entry of ``meta`` of that name."""
        asked = Asked(session)
        self.assertEqual(asked.ask(cookies={"a": "1", "session": "x"}), "x")
        self.assertEqual(asked.call(cookie="a=1; session=x"), "x")
        self.assertEqual((asked.ask(), asked.call()), (None, None))

    def test_values(self) -> None:
        """The value ends at the semicolon; quotes around it do not belong to it."""
        asked = Asked(session)
        for cookies, value in (
            ("session=x", "x"), ("a=1;session=x;b=2", "x"), ("session = x", None), ("xsession=1", None),
            ("session=a=b", "a=b"), ('session="a b"', "a b"), ('session="', '"'), ("session=", ""),
            ("a=session=1; session=x", "x"), ("Session=1", None), ("session", None), ("; ;=; session=x", "x"),
            ('session="a\\073b"', "a\\073b"), ("session=%41", "%41"),
        ):  # fmt: skip
            self.assertEqual(asked.call(cookie=cookies), value, cookies)
            self.assertEqual(asked.ask(headers={"Cookie": cookies}), value, cookies)

    def test_same_name(self) -> None:
        """Of several cookies of one name the first counts: it has the longest path."""
        self.assertEqual(Asked(session).call(cookie="session=1; session=2"), "1")

    def test_types(self) -> None:
        """The text is converted; a problem names the cookie."""

        def action(visits: Annotated[int, Cookie("n-visits")] = 0) -> int:
            return visits

        asked = Asked(action)
        self.assertEqual(asked.call(cookie="n-visits=3"), 3)
        problem = {"cookie.n-visits": "Expected `int`, got `str`"}
        for value in ("x", ""):
            self.assertEqual(asked.ask(cookies={"n-visits": value}), problem)

    def test_encoding(self) -> None:
        """A cookie is UTF-8. Other cookies may have any bytes, and do not spoil the request."""
        client = RawClient(GatewayHarness(GET("/", session, public=True)).site)
        for value, expected in (
            ("session=\u20ac".encode(), '"\u20ac"'.encode()),
            (b"bad=\xff; session=x", b'"x"'),
            (b"session=\xff; a=1", b'{"field":"cookie.session","message":"is not valid UTF-8"}'),
        ):
            client.channel.dataReceived(b"GET / HTTP/1.1\r\nHost: a\r\nCookie: " + value + b"\r\n\r\n")
            self.assertIn(expected, client.received())

    def test_two_fields(self) -> None:
        """Several fields are one, as HTTP/2 allows."""
        client = RawClient(GatewayHarness(GET("/", session, public=True)).site)
        client.channel.dataReceived(b"GET / HTTP/1.1\r\nHost: a\r\nCookie: a=1\r\nCookie: session=x\r\n\r\n")
        self.assertIn(b'"x"', client.received())

    def test_wrong(self) -> None:
        """A cookie has a valid name and one value."""

        def name(a: Annotated[str, Cookie("a;b")]) -> None: ...
        def lists(a: Annotated[list[str], Cookie()]) -> None: ...

        self.assertIn("'a;b' is not the name of a cookie", refused(name))
        self.assertIn("a cookie has one value", refused(lists))


class CostTests(LinearCostTestCase):
    """Cookies that are made to take time (cookie bombs)."""

    def test_bombs(self) -> None:
        """Reading a cookie takes linear time, whatever the header has."""
        source = CookieKind().source("session", Annotated[str | None, Cookie()], None, "GET /")
        if source is None:
            self.fail("not recognized")

        def read(cookies: str) -> None:
            source.read(Request("GET", "/", meta={"cookie": cookies}), [])

        for part in ("; ", ";", " ", '"', "session", "a=1; ", 'session="\\', "session ", ";\t"):
            self.assert_linear(read, part, "cookies")

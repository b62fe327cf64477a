"""Rate limits of routes and services."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Any, Final

from twisted.internet.address import IPv4Address, UNIXAddress
from twisted.trial.unittest import SynchronousTestCase

from unixsvc import GET, App, Group, RateLimit, RateLimited, Request
from unixsvc.config.settings import Security
from unixsvc.domain.message import Caller, Grant, Peer
from unixsvc.domain.request_extras import RequestExtras
from unixsvc.limiting.keys import address_of, client_address, key_function
from unixsvc.limiting.limiter import Limiter
from unixsvc.limiting.table import RateTable
from unixsvc.testing import MemoryService

# RFC 9651, section 4.1: a string with parameters that are integers. http-sf has parsed the fields as well.
_PARAMETER: Final = re.compile(r";([a-z*][a-z0-9_.*-]*)=(-?[0-9]{1,15})", re.ASCII)
_ITEM: Final = re.compile(rf'"((?:[ !#-\[\]-~]|\\["\\])*)"((?:{_PARAMETER.pattern})*)', re.ASCII)


def request(**fields: Any) -> Request:
    """A request."""
    return Request("GET", "/x", **fields)


def over_http(host: str, **fields: Any) -> Request:
    """A request from an address."""
    return request(headers={}, peer_address=IPv4Address("TCP", host, 1), **fields)


class KeyTests(SynchronousTestCase):
    """Whose requests count together."""

    def test_caller(self) -> None:
        """A caller is the user, or else the uid, the token or the address."""
        caller = key_function("caller")
        with_token = Caller(Peer(), grant=Grant("ci"))
        for each, key in (
            (request(extras=RequestExtras(user_name="user:ann"), caller=with_token), "user:ann"),
            (over_http("192.0.2.1", caller=with_token), "token:ci"),
            (request(caller=Caller(Peer(uid=7))), "uid:7"),
            (over_http("192.0.2.1"), "address:192.0.2.1"),
            (request(), ""),
        ):
            self.assertEqual(caller(each), key)

    def test_user(self) -> None:
        """A user is known by the name that authentication has found; all other callers count together."""
        user = key_function("user")
        self.assertEqual(user(request(extras=RequestExtras(user={"id": 7}, user_name="user:7"))), "user:7")
        self.assertEqual(user(request(caller=Caller(Peer(uid=7)))), "")

    def test_address(self) -> None:
        """The address is that of the connection, or the one that the gateway has found behind a proxy."""
        address = key_function("address")
        self.assertEqual(address(over_http("192.0.2.1")), "address:192.0.2.1")
        behind = over_http("127.0.0.1", meta={"client_address": "2001:db8::1"})
        self.assertEqual(address(behind), "address:2001:db8::")
        self.assertEqual(address(request(headers={}, peer_address=UNIXAddress(None))), "")

    def test_forged_address(self) -> None:
        """A caller on a Unix socket cannot choose its address."""
        forged = request(meta={"client_address": "192.0.2.1"})
        self.assertEqual((client_address(forged), key_function("address")(forged)), ("", ""))

    def test_ipv6(self) -> None:
        """IPv6 addresses count by their first 64 bits; IPv4 addresses in IPv6 are the same as without."""
        for text, key in (
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("2001:db8:1:2::", "2001:db8:1:2::"),
            ("fe80::1%eth0", "fe80::"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("192.0.2.7", "192.0.2.7"),
            ("a:host", "a:host"),
        ):
            self.assertEqual(address_of(text), key)


class LimiterTests(SynchronousTestCase):
    """Several limits of one request."""

    def setUp(self) -> None:
        """Make a limiter."""
        self.now = 0.0
        self.full: list[str] = []
        self.made = 0
        self.limiter = Limiter(self.make, lambda: self.now, self.full.append)

    def make(self) -> RateTable:
        """Make the table."""
        self.made += 1
        return RateTable()

    def test_headers(self) -> None:
        """A reply has the policy and the state of each limit; an error has them as well."""
        limits = [RateLimit("2/second", name="second"), RateLimit("100/minute", burst=5, per="route")]
        take = self.limiter.check(limits, "GET /x")
        for remaining, since in ((1, 1), (0, 1)):
            admitted = over_http("192.0.2.1")
            take(admitted)
            self.assertEqual(
                admitted.reply_headers,
                [
                    ("RateLimit-Policy", '"second";q=2;w=1'),
                    ("RateLimit", f'"second";r={remaining};t={since}'),
                    ("RateLimit-Policy", '"default";q=5;w=3'),
                    ("RateLimit", f'"default";r={3 + remaining};t={2 - remaining}'),
                ],
            )
        refused = over_http("192.0.2.1")
        error = self.assertRaises(RateLimited, take, refused)
        self.assertEqual(error.detail, {"retry_after": 1})
        self.assertEqual(refused.reply_headers[1], ("RateLimit", '"second";r=0;t=1'))
        self.assertEqual(refused.reply_headers[3], ("RateLimit", '"default";r=3;t=1'))

    def fields(self, *limits: RateLimit, requests: int = 1) -> Iterator[tuple[str, dict[str, int]]]:
        """The items of the fields of the last of several requests, each with the name of its field."""
        take = self.limiter.check(limits, "GET /x")
        for _ in range(requests):
            last = request()
            with contextlib.suppress(RateLimited):
                take(last)
        for name, value in last.reply_headers:
            item = _ITEM.fullmatch(value)
            assert item is not None, value
            self.assertIn(item[1], [limit.name for limit in limits])
            yield name, {key: int(number) for key, number in _PARAMETER.findall(item[2])}

    def test_structured_fields(self) -> None:
        """The fields are items of a list of RFC 9651 with the parameters of the draft, also at the bounds."""
        for limit in (
            RateLimit("2/second", name="a.B_c:d-9"),
            RateLimit("1000000/second", burst=10**9),
            RateLimit("1/366d"),
            RateLimit("1/366d", burst=10),
            RateLimit("999999999/366d", name="x" * 64),
            RateLimit("1/50ms"),
        ):
            for requests in (1, 2):
                (policy, size), (state, left) = self.fields(limit, requests=requests)
                self.assertEqual((policy, state), ("RateLimit-Policy", "RateLimit"))
                self.assertEqual(([*size], [*left]), (["q", "w"], ["r", "t"]))
                self.assertGreaterEqual(size["w"], 1)
                self.assertLess(left["r"], size["q"])

    def test_window(self) -> None:
        """The window is rounded up: a client that follows the policy is not refused."""
        for limit, window in (
            (RateLimit("100/minute"), 60),
            (RateLimit("7/minute"), 60),
            (RateLimit("11/minute"), 60),
            (RateLimit("100/minute", burst=2), 2),
            (RateLimit("3/1400ms"), 2),
            (RateLimit("1/100ms"), 1),
        ):
            _, policy = next(self.fields(limit))
            self.assertEqual(policy, {"q": limit.burst or int(limit.rate.partition("/")[0]), "w": window})

    def test_windows_of_refusal(self) -> None:
        """No window of a refusal ends after its ``Retry-After``."""
        limits = [RateLimit("1/minute", per="route"), RateLimit("10/day", name="day", per="route")]
        found = [value for name, value in self.fields(*limits, requests=2) if name == "RateLimit"]
        self.assertEqual(found, [{"r": 0, "t": 60}, {"r": 9, "t": 60}])

    def test_retry_after(self) -> None:
        """A client that waits for the given time is admitted, and with a slow limit as well."""
        take = self.limiter.check([RateLimit("1/minute", per="route")], "x")
        take(request())
        self.now = 0.5
        wait = self.assertRaises(RateLimited, take, request()).detail["retry_after"]
        self.now += wait
        take(request())

    def test_no_key(self) -> None:
        """A function that returns None exempts a request; what it raises is not hidden."""
        limit = RateLimit("1/day", per=lambda request: request.meta.get("tenant"))
        take = self.limiter.check([limit], "x")
        for _ in range(3):
            free = request()
            take(free)
            self.assertEqual(free.reply_headers, ())
        take(request(meta={"tenant": "a"}))
        self.assertRaises(RateLimited, take, request(meta={"tenant": "a"}))
        take(request(meta={"tenant": "b"}))

    def test_lazy(self) -> None:
        """Without a limit there is no table; all limits share one."""
        self.assertEqual(self.made, 0)
        for scope in ("a", "b"):
            self.limiter.check([RateLimit("1/second")], scope)
        self.assertEqual(self.made, 1)

    def test_scopes(self) -> None:
        """Routes have buckets of their own, unless their limits have the same scope."""
        for limit, admitted in (
            (RateLimit("1/day", per="route"), True),
            (RateLimit("1/day", per="route", scope="mail"), False),
        ):
            first, second = (self.limiter.check([limit], scope) for scope in ("a", "b"))
            first(request())
            if admitted:
                second(request())
            else:
                self.assertRaises(RateLimited, second, request())


class ServiceTests(SynchronousTestCase):
    """Services with limits."""

    def service(self, *routes: Any, **options: Any) -> MemoryService:
        """A service whose caller has no uid."""
        return MemoryService(App(routes, **options))

    def test_route(self) -> None:
        """A route is limited, and fills again with time; other routes are not affected."""

        def show() -> str:
            return "shown"

        service = self.service(GET("/a", show, rate_limit=RateLimit("2/second")), GET("/b", show))
        for _ in range(2):
            self.assertEqual(self.successResultOf(service.get("/a")), "shown")
        self.assertEqual(
            self.failureResultOf(service.get("/a"), RateLimited).value.detail, {"retry_after": 1}
        )
        self.assertEqual(self.successResultOf(service.get("/b")), "shown")
        service.clock.advance(0.5)
        self.assertEqual(self.successResultOf(service.get("/a")), "shown")

    def test_arguments_after(self) -> None:
        """A refused request does not reach the validation of its arguments."""

        def show(id: int) -> int:
            return id

        service = self.service(GET("/a/{id:int}", show, rate_limit=[RateLimit("1/day")]))
        self.assertEqual(self.successResultOf(service.get("/a/7")), 7)
        self.failureResultOf(service.get("/a/7", unknown=1), RateLimited)

    def test_group(self) -> None:
        """The routes of a group share its limit, and have their own besides."""

        def show() -> str:
            return "shown"

        routes = [GET("/a", show), GET("/b", show, rate_limit=RateLimit("1/day"))]
        service = self.service(Group("/g", None, routes, rate_limit=RateLimit("3/day")), GET("/c", show))
        self.successResultOf(service.get("/g/b"))
        self.failureResultOf(service.get("/g/b"), RateLimited)
        for _ in range(2):
            self.successResultOf(service.get("/g/a"))
        self.failureResultOf(service.get("/g/a"), RateLimited)
        self.successResultOf(service.get("/c"))

    def test_security(self) -> None:
        """An unauthenticated caller of a route that is not public takes no token of its limit."""

        def show() -> str:
            return "shown"

        routes = [GET("/a", show, rate_limit=RateLimit("1/day", per="route"))]
        service = MemoryService(App(routes), token=None, security=Security(token="private"))
        for _ in range(2):
            self.assertEqual(self.failureResultOf(service.get("/a")).value.code, 401)

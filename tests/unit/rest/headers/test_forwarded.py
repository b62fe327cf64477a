"""The client behind reverse proxies."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.support.linear_cost import LinearCostTestCase
from unixsvc.rest.headers.forwarded import ForwardedClient, ProxyRules

CLIENT = "203.0.113.9"
PROXIES = ("unix", "10.0.0.0/8", "::1")


class ProxyRulesTests(SynchronousTestCase):
    def client(
        self, peer: str, *values: str, proto: Sequence[str] = (), trusted: Sequence[str] = PROXIES
    ) -> ForwardedClient:
        """The client of a request with these values of ``X-Forwarded-For`` and ``X-Forwarded-Proto``."""
        headers = {
            b"X-Forwarded-For": [each.encode() for each in values],
            b"X-Forwarded-Proto": [each.encode() for each in proto],
        }
        return ProxyRules(trusted).client(peer, {name: found for name, found in headers.items() if found})

    def test_proxies(self) -> None:
        """A trusted proxy reports the client, on a Unix socket, from an address and from a network."""
        for peer in ("", "10.1.2.3", "::1", "::ffff:10.1.2.3"):
            self.assertEqual(self.client(peer, CLIENT), ForwardedClient(CLIENT))
            self.assertEqual(self.client(peer, CLIENT, proto=["https"]), ForwardedClient(CLIENT, tls=True))

    def test_not_trusted(self) -> None:
        """The headers of all other clients are ignored."""
        for peer, trusted in (("192.0.2.1", PROXIES), ("", ("127.0.0.1",)), ("127.0.0.1", ("unix",))):
            found = self.client(peer, CLIENT, proto=["https"], trusted=trusted)
            self.assertEqual(found, ForwardedClient(peer))

    def test_chain(self) -> None:
        """Of several addresses the last one counts that is not a proxy: those before it may be forged."""
        for values in (
            (f"1.1.1.1, {CLIENT}",),
            ("1.1.1.1", CLIENT),
            (f"1.1.1.1, 10.9.9.9, {CLIENT},10.0.0.1 , 10.0.0.2",),
            (f"1.1.1.1, {CLIENT}, ::1", "10.0.0.2"),
        ):
            self.assertEqual(self.client("", *values).host, CLIENT, values)
        self.assertEqual(self.client("", "10.0.0.1, 10.0.0.2").host, "10.0.0.1")

    def test_notations(self) -> None:
        """An address may have a port; an IPv6 address has one notation."""
        for value, host in (
            (f"{CLIENT}:1234", CLIENT), (f"::ffff:{CLIENT}", CLIENT),
            ("[2001:DB8:0::1]:80", "2001:db8::1"), ("[2001:db8::1]", "2001:db8::1"),
            ("2001:db8::1", "2001:db8::1"),
        ):  # fmt: skip
            self.assertEqual(self.client("", value).host, host, value)

    def test_malformed(self) -> None:
        """An entry that is not an address ends the search: the last known address is that of a proxy."""
        for value in ("unknown", "", "_hidden", "1.2.3", "fe80::1%x] forged", "[::1", "999.1.1.1", "\xff"):
            self.assertEqual(self.client("", f"{CLIENT}, {value}, 10.0.0.1").host, "10.0.0.1", value)
            self.assertEqual(self.client("", f"{CLIENT}, {value}").host, "", value)

    def test_missing(self) -> None:
        """Without the headers the client is the process at the other end."""
        self.assertEqual(self.client("10.0.0.1"), ForwardedClient("10.0.0.1"))
        self.assertEqual(self.client(""), ForwardedClient(""))

    def test_scheme(self) -> None:
        """The last value counts, which the proxy has set."""
        for proto, tls in (
            (["http"], False),
            (["https", "http"], False),
            (["http, https"], True),
            (["x"], False),
        ):
            self.assertEqual(self.client("", CLIENT, proto=proto).tls, tls, proto)


class ForwardedTests(SynchronousTestCase):
    """The header of RFC 7239."""

    def client(self, *fields: str, peer: str = "") -> ForwardedClient:
        """The client of a request with these fields."""
        headers = {
            b"Forwarded": [each.encode("latin-1") for each in fields],
            b"X-Forwarded-For": [b"192.0.2.66"],
        }
        return ProxyRules(PROXIES, "forwarded").client(peer, headers)

    def test_notations(self) -> None:
        """Addresses may have quotes and ports; names have any case, and their order does not matter."""
        for field, expected in (
            (f"for={CLIENT}", ForwardedClient(CLIENT)),
            (f'For="{CLIENT}:4711"', ForwardedClient(CLIENT, port=4711)),
            (f"for={CLIENT}:4711", ForwardedClient(CLIENT, port=4711)),
            ('for="[2001:db8::1]:80"', ForwardedClient("2001:db8::1", port=80)),
            (f"host=a.b;PROTO=HTTPS;by=_x;for={CLIENT}", ForwardedClient(CLIENT, True, 0, "a.b")),
            (f'proto=https ; host="a\\.b:80" ;for={CLIENT}', ForwardedClient(CLIENT, True, 0, "a.b:80")),
            (f";for={CLIENT};;", ForwardedClient(CLIENT)),
            (f'for="{CLIENT}:99999"', ForwardedClient(CLIENT)),
        ):
            self.assertEqual(self.client(field), expected, field)

    def test_chain(self) -> None:
        """The elements are read from the end; scheme and host are those that the outermost proxy says."""
        outer, inner = f"for={CLIENT};proto=https;host=a.b", "for=10.0.0.1;proto=http;host=inner"
        expected = ForwardedClient(CLIENT, True, 0, "a.b")
        for fields in ((f"{outer}, {inner}",), (outer, inner), ("for=1.1.1.1", f"{outer},,{inner},")):
            self.assertEqual(self.client(*fields), expected, fields)

    def test_forged(self) -> None:
        """What a client has put there cannot hide what a proxy adds, by quotes or otherwise."""
        own = f"for={CLIENT}"
        for forged in ('for="', 'for="a\\', "for=1.1.1.1;for=2.2.2.2", "=", "for", 'for="1.1.1.1"x', "\xff"):
            self.assertEqual(self.client(forged, own).host, CLIENT, forged)
        for field in ('for="1.1.1.1, ' + own, '"' + own, f"for=1.1.1.1 {own}"):
            self.assertEqual(self.client(field).host, "", field)
        self.assertEqual(self.client(f"for=1.1.1.1, {own}, for=10.0.0.1").host, CLIENT)
        self.assertEqual(self.client(f"{own}, for=unknown, for=10.0.0.1").host, "10.0.0.1")
        self.assertEqual(self.client("for=1.1.1.1", peer="192.0.2.1"), ForwardedClient("192.0.2.1"))

    def test_two_values(self) -> None:
        """Of a parameter that occurs twice in one element, the first counts."""
        self.assertEqual(self.client(f"for={CLIENT};for=1.1.1.1").host, CLIENT)

    def test_host(self) -> None:
        """With the other header, the host is in a header of its own."""
        headers = {b"X-Forwarded-For": [CLIENT.encode()], b"X-Forwarded-Host": [b"x.y, a.b"]}
        self.assertEqual(ProxyRules(PROXIES).client("", headers).requested, "a.b")


class CostTests(LinearCostTestCase):
    """Headers that are made to take time."""

    def test_forwarded(self) -> None:
        """Reading the header takes linear time."""
        rules = ProxyRules(PROXIES, "forwarded")

        def read(text: str) -> None:
            rules.client("", {b"Forwarded": [text.encode()]})

        for part in (",", ";", " ", "for=10.0.0.1,", 'for="', '\\"', "a=b;", 'a="b";', "for", "\t,"):
            self.assert_linear(read, part, "Forwarded")

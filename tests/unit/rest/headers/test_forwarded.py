"""The client behind reverse proxies."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.trial.unittest import SynchronousTestCase

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

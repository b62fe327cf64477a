"""The host names that a server answers to."""

from __future__ import annotations

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.security.hosts import HostRules, Misdirected

LOOPBACK = (
    IPv4Address("TCP", "127.0.0.1", 80),
    IPv4Address("TCP", "127.0.0.2", 80),
    IPv6Address("TCP", "::1", 80),
)
OTHERS = (
    IPv4Address("TCP", "10.0.0.7", 80),
    IPv6Address("TCP", "::", 80),
    UNIXAddress(b"/run/web.sock"),
    None,
)
LOCAL_NAMES = (
    "localhost", "LocalHost", "localhost.", "app.localhost", "localhost:8080", "127.0.0.1", "127.1.2.3:80",
    "[::1]", "[::1]:8080", "[0:0:0:0:0:0:0:1]",
)  # fmt: skip
FOREIGN_NAMES = (
    "evil.example", "evil.example:80", "localhost.evil.example", "127.0.0.1.evil.example", "evillocalhost",
    ".".join("0000"), "0", "10.0.0.1", "[::]", "[2001:db8::1]", "localhost@evil", "l%6Fcalhost",
    "127.1", "2130706433",
)  # fmt: skip


class ListedTests(SynchronousTestCase):
    """Names that a reverse proxy forwards."""

    def test_listed(self) -> None:
        """Only names that are listed count; without a list, none does."""
        for allowed, host, expected in (
            (("a.example",), "a.example:80", True), (("a.example",), "b.example", False),
            (("*.example",), "a.example", True), (("*",), "x", True), ((), "localhost", False),
            (("*",), "", False), (("a.example",), "\u20ac", False),
        ):  # fmt: skip
            self.assertEqual(HostRules(allowed).lists(host), expected, (allowed, host))


class HostTests(SynchronousTestCase):
    def allows(self, rules: HostRules, host: str, address: object = LOOPBACK[0]) -> bool:
        """Whether a ``Host`` is accepted; only then it is remembered, for this address."""
        try:
            rules.check(host.encode(), address)
        except Misdirected:
            self.assertNotIn(host.encode(), rules.accepted)
            return False
        self.assertIs(rules.accepted[host.encode()], address)
        return True

    def test_default(self) -> None:
        """On loopback addresses only their names are allowed; on others any host is."""
        rules = HostRules(())
        for address in LOOPBACK:
            self.assertEqual([each for each in LOCAL_NAMES if not self.allows(rules, each, address)], [])
            self.assertEqual([each for each in FOREIGN_NAMES if self.allows(rules, each, address)], [])
        for other in OTHERS:
            for each in LOCAL_NAMES + FOREIGN_NAMES:
                self.assertTrue(self.allows(rules, each, other), each)

    def test_listed(self) -> None:
        """A list replaces the default on all addresses; case, port and notation do not matter."""
        rules = HostRules(("Example.org", "10.0.0.1", "::1"))
        for address in (*LOOPBACK, *OTHERS):
            for each in ("example.org", "EXAMPLE.org.:443", "10.0.0.1:1", "[::1]", "[0::1]:80"):
                self.assertTrue(self.allows(rules, each, address), each)
            for each in (
                "localhost",
                "www.example.org",
                "example.org.evil.example",
                "xexample.org",
                "127.0.0.1",
            ):
                self.assertFalse(self.allows(rules, each, address), each)

    def test_wildcard(self) -> None:
        """``*.example.org`` stands for all names below; ``*`` for any host."""
        rules = HostRules(("*.Example.org",))
        for each in ("www.example.org", "a.b.example.org:80", "WWW.EXAMPLE.ORG"):
            self.assertTrue(self.allows(rules, each), each)
        for each in ("example.org", "wwwexample.org", "example.org.evil.example"):
            self.assertFalse(self.allows(rules, each), each)
        self.assertTrue(self.allows(HostRules(("a.example", "*")), "evil.example"))

    def test_no_host(self) -> None:
        """An empty host is allowed: browsers send none such."""
        for rules in (HostRules(()), HostRules(("example.org",))):
            for each in ("", ":80"):
                self.assertTrue(self.allows(rules, each))

    def test_many_names(self) -> None:
        """Names below a wildcard are accepted without limit, and remembered with one."""
        rules = HostRules(("*.example.org",))
        for number in range(1000):
            self.assertTrue(self.allows(rules, f"n{number}.example.org"))
        self.assertLess(len(rules.accepted), 500)

"""What tokens allow."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.errors import ConfigError
from unixsvc.security.access import AcceptedToken, RouteRules, digest_of


class RulesTests(SynchronousTestCase):
    """The routes of a token."""

    def test_patterns(self) -> None:
        """Patterns are those of routes: fixed segments, variables with types, and the rest of the path."""
        rules = RouteRules(["GET /user/{id:int}", "/reports/{path:path}", "POST /orders", "/"])
        for method, path in (
            ("GET", "/user/7"), ("HEAD", "/user/7"), ("GET", "/reports/2026"), ("PUT", "/reports/2026/q1"),
            ("POST", "/orders"), ("GET", "/"), ("DELETE", "/"), ("GET", "/%75ser/7"),
        ):  # fmt: skip
            self.assertTrue(rules.allow(method, path), (method, path))
        for method, path in (
            ("POST", "/user/7"), ("GET", "/user"), ("GET", "/user/"), ("GET", "/user/ada"),
            ("get", "/user/7"),
            ("GET", "/user/7/orders"), ("GET", "/reports"), ("GET", "/orders"), ("GET", "/orders/1"),
            ("GET", "//"), ("GET", "/users/7"),
        ):  # fmt: skip
            self.assertFalse(rules.allow(method, path), (method, path))

    def test_ambiguous_paths(self) -> None:
        """A path that a server behind this one could take for another one is not allowed."""
        rules = RouteRules(["/public/{path:path}", "/item/{name}"])
        self.assertTrue(rules.allow("GET", "/public/a%20b/..c"))
        for path in (
            "/public/../admin", "/public/%2e%2e/admin", "/public/..%2fadmin", "/item/a%2Fb", "/public/./x",
            "/public/%ff", "/item/%2e%2E",
        ):  # fmt: skip
            self.assertFalse(rules.allow("GET", path), path)

    def test_builtin_routes(self) -> None:
        """A variable does not include the built-in routes; they can be named."""
        self.assertFalse(RouteRules(["/{path:path}"]).allow("GET", "/-/stats"))
        self.assertTrue(RouteRules(["GET /-/health"]).allow("GET", "/-/health"))

    def test_head(self) -> None:
        """HEAD is allowed with GET, and may be named as well."""
        rules = RouteRules(["GET /a", "HEAD /a", "POST /b"])
        self.assertTrue(rules.allow("HEAD", "/a"))
        self.assertFalse(rules.allow("HEAD", "/b"))

    def test_wrong(self) -> None:
        """A pattern that is not one, and one that is there twice, are refused."""
        for route in ("user", "GET", "GET user", "/a/{b", "/a/{b:colour}", "/{a:path}/b"):
            self.assertRaises(ConfigError, RouteRules, [route])
        self.assertRaises(ConfigError, RouteRules, ["GET /a", "GET /a"])


class ServicesTests(SynchronousTestCase):
    """The services of a token."""

    def test_listed(self) -> None:
        """Listed services are allowed, and all with ``*``; none without a list."""
        for services, allowed in (
            (("shop",), True),
            (("*",), True),
            (("till", "shop"), True),
            (("till",), False),
            ((), False),
        ):
            self.assertEqual(AcceptedToken("x", "", services).allows_service("shop"), allowed)


class DigestTests(SynchronousTestCase):
    """The digest of a token."""

    def test_digest(self) -> None:
        """It is SHA-256 of the text, as ``printf %s TOKEN | sha256sum`` prints it."""
        self.assertEqual(
            digest_of("ab" * 32), "271a413bd339c5709fdceaec41f14f11e9fbfb5042d72d331c65f32b284cd09a"
        )

"""Tests of the tables ``[tokens.NAME]``."""

from __future__ import annotations

from tests.unit.config.test_settings import SERVICE, ConfigTestCase
from unixsvc.config.settings import NamedToken
from unixsvc.errors import ConfigError

DIGEST = "ab" * 32
HTTP = '[http]\nmounts = { "/home" = "home" }\n'


class TokensTests(ConfigTestCase):
    def table(self, name: str = "billing", digest: str = DIGEST, services: str = "*", more: str = "") -> str:
        """A configuration with a table of a token."""
        return f'{SERVICE}\n[tokens.{name}]\nsha256 = "{digest}"\nservices = ["{services}"]\n{more}\n'

    def test_read(self) -> None:
        """A token has a digest, services, and by default no limit of routes."""
        tokens = self.load(self.table(services="home")).tokens
        self.assertEqual(tokens, {"billing": NamedToken(DIGEST, ("home",))})
        self.assertEqual(tokens["billing"].digests, (DIGEST,))
        self.assertEqual(self.load(SERVICE).tokens, {})

    def test_routes(self) -> None:
        """Routes can be listed."""
        routes = 'routes = ["GET /user/{id}", "/reports/{path:path}"]'
        token = self.load(self.table(more=routes)).tokens["billing"]
        self.assertEqual(token.routes, ("GET /user/{id}", "/reports/{path:path}"))

    def test_two_digests(self) -> None:
        """There may be several digests, while a token is being replaced."""
        text = self.table().replace(f'"{DIGEST}"', f'["{DIGEST}", "{"cd" * 32}"]')
        self.assertEqual(self.load(text).tokens["billing"].digests, (DIGEST, "cd" * 32))

    def test_http(self) -> None:
        """The gateway is the service ``http``, if there is one."""
        self.load(self.table(services="http", more=HTTP))
        self.assert_refused(
            self.table(services="http"), "tokens.billing.services", "there is no service 'http'"
        )

    def test_services_are_required(self) -> None:
        """A table without services is refused: every service has to be requested explicitly."""
        text = f'{SERVICE}\n[tokens.billing]\nsha256 = "{DIGEST}"\n'
        self.assert_refused(text, "tokens.billing.services is required")

    def test_wrong_names(self) -> None:
        """The name of the shared token, and names with other characters, are refused."""
        for name in ("default", "Billing", '"a b"', '""'):
            self.assert_refused(self.table(name), "is not a valid name for a token", "not 'default'")

    def test_wrong_digests(self) -> None:
        """A text that is not a digest is refused, such as a password; it is not shown."""
        for digest in ("hunter2", DIGEST.upper(), DIGEST[1:], f"sha256:{DIGEST}"):
            self.assert_refused(self.table(digest=digest), "tokens.billing.sha256: is not a SHA-256 digest; ")
            error = self.assertRaises(ConfigError, self.load, self.table(digest=digest))
            self.assertNotIn(digest, str(error))

    def test_same_token(self) -> None:
        """Two names for one token are refused."""
        text = self.table() + self.table("stock").removeprefix(SERVICE)
        self.assert_refused(text, "tokens.stock.sha256: is that of tokens.billing")

    def test_unknown_service(self) -> None:
        """A service that does not exist is refused, with the names of those that do."""
        self.assert_refused(self.table(services="hom"), "there is no service 'hom'", "there are: home")

    def test_unknown_key(self) -> None:
        """A misspelled key is named, with the right one."""
        self.assert_refused(self.table(more="route = []"), "tokens.billing.route is unknown", "'routes'")

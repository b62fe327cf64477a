"""Tokens with names over HTTP."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.rest.http_requests import TOKEN, GatewayHarness
from unixsvc import GET, POST, Request
from unixsvc.security.access import AcceptedToken, digest_of

BILLING = "ef" * 32


def identity(request: Request) -> str:
    """The identity of the caller."""
    return str(request.caller.identity)


def show(id: int) -> int:
    """A resource."""
    return id


class NamedTokenTests(SynchronousTestCase):
    """A gateway with a token that may call some of its routes."""

    def setUp(self) -> None:
        """Serve a public route and others."""
        token = AcceptedToken("billing", digest_of(BILLING), ("shop",), ("GET /mine/{id:int}", "/both"))
        self.gateway = GatewayHarness(
            GET("/mine/{id:int}", show), GET("/both", identity), POST("/both", identity),
            GET("/open", identity, public=True), GET("/other", identity),
            tokens=(token,),
        )  # fmt: skip

    def codes(self, *paths: str, method: str = "GET", token: str | None = BILLING) -> list[int]:
        """The status of each response."""
        return [self.gateway.request(method, path, token).code for path in paths]

    def test_routes(self) -> None:
        """The routes of the token are served, request by request; another one is 403."""
        self.assertEqual(self.codes("/mine/7", "/other", "/both", "/mine/7"), [200, 403, 200, 200])
        self.assertEqual(self.codes("/both", "/mine/7", method="POST"), [200, 403])
        self.assertEqual(self.codes("/mine/7", "/both", "/other", method="HEAD"), [200, 200, 403])
        found = self.gateway.request("GET", "/other", BILLING)
        self.assertEqual(found.json["detail"], "the token 'billing' may not call this route")

    def test_public(self) -> None:
        """A token that does not list a public route does not open it either; without a token it is served."""
        self.assertEqual(self.codes("/open"), [403])
        self.assertEqual(self.codes("/open", token=None), [200])

    def test_identity(self) -> None:
        """Callers are distinguished by the names of their tokens."""
        for token, path, expected in (
            (BILLING, "/both", "token:billing"), (TOKEN, "/both", "token:default"), (None, "/open", "None"),
            (BILLING, "/both", "token:billing"),
        ):  # fmt: skip
            self.assertEqual(self.gateway.request("GET", path, token).json, expected)

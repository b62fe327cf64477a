"""Security of operations: the token of the service, and the schemes of users."""

from __future__ import annotations

from openapi_spec_validator import validate
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.security.users_app import anonymous, app_with, at_once, make_app, maybe, whoami
from unixsvc import GET, ApiKey, App, Basic, Bearer, ClientCertificate, SessionCookie, UnixUser
from unixsvc.config.http import Http
from unixsvc.domain.json import JsonObject
from unixsvc.rest.openapi.security import Alternatives
from unixsvc.testing import MemoryHttp


class SecurityTests(SynchronousTestCase):
    def document(self, app: App, policy: str = "private") -> JsonObject:
        """The document of an application, which is valid."""
        http = MemoryHttp(app, http=Http(token=policy))  # type: ignore[arg-type]  # one of three texts
        document: JsonObject = self.successResultOf(http.get("/openapi.json")).json()
        validate(document)
        return document

    def security(self, document: JsonObject, method: str, path: str) -> object:
        """The security of an operation."""
        return document["paths"][path][method]["security"]

    def test_schemes(self) -> None:
        """Each scheme is described under its name, but not the one that is no scheme of HTTP."""
        schemes = [
            Bearer.jwt(at_once, algorithms=["HS256"], audience=None, issuer=None, key="k" * 32),
            Bearer(at_once, name="oauth", token_url="token"),
            ApiKey(at_once),
            Basic(at_once),
            SessionCookie(at_once, key="k" * 32),
            ClientCertificate(at_once),
            UnixUser(at_once),
        ]
        document = self.document(App([GET("/me", whoami)], authenticate=schemes))
        found = document["components"]["securitySchemes"]
        self.assertEqual(
            {name: scheme["type"] for name, scheme in found.items()},
            {
                "bearer": "http",
                "user_token": "http",
                "oauth": "oauth2",
                "api_key": "apiKey",
                "basic": "http",
                "session": "apiKey",
                "client_certificate": "mutualTLS",
            },
        )
        self.assertEqual(found["user_token"]["bearerFormat"], "JWT")
        expected: Alternatives = [{name: []} for name in found if name != "bearer"]
        self.assertEqual(self.security(document, "get", "/me"), expected)

    def test_operations(self) -> None:
        """An operation has what admits a request: nothing, a token, a user, or one with permissions."""
        document = self.document(make_app())
        user: dict[str, list[str]] = {"api_key": []}
        token: dict[str, list[str]] = {"bearer": []}
        for method, path, expected in (
            ("get", "/open", []),
            ("get", "/maybe", [{}, user]),
            ("get", "/private", [token, user]),
            ("get", "/me", [user]),
            ("post", "/orders", [{"api_key": ["orders:write"]}]),
        ):
            self.assertEqual(self.security(document, method, path), expected, path)
        paths = document["paths"]
        self.assertIn("401", paths["/me"]["get"]["responses"])
        self.assertIn("403", paths["/me"]["get"]["responses"])
        self.assertNotIn("401", paths["/maybe"]["get"]["responses"])

    def test_policies(self) -> None:
        """Without tokens only users are left; where every request needs a token, a user needs it, too."""
        app = app_with(GET("/me", whoami), GET("/private", anonymous), GET("/maybe", maybe, public=True))
        document = self.document(app, "off")
        self.assertEqual(self.security(document, "get", "/private"), [{"api_key": []}])
        self.assertEqual(list(document["components"]["securitySchemes"]), ["api_key"])
        document = self.document(app, "required")
        both: dict[str, list[str]] = {"bearer": [], "api_key": []}
        self.assertEqual(self.security(document, "get", "/me"), [both])
        self.assertEqual(self.security(document, "get", "/private"), [{"bearer": []}, both])
        self.assertEqual(self.security(document, "get", "/maybe"), [{"bearer": []}, both])

    def test_without_users(self) -> None:
        """An application without users has the token of the service only."""
        document = self.document(App([GET("/private", anonymous), GET("/open", anonymous, public=True)]))
        self.assertEqual(self.security(document, "get", "/private"), [{"bearer": []}])
        self.assertEqual(self.security(document, "get", "/open"), [])
        self.assertEqual(list(document["components"]["securitySchemes"]), ["bearer"])

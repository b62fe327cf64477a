"""Users of Klein routes."""

from __future__ import annotations

from typing import Any

import svcs
from klein import Klein
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.security.users_app import User, at_once, key, later, only_ada, register
from unixsvc import ApiKey, App, SessionCookie
from unixsvc.authentication.authenticator import Authenticator
from unixsvc.config.access import AccessRule
from unixsvc.domain.coroutine import run_without_waiting
from unixsvc.domain.message import Request
from unixsvc.errors import ServiceError
from unixsvc.rest import current_user, find_user, message_of, requires
from unixsvc.rest.pages.users import PageUsers
from unixsvc.routing.container import ServiceContainer
from unixsvc.security.access_rules import AccessPolicy
from unixsvc.security.user_gate import UserGates
from unixsvc.testing import MemoryHttp


class Other:
    """Not the class of the users."""


def web(klein: Klein, container: svcs.Container) -> None:
    """Pages of all kinds."""

    @klein.route("/me")
    async def me(request: Any) -> str:
        return (await current_user(request, User)).name

    @klein.route("/maybe")
    async def maybe(request: Any) -> str:
        user = await find_user(request, User)
        return "stranger" if user is None else user.name

    @klein.route("/other")
    async def other(request: Any) -> str:
        return str(await current_user(request, Other))

    @klein.route("/orders", methods=["POST"])
    @requires("orders:write")
    def orders(request: Any) -> Deferred[str]:
        done: Deferred[str] = Deferred()
        done.callback("ordered")
        return done

    @klein.route("/ada/<int:number>")
    @requires(only_ada)
    async def ada(request: Any, number: int) -> dict[str, int]:
        return {"number": number}

    @klein.route("/any")
    @requires()
    def any_user(request: Any) -> str:
        return message_of(request).user_name

    @klein.route("/open")
    def public(request: Any) -> str:
        return "open"

    @klein.route("/login")
    def log_in(request: Any) -> str:
        SESSIONS.log_in(message_of(request), "ada")
        return "welcome"


SESSIONS = SessionCookie(lambda session: User(session.subject), key="k" * 32)


class PageUsersTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Two sites: one finds users at once, the other later."""
        self.sites = [
            MemoryHttp(App([], register, web=web, authenticate=[ApiKey(find), SESSIONS]), token=None)
            for find in (at_once, later)
        ]

    def assert_pages(self, method: str, path: str, *expected: tuple[dict[str, str], int, str]) -> None:
        """The code and the text of requests with some headers."""
        for site in self.sites:
            for headers, code, text in expected:
                response = self.successResultOf(site.request(method, path, headers=headers))
                self.assertEqual(response.status_code, code, (path, response.text))
                self.assertIn(text, response.text)

    def test_current_user(self) -> None:
        """A page asks for its user: without one it is 401, and optional is None."""
        self.assert_pages("GET", "/me", (key("ada"), 200, "ada"), ({}, 401, "needs a user"))
        stranger = (key("nobody"), 200, "stranger")
        self.assert_pages("GET", "/maybe", (key("ada"), 200, "ada"), ({}, 200, "stranger"), stranger)
        self.assert_pages("GET", "/other", (key("ada"), 403, "another kind"))

    def test_requires(self) -> None:
        """A decorator demands permissions and functions, as of an action, before the function is called."""
        write = (key("ada:orders:write"), 200, "ordered")
        self.assert_pages("POST", "/orders", write, (key("ada"), 403, "orders:write"), ({}, 401, ""))
        self.assert_pages("GET", "/ada/7", (key("ada"), 200, '{"number":7}'), (key("bob"), 403, ""))
        self.assert_pages("GET", "/any", (key("bob"), 200, "user:api_key:"), ({}, 401, ""))
        self.assert_pages("GET", "/open", ({}, 200, "open"), (key("nobody"), 200, "open"))
        for site in self.sites:
            response = self.successResultOf(site.get("/any"))
            challenges = ['ApiKey in="header", name="X-API-Key"', 'Cookie name="__Host-session"']
            self.assertEqual(response.headers.get_all("WWW-Authenticate"), challenges)

    def test_login(self) -> None:
        """A page logs in, and later requests have the user."""
        for site in self.sites:
            response = self.successResultOf(site.get("/login"))
            self.assertEqual((response.status_code, response.text), (200, "welcome"))
            cookie = str(response.headers["Set-Cookie"]).partition(";")[0]
            self.assertEqual(self.successResultOf(site.get("/me", headers={"Cookie": cookie})).text, "ada")

    def test_no_schemes(self) -> None:
        """A page that needs a user of an application without schemes is a failure, not open."""
        site = MemoryHttp(App([], web=web), token=None)
        self.assertEqual(self.successResultOf(site.get("/any")).status_code, 500)
        self.assertEqual(self.successResultOf(site.get("/me")).status_code, 401)
        self.assertEqual(self.successResultOf(site.get("/open")).status_code, 200)
        self.flushLoggedErrors()


class PageRulesTests(SynchronousTestCase):
    def test_rules(self) -> None:
        """Rules of the configuration are for pages as well: what none allows is refused."""
        container = ServiceContainer({})
        rule = AccessRule(services=("http",), routes=("/a",), user={"name": "ada"})
        gates = UserGates(
            Authenticator([ApiKey(at_once)], container.open),
            AccessPolicy({"a": rule}),
            "scopes",
            container.open,
        )
        users = PageUsers(gates)
        self.assertTrue(users.restrict_all)
        self.assertFalse(PageUsers(None).restrict_all)
        for path, name, code in (("/a", "ada", 200), ("/a", "bob", 403), ("/a", "", 401), ("/b", "ada", 403)):
            headers = {b"X-Api-Key": [name.encode()]} if name else {}
            try:
                run_without_waiting(users.admit(Request("GET", path, headers=headers), None))
                found = 200
            except ServiceError as error:
                found = error.code
            self.assertEqual(found, code, (path, name))

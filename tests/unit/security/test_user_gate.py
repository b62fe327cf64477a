"""Routes and their users: who is admitted, and what actions get."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.routing.serving import Serving
from tests.unit.security.users_app import (
    USERS,
    Robot,
    User,
    anonymous,
    app_with,
    at_once,
    identity,
    key,
    later,
    make_app,
    only_ada,
    robot,
    whoami,
)
from unixsvc import GET, POST, ApiKey, App, Basic, Bearer, Group, SessionCookie, UnixUser
from unixsvc.authentication.authenticator import Authenticator
from unixsvc.config.access import AccessRule
from unixsvc.config.http import Http
from unixsvc.config.settings import Security
from unixsvc.domain.message import Caller, Grant, Peer, Request
from unixsvc.errors import ConfigError, Forbidden, ServiceError, Unauthorized
from unixsvc.routing.container import ServiceContainer
from unixsvc.security.access_rules import AccessPolicy
from unixsvc.security.user_gate import UserGates
from unixsvc.testing import MemoryHttp, MemoryService

_TOKEN = {"Authorization": f"Bearer {'0' * 64}"}


class UserGateTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Two services: one finds users at once, the other later."""
        self.services = [MemoryHttp(make_app(find), token=None) for find in (at_once, later)]

    def assert_codes(self, method: str, path: str, *expected: tuple[dict[str, str], int]) -> None:
        """The codes of requests with some headers, in both services."""
        for http in self.services:
            for headers, code in expected:
                response = self.successResultOf(http.request(method, path, headers=headers))
                self.assertEqual(response.status_code, code, (path, headers, response.text))

    def test_required(self) -> None:
        """A parameter without None needs a user; a token of the service is not one."""
        wrong = key("nobody")
        self.assert_codes("GET", "/me", ({}, 401), (key("ada"), 200), (wrong, 401), (_TOKEN, 401))
        for http in self.services:
            self.assertEqual(self.successResultOf(http.get("/me", headers=key("ada"))).json(), "ada")

    def test_optional(self) -> None:
        """A parameter with None gets the user or None; wrong credentials are none on a public route."""
        for http in self.services:
            for headers, name in ((key("ada"), "ada"), ({}, "stranger"), (key("nobody"), "stranger")):
                response = self.successResultOf(
                    http.get("/maybe", headers=headers, params={"greeting": "Hi"})
                )
                self.assertEqual(response.json(), f"Hi {name}")

    def test_not_public(self) -> None:
        """A route that is not public needs a user or a token; a public one needs none."""
        self.assert_codes(
            "GET", "/private", ({}, 401), (key("ada"), 200), (_TOKEN, 200), (key("nobody"), 401)
        )
        self.assert_codes("GET", "/open", ({}, 200), (key("nobody"), 200))

    def test_scopes(self) -> None:
        """A permission that the user lacks is 403, no user is 401."""
        for path in ("/orders", "/orders/whole"):
            self.assert_codes(
                "POST",
                path,
                ({}, 401),
                (_TOKEN, 401),
                (key("ada"), 403),
                (key("ada:orders:read"), 403),
                (key("ada:orders:write"), 200),
            )
        self.assert_codes("POST", "/orders/whole", (key("eve:orders:write"), 403))

    def test_guards(self) -> None:
        """Functions refuse by False or by an error, and may wait; those of a group are for all routes."""
        self.assert_codes("GET", "/guarded/a", (key("ada"), 200), (key("bob"), 403), ({}, 401))
        self.assert_codes("GET", "/guarded/b", (key("ada"), 200), (key("bob"), 403))
        self.assert_codes("GET", "/locked", (key("bob"), 200), (key("eve"), 401))

    def test_waiting(self) -> None:
        """A request waits for its user, and others do not wait for it."""
        http = self.services[1]
        USERS.waiting = Deferred()
        self.addCleanup(setattr, USERS, "waiting", None)
        call = http.get("/me", headers=key("ada"))
        self.assertNoResult(call)
        self.assertEqual(self.successResultOf(http.get("/open")).status_code, 200)
        USERS.waiting.callback(None)
        self.assertEqual(self.successResultOf(call).json(), "ada")

    def test_no_leak(self) -> None:
        """The user of a request is not that of the next one on the same connection."""
        service = MemoryService(make_app(), security=Security(token="private"), token=None)
        self.assertEqual(
            self.successResultOf(service.call("GET", "/me", {}, meta={"x-api-key": "ada"})), "ada"
        )
        self.failureResultOf(service.get("/me"), Unauthorized)
        self.failureResultOf(service.get("/private"), Unauthorized)
        self.assertEqual(self.successResultOf(service.get("/maybe")), "Hello stranger")

    def test_identity(self) -> None:
        """The identity of a request is that of its user, which does not contain the key."""
        http = MemoryHttp(make_app())
        self.assertEqual(self.successResultOf(http.get("/identity")).json(), "token:default")
        http = self.services[0]
        found = self.successResultOf(http.get("/identity", headers=key("ada"))).json()
        self.assertRegex(str(found), "^user:api_key:[0-9a-f]{32}$")

    def test_idempotency_key(self) -> None:
        """An idempotency key belongs to its user: another one does not get the stored reply."""
        for http in self.services:
            again = {"Idempotency-Key": "1"}
            call = [
                self.successResultOf(http.post("/identity", headers=key(name) | again)).json()
                for name in ("ada", "bob", "ada")
            ]
            self.assertEqual(call[0], call[2])
            self.assertNotEqual(call[0], call[1])
            self.assertEqual(self.successResultOf(http.post("/identity", headers=again)).status_code, 401)

    def test_builtin(self) -> None:
        """A user may not read the figures of a worker, nor its contract."""
        self.assert_codes("GET", "/-/stats", (key("ada"), 401), (_TOKEN, 200))
        self.assert_codes("GET", "/-/ping", ({}, 200))

    def test_off(self) -> None:
        """Under the policy ``off`` a client over HTTP is anonymous, not trusted; a process is trusted."""
        http = MemoryHttp(make_app(), http=Http(token="off"))
        self.assertEqual(self.successResultOf(http.get("/private")).status_code, 401)
        self.assertEqual(self.successResultOf(http.get("/private", headers=key("ada"))).status_code, 200)
        service = MemoryService(make_app(), security=Security(token="off"))
        self.assertEqual(self.successResultOf(service.get("/private")), "done")

    def test_required_policy(self) -> None:
        """Under the policy ``required`` a user does not replace the token."""
        http = MemoryHttp(make_app(), http=Http(token="required"), token=None)
        self.assertEqual(self.successResultOf(http.get("/me", headers=key("ada"))).status_code, 401)
        both = key("ada") | _TOKEN
        self.assertEqual(self.successResultOf(http.get("/me", headers=both)).status_code, 200)


class RulesTests(SynchronousTestCase):
    def serving(self, *, schemes: bool = True, **fields: Any) -> Serving:
        """Routes of a service with one rule."""
        container = ServiceContainer({})
        authenticator = Authenticator([ApiKey(at_once)], container.open) if schemes else None
        policy = AccessPolicy({"a": AccessRule(services=("shop",), **fields)})
        gates = UserGates(authenticator, policy, "scopes", container.open)
        return Serving(
            GET("/open", anonymous, public=True),
            GET("/private", anonymous),
            GET("/other", anonymous),
            gates=[gates],
        )

    def code(self, serving: Serving, path: str, caller: Caller | None = None, user: str = "") -> int:
        """The code of the reply to a request."""
        request = Request("GET", path, caller=caller or Caller(), meta={"x-api-key": user} if user else {})
        try:
            serving.router.dispatch(request)
        except ServiceError as error:
            return error.code
        return 200

    def test_users(self) -> None:
        """A rule for users refuses all others: 401 without a user, 403 with another one."""
        serving = self.serving(user={"name": "ada"})
        trusted = Caller(trusted=True, grant=Grant("default"))
        for path in ("/open", "/private"):
            self.assertEqual(self.code(serving, path, user="ada"), 200)
            self.assertEqual(self.code(serving, path, user="bob"), 403)
            self.assertEqual(self.code(serving, path), 401)
            self.assertEqual(self.code(serving, path, trusted), 401)
        self.assertEqual(self.code(serving, "/-/ping"), 200)

    def test_tokens(self) -> None:
        """A rule restricts and opens nothing: a private route still needs a token or a user."""
        serving = self.serving(schemes=False, tokens=("billing",), routes=("/open", "/private"))
        for path, code in (("/open", 403), ("/private", 401)):
            self.assertEqual(self.code(serving, path), code)
        billing = Caller(trusted=True, grant=Grant("billing"))
        for path, code in (("/open", 200), ("/private", 200), ("/other", 403)):
            self.assertEqual(self.code(serving, path, billing), code)
        serving = self.serving(schemes=False, uids=(7,))
        self.assertEqual(self.code(serving, "/open", Caller(Peer(7))), 200)
        self.assertEqual(self.code(serving, "/private", Caller(Peer(7))), 401)
        self.assertEqual(self.code(serving, "/open", Caller(Peer(8))), 403)

    def test_no_users(self) -> None:
        """A rule about users needs an application that authenticates them."""
        with self.assertRaisesRegex(ConfigError, "a rule is about users, and the service has none"):
            self.serving(schemes=False, user={})


class ForeignTokenTests(SynchronousTestCase):
    def test_public(self) -> None:
        """A bearer token that is not for this service does not spoil a public route."""
        for app in (make_app(), App([GET("/open", anonymous, public=True), GET("/private", anonymous)])):
            http = MemoryHttp(app, token=None)
            foreign = {"Authorization": "Bearer of-another-api"}
            self.assertEqual(self.successResultOf(http.get("/open", headers=foreign)).status_code, 200)
            self.assertEqual(self.successResultOf(http.get("/private", headers=foreign)).status_code, 401)

    def test_schemes(self) -> None:
        """A token that the service does not know is left to the schemes."""
        app = App([GET("/me", whoami)], authenticate=Bearer(at_once))
        http = MemoryHttp(app, token=None)
        for headers, code in (
            ({"Authorization": "Bearer ada"}, 200),
            ({"Authorization": "Bearer nobody"}, 401),
        ):
            self.assertEqual(self.successResultOf(http.get("/me", headers=headers)).status_code, code)


class MistakesTests(SynchronousTestCase):
    def assert_refused(self, app: App, problem: str) -> None:
        """The service does not start."""
        with self.assertRaisesRegex(ConfigError, problem):
            MemoryService(app)

    def test_no_schemes(self) -> None:
        """A route that needs a user needs a scheme."""
        self.assert_refused(
            App([GET("/me", whoami)]), "GET /me: needs a user, and the application authenticates none"
        )
        self.assert_refused(App([POST("/a", anonymous, requires=["a"])]), "needs a user")

    def test_types(self) -> None:
        """A parameter for a user that no scheme finds is refused, at once or, if unknown, later."""
        self.assert_refused(app_with(GET("/a", robot)), "the user is a User, never a Robot")

        def untyped(text):  # type: ignore[no-untyped-def]
            return Robot(text) if text == "r" else User(text)

        service = MemoryService(app_with(GET("/a", robot), find_user=untyped))
        self.assertEqual(self.successResultOf(service.call("GET", "/a", {}, meta={"x-api-key": "r"})), "r")
        call = service.call("GET", "/a", {}, meta={"x-api-key": "ada"})
        self.assertEqual(self.failureResultOf(call, Forbidden).value.detail, "the user is of another kind")

    def test_values(self) -> None:
        """Values that are no schemes or guards are refused."""
        wrong: Any
        for wrong, problem in (
            ("jwt", "a str is no scheme"),
            ([1], "a int is no scheme"),
            ([ApiKey(at_once), ApiKey(at_once, header="x")], "two schemes have the name 'api_key'"),
            (lambda context: 1, "a int is no scheme"),
        ):
            self.assert_refused(App([GET("/me", whoami)], authenticate=wrong), problem)
        self.assert_refused(app_with(GET("/a", anonymous, requires="orders")), "requires is a text")
        number: Any = 7
        self.assert_refused(app_with(GET("/a", anonymous, requires=[number])), "a int is no function")
        self.assert_refused(app_with(GET("/a", anonymous, requires=[dict])), "takes no argument|no function")
        with self.assertRaisesRegex(ConfigError, "its name is not valid"):
            ApiKey(at_once, name="bearer")

    def test_functions(self) -> None:
        """A function of a scheme needs annotations for what it gets from the container."""

        def unknown(text, users):  # type: ignore[no-untyped-def]
            return None

        def nothing() -> None:
            return None

        for function, problem in ((unknown, "'users' has no annotation"), (nothing, "takes no argument")):
            with self.assertRaisesRegex(ConfigError, problem):
                ApiKey(function)

    def test_function_of_context(self) -> None:
        """Schemes may be made for the service, with keys of its options; none is a possible answer."""

        def schemes(context: Any) -> Any:
            return ApiKey(at_once, header=context.options["header"]) if context.options else []

        app = App([GET("/who", identity, public=True)], authenticate=schemes)
        MemoryService(app)
        app = App([GET("/me", whoami)], authenticate=schemes)
        service = MemoryService(app, options={"header": "X-Key"})
        self.assertEqual(self.successResultOf(service.call("GET", "/me", {}, meta={"x-key": "ada"})), "ada")


class PermissionsTests(SynchronousTestCase):
    def test_function(self) -> None:
        """Permissions are an attribute of the user or what a function returns: a collection or a text."""
        for permissions, code in (
            ("name", 200),
            (lambda user: f"x {user.name}", 200),
            (lambda user: [user.name], 200),
            (lambda user: [], 403),
        ):
            app = app_with(GET("/a", anonymous, requires=["ada"]), permissions=permissions)
            http = MemoryHttp(app, token=None)
            self.assertEqual(self.successResultOf(http.get("/a", headers=key("ada"))).status_code, code)

    def test_no_permissions(self) -> None:
        """An attribute that no user can have is found at the start, where the type of the users is known."""
        app = app_with(GET("/a", anonymous, requires=["ada"]), permissions="missing")
        with self.assertRaisesRegex(ConfigError, "GET /a: requires a permission, and User has no 'missing'"):
            MemoryHttp(app)

    def test_process(self) -> None:
        """The user of a process on this machine is known by its uid."""
        app = App(
            [GET("/a", anonymous, requires=[only_ada])], authenticate=UnixUser(lambda peer: User("ada"))
        )
        service = MemoryService(app)
        self.failureResultOf(service.get("/a"), Unauthorized)  # no socket, and no uid


class ChallengeTests(SynchronousTestCase):
    def test_challenges(self) -> None:
        """A 401 has a challenge of each scheme; the token of the service is one where it suffices."""
        schemes = [ApiKey(at_once), Basic(lambda sent: None, realm="Shop")]
        app = App([GET("/me", whoami), GET("/private", anonymous)], authenticate=schemes)
        http = MemoryHttp(app, token=None)
        own = ['ApiKey in="header", name="X-API-Key"', 'Basic realm="Shop", charset="UTF-8"']
        for path, expected in (("/me", own), ("/private", [*own, "Bearer"])):
            response = self.successResultOf(http.get(path))
            self.assertEqual(response.headers.get_all("WWW-Authenticate"), expected)
        http = MemoryHttp(App([GET("/me", whoami)], authenticate=Bearer(at_once)), token=None)
        response = self.successResultOf(http.get("/me", headers={"Authorization": "Bearer nobody"}))
        description = 'error="invalid_token", error_description="the credentials are those of no user"'
        self.assertEqual(response.headers.get_all("WWW-Authenticate"), [f"Bearer {description}"])

    def test_login(self) -> None:
        """An action logs a user in, and the next request with the cookie has this user."""
        sessions = SessionCookie(lambda session: User(session.subject), key="k" * 32)
        app = App(
            [Group("", _Login, [POST("/login", _Login.log_in, public=True)]), GET("/me", whoami)],
            authenticate=sessions,
        )
        http = MemoryHttp(app, token=None)
        response = self.successResultOf(http.post("/login", json={"name": "ada"}))
        self.assertEqual(response.status_code, 204)
        cookie = str(response.headers["Set-Cookie"]).partition(";")[0]
        self.assertEqual(self.successResultOf(http.get("/me", headers={"Cookie": cookie})).json(), "ada")
        self.assertEqual(self.successResultOf(http.get("/me")).status_code, 401)


class _Login:
    def __init__(self, sessions: SessionCookie) -> None:
        self._sessions = sessions

    def log_in(self, request: Request, name: str) -> None:
        """Log in without a password."""
        self._sessions.log_in(request, name)


class ActingUserTests(SynchronousTestCase):
    def test_user(self) -> None:
        """A test sets the user of all requests, without credentials; permissions and guards still apply."""
        service = MemoryService(make_app(), user=User("ada"))
        http = MemoryHttp(make_app(), user=User("ada"), token=None)
        self.assertEqual(self.successResultOf(service.get("/me")), "ada")
        self.assertEqual(self.successResultOf(http.get("/me")).json(), "ada")
        self.failureResultOf(service.post("/orders"), Forbidden)
        service.user = User("bob", frozenset(["orders:write"]))
        self.assertEqual(self.successResultOf(service.post("/orders")), "done")
        self.failureResultOf(service.get("/guarded/a"), Forbidden)
        service.user = None
        self.failureResultOf(service.get("/me"), Unauthorized)

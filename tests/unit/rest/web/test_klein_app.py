"""A service as a Klein application."""

from __future__ import annotations

from typing import Any

from klein import Klein
from klein.interfaces import IKleinRequest
from treq.testing import StubTreq
from twisted.internet.defer import Deferred
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource
from twisted.web.server import Site

from tests.unit.rest.http_requests import GatewayHarness, RawClient
from unixsvc.config.http import Http
from unixsvc.rest import klein
from unixsvc.rest.web.klein_app import ServiceKlein
from unixsvc.routing.app import App
from unixsvc.routing.route import GET, POST, Group

TOKEN = "f" * 64


class Users:
    """A controller."""

    async def show(self, id: int) -> dict[str, int]:
        """Returns a user."""
        return {"id": id}

    async def create(self, name: str) -> str:
        """Returns its argument."""
        return name


async def measure(größe: str) -> str:
    """Returns its argument."""
    return größe


APP = App(
    [
        Group("/user", Users, [GET("/{id:int}", Users.show, public=True), POST("", Users.create)]),
    ]
)


class KleinAppTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        """Make a Klein application."""
        self.app = klein(APP, token=TOKEN, http=Http(docs=False), reactor=MemoryReactorClock())

    def get(self, resource: Any, path: str, method: str = "GET", **options: Any) -> tuple[int, bytes]:
        """The status code and the body of a response."""
        client: Any = StubTreq(resource)
        response = self.successResultOf(client.request(method, f"http://localhost{path}", **options))
        return response.code, self.successResultOf(response.content())


class RulesTests(KleinAppTestCase):
    def test_rules(self) -> None:
        """Each route of the table is a rule with its methods, and an endpoint that can be called."""
        rules = {(rule.rule, rule.endpoint): rule.methods for rule in self.app.url_map.iter_rules()}
        self.assertEqual(rules["/user/<int:id>", "Users.show"], {"GET", "HEAD"})
        self.assertEqual(rules["/user", "Users.create"], {"POST"})
        self.assertEqual(rules["/-/health", "unixsvc.health"], {"GET", "HEAD"})
        self.assertIn("Users.show", self.app.endpoints)

    def test_mounts(self) -> None:
        """So is each mount, of the application or of the configuration."""
        app = App([], mounts={"/orders": "order"})
        there = klein(app, token=TOKEN, http=Http(mounts={"/users": "user"}), reactor=MemoryReactorClock())
        prefixes = {rule.rule: (rule.endpoint, rule.methods) for rule in there.url_map.iter_rules()}
        self.assertEqual(prefixes["/orders"], ("mount:/orders", None))
        self.assertEqual(prefixes["/users/<below:path>"], ("mount:/users", None))

    def test_dispatch(self) -> None:
        """Klein finds the routes, and the gateway answers: also what no rule has, and other methods."""
        found: list[str] = []

        class Watched(ServiceKlein):
            """Remembers the endpoints that Klein calls."""

            def execute_endpoint(self, endpoint: str, request: Any, *args: Any, **kwargs: Any) -> Any:
                found.append(endpoint)
                return super().execute_endpoint(endpoint, request, *args, **kwargs)

        self.app.__class__ = Watched
        resource = self.app.resource()
        self.assertEqual(self.get(resource, "/user/7"), (200, b'{"id":7}'))
        self.assertEqual(self.get(resource, "/user", "POST", json={"name": "a"})[0], 401)
        self.assertEqual(found, ["Users.show", "Users.create"])
        self.assertEqual(
            [self.get(resource, x)[0] for x in ("/user", "/users", "/user/x", "/%ff")], [405, 404, 404, 400]
        )
        self.assertEqual(found, ["Users.show", "Users.create"])


class PagesTests(KleinAppTestCase):
    def test_own_routes(self) -> None:
        """Routes can be added as to any Klein application; those of the table come first."""

        @self.app.route("/own/<int:number>/")
        def own(request: Any, number: int) -> dict[str, int]:
            return {"number": number}

        self.app.route("/user/7", endpoint="hidden")(lambda request: b"hidden")
        resource = self.app.resource()
        self.assertEqual(self.get(resource, "/own/7/"), (200, b'{"number":7}'))
        self.assertEqual(self.get(resource, "/own/7?a=b", allow_redirects=False)[0], 308)
        self.assertEqual(self.get(resource, "/user/7"), (200, b'{"id":7}'))

    def test_inexpressible(self) -> None:
        """A route that werkzeug cannot express comes before pages as well."""
        app = App([GET("/{größe}", measure, public=True)])
        there = klein(app, token=TOKEN, reactor=MemoryReactorClock())
        there.route("/<x>", endpoint="page")(lambda request, x: b"a page")
        self.assertEqual(self.get(there.resource(), "/small"), (200, b'"small"'))

    def test_body(self) -> None:
        """A page reads the body of its request."""
        self.app.route("/echo", methods=["POST"])(lambda request: request.content.read())
        self.assertEqual(self.get(self.app.resource(), "/echo", "POST", data=b"text"), (200, b"text"))

    def test_checks(self) -> None:
        """The checks of the gateway apply to pages on any site."""
        self.app.route("/own", methods=["POST"], endpoint="own")(lambda request: b"own")
        headers = {"Origin": "https://evil.example"}
        self.assertEqual(self.get(self.app.resource(), "/own", "POST", headers=headers)[0], 403)

    def test_error_handlers(self) -> None:
        """Error handlers apply to pages, and not to routes of the table."""

        @self.app.handle_errors(RuntimeError)
        def handle(request: Any, failure: Failure) -> bytes:
            request.setResponseCode(418)
            return b"handled"

        @self.app.handle_errors
        def handle_all(request: Any, failure: Failure) -> bytes:
            return b"handled, too"

        self.app.route("/own", endpoint="own")(lambda request: Failure(RuntimeError()).raiseException())
        resource = self.app.resource()
        self.assertEqual(self.get(resource, "/own"), (418, b"handled"))
        self.assertEqual(self.get(resource, "/nowhere")[0], 404)

    def test_same_name(self) -> None:
        """A page with the endpoint name of an action does not replace it."""
        self.app.url_map.bind("").build("Users.show", {"id": 7})
        self.app.route("/own", endpoint="Users.show")(lambda request: b"own")
        self.assertEqual(self.get(self.app.resource(), "/user/7"), (200, b'{"id":7}'))

    def test_subroute(self) -> None:
        """Sub-applications add their routes below a prefix."""
        with self.app.subroute("/shop") as sub:
            sub.route("/cart", endpoint="cart")(lambda request: b"cart")
        self.assertEqual(self.get(self.app.resource(), "/shop/cart"), (200, b"cart"))
        self.assertEqual(self.app.url_map.bind("").build("cart"), "/shop/cart")

    def test_instance(self) -> None:
        """Methods of a class can be routes, each with its own instance."""

        class Shop:
            """A class with a Klein application."""

            app = klein(APP, token=TOKEN, http=Http(docs=False), reactor=MemoryReactorClock())

            def __init__(self, name: str) -> None:
                self.name = name

            @app.route("/name")
            def own(self, request: Any) -> str:
                """Returns the name."""
                return self.name

        for name in ("a", "b"):
            resource = Shop(name).app.resource()
            self.assertEqual(self.get(resource, "/name"), (200, name.encode()))
            self.assertEqual(self.get(resource, "/user/7"), (200, b'{"id":7}'))


class PlacesTests(KleinAppTestCase):
    def test_prefix(self) -> None:
        """Below a path of a site, routes and pages are found, and URLs have the prefix."""

        @self.app.route("/links")
        def links(request: Any) -> str:
            return " ".join(
                (
                    IKleinRequest(request).url_for("Users.show", {"id": 7}),
                    IKleinRequest(request).url_for("links", force_external=True),
                )
            )

        root = Resource()
        root.putChild(b"api", self.app.resource())
        self.assertEqual(self.get(root, "/api/user/7"), (200, b'{"id":7}'))
        self.assertEqual(self.get(root, "/api/links"), (200, b"/api/user/7 http://localhost/api/links"))
        self.assertEqual(self.get(root, "/api/users")[0], 404)

    def test_branch(self) -> None:
        """So they are below a branch route of another Klein application."""
        other = Klein()

        @other.route("/v1/shop/", branch=True)
        def shop(request: Any) -> Any:
            return self.app.resource()

        self.app.route("/own", endpoint="own")(lambda request: request.path)
        self.assertEqual(self.get(other.resource(), "/v1/shop/user/7"), (200, b'{"id":7}'))
        self.assertEqual(self.get(other.resource(), "/v1/shop/own"), (200, b"/v1/shop/own"))
        self.assertEqual(self.get(other.resource(), "/user/7")[0], 404)

    def test_plain_site(self) -> None:
        """A plain site of twisted.web serves it."""
        client = RawClient(Site(self.app.resource(), reactor=MemoryReactorClock()))
        self.assertTrue(client.request("GET", "/user/7").endswith(b'\r\n\r\n{"id":7}'))

    def test_page_on_server(self) -> None:
        """A page on our own server finds the URLs of routes."""

        def add(app: Klein) -> None:
            app.route("/links", endpoint="links")(
                lambda request: IKleinRequest(request).url_for("Users.show", {"id": 7}).encode()
            )

        there = GatewayHarness(*APP.routes, web=add)
        self.assertTrue(RawClient(there.site).request("GET", "/links").endswith(b"\r\n\r\n/user/7"))


class StartTests(KleinAppTestCase):
    def test_waiting_lifespan(self) -> None:
        """Until a lifespan that waits has started, requests are 503; the rules are there before."""
        ready: Deferred[None] = Deferred()

        async def lifespan(context: Any) -> Any:
            await ready
            yield None

        def web(app: Klein, container: object) -> None:
            app.route("/own", endpoint="own")(lambda request: b"own")
            app.handle_errors(lambda request, failure: b"handled")

        app = App(APP.routes, lifespan=lifespan, web=web)
        there = klein(app, token=TOKEN, reactor=MemoryReactorClock())
        client: Any = StubTreq(there.resource())
        for path in ("/user/7", "/own", "/nowhere"):
            response = self.successResultOf(
                client.get(f"http://localhost{path}", headers={"X-Request-Id": "r1"})
            )
            self.assertEqual(response.code, 503)
            self.assertEqual(response.headers.getRawHeaders("Retry-After"), ["1"])
            self.assertEqual(response.headers.getRawHeaders("X-Request-Id"), ["r1"])
        self.assertEqual(there.url_map.bind("").build("Users.show", {"id": 7}), "/user/7")
        ready.callback(None)
        self.assertEqual(self.get(there.resource(), "/user/7"), (200, b'{"id":7}'))
        self.assertEqual(self.get(there.resource(), "/own"), (200, b"own"))

    def test_failing_lifespan(self) -> None:
        """If it fails after a wait, that is logged, and requests remain 503."""
        ready: Deferred[None] = Deferred()

        async def lifespan(context: Any) -> Any:
            await ready
            yield None

        there = klein(App(APP.routes, lifespan=lifespan), token=TOKEN, reactor=MemoryReactorClock())
        ready.errback(RuntimeError("no database"))
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.assertEqual(self.get(there.resource(), "/user/7")[0], 503)

    def test_stopped_while_starting(self) -> None:
        """If the reactor stops before that, the lifespan is cancelled, and nothing is logged."""
        cancelled: list[Deferred[None]] = []
        ready: Deferred[None] = Deferred(cancelled.append)

        async def lifespan(context: Any) -> Any:
            await ready
            yield None

        reactor = MemoryReactorClock()
        klein(App([], lifespan=lifespan), token=TOKEN, reactor=reactor)
        for call, args, kwargs in reactor.triggers["before"]["shutdown"]:
            call(*args, **kwargs)
        self.assertEqual((cancelled, self.flushLoggedErrors()), ([ready], []))

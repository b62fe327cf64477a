"""Mounts of other services."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from typing import Any

from msgspec import Raw
from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from unixsvc import App, Conflict
from unixsvc.client.connection import Call, ClientConnection
from unixsvc.client.discovery.location import Credentials
from unixsvc.client.errors import ServiceUnreachable
from unixsvc.client.events import ErrorReceived
from unixsvc.contract.interfaces import IDescribesRoutes
from unixsvc.contract.model import Contract, RouteContract
from unixsvc.datasource.http import HttpDatasource
from unixsvc.datasource.repository import RouterRepository
from unixsvc.datasource.unix import UnixDatasource, mounted
from unixsvc.domain.idempotency_key import with_own_key
from unixsvc.domain.interfaces import IRouterDatasource
from unixsvc.domain.message import Caller, Created, Grant, Reply, Request
from unixsvc.errors import (
    BadGateway,
    Cancelled,
    ConfigError,
    DeadlineExceeded,
    Internal,
    Invalid,
    NotFound,
    Unauthorized,
    Unavailable,
    error_from,
)
from unixsvc.testing import MemoryService, NoServices

TRUSTED = Caller(trusted=True)


class FakeServices(NoServices):
    """Records requests.

    :ivar calls: all arguments.
    """

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.answer: Deferred[Any] = Deferred()

    def call(self, *what: Any, **options: Any) -> Deferred[Any]:
        """Record the call."""
        self.calls.append((*what, options))
        self.answer = Deferred()
        return self.answer

    open = call


class UnixTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Create a datasource."""
        self.services = FakeServices()
        self.datasource = UnixDatasource(self.services, "user")

    def ask(self, request: Request | None = None) -> Deferred[Reply]:
        """Forward a request."""
        return self.datasource.handle(request or Request("GET", "/users", caller=TRUSTED))

    def failed(self, error: Exception) -> Any:
        """The reply, or the exception, after this failure of the service."""
        answer = self.ask()
        found: list[Any] = []
        answer.addCallbacks(found.append, lambda failure: found.append(failure.value))
        self.services.answer.errback(error)
        return found[0]

    def test_interface(self) -> None:
        """It provides IRouterDatasource and IDescribesRoutes."""
        self.assertTrue(verifyObject(IRouterDatasource, self.datasource))
        self.assertTrue(verifyObject(IDescribesRoutes, self.datasource))

    def test_passed_on(self) -> None:
        """Method, path, query, meta and data are forwarded unchanged, with the request id."""
        data = Raw(b'{ "a" : 1.50 }')
        request = Request("POST", "/users/%2F", data, "b=1&c", meta={"own": "x"}, caller=TRUSTED)
        self.ask(request)
        [(service, method, path, sent, options)] = self.services.calls
        self.assertEqual((service, method, path), ("user", "POST", "/users/%2F?b=1&c"))
        self.assertIs(sent, data)
        self.assertEqual(options, {"limit": None, "meta": {"own": "x", "request_id": request.request_id}})

    def test_idempotency_key(self) -> None:
        """The key of each caller is another one for the service, which sees this process as the caller."""
        callers = [Caller(trusted=True, grant=Grant(name)) for name in ("alice", "bob")]
        requests = [Request("POST", "/users", caller=each, meta={"idempotency_key": "k"}) for each in callers]
        for request in requests:
            self.ask(request)
        sent = [options["meta"] for *_, options in self.services.calls]
        expected = [with_own_key(request) | {"request_id": request.request_id} for request in requests]
        self.assertEqual(sent, expected)
        self.assertNotEqual(*(meta["idempotency_key"] for meta in sent))
        self.assertRaises(
            Invalid, self.ask, Request("POST", "/", caller=TRUSTED, meta={"idempotency_key": ""})
        )

    def test_answer(self) -> None:
        """The body of the reply is forwarded byte for byte."""
        answer = self.ask()
        self.services.answer.callback(Raw(b'{ "x": 1.50}'))
        self.assertEqual(self.successResultOf(answer), Reply(200, b'{ "x": 1.50}'))

    def stream(self, *items: Any) -> AsyncGenerator[bytes, None]:
        """The items of the reply to a stream of the service."""
        self.left = 0

        async def given() -> AsyncGenerator[Raw, None]:
            try:
                for each in items:
                    if isinstance(each, Exception):
                        raise each
                    yield Raw(each)
            finally:
                self.left += 1

        answer = self.ask(Request("GET", "/users", timeout=7.0, caller=TRUSTED))
        self.given = given()  # held: a generator without references is closed by the collector
        self.services.answer.callback(self.given)
        reply = self.successResultOf(answer)
        self.assertEqual((reply.code, reply.body), (200, b"null"))
        assert reply.items is not None
        return reply.items

    def next(self, items: AsyncGenerator[bytes, None]) -> Deferred[bytes]:
        """The next item."""
        return Deferred.fromCoroutine(items.__anext__())

    def test_stream(self) -> None:
        """A stream is forwarded with the caller's time limit; items keep their bytes."""
        items = self.stream(b'{ "a":1.50}', b"2")
        self.assertEqual(self.services.calls[0][-1]["limit"], 7.0)
        self.assertEqual(self.successResultOf(self.next(items)), b'{ "a":1.50}')
        self.assertEqual(self.successResultOf(self.next(items)), b"2")
        self.failureResultOf(self.next(items), StopAsyncIteration)
        self.assertEqual(self.left, 1)

    def test_stream_ends(self) -> None:
        """The error that ends a stream is raised after its items; closing it closes the service's stream."""
        items = self.stream(b"1", Conflict("x"))
        self.successResultOf(self.next(items))
        self.assertEqual(self.failureResultOf(self.next(items), Conflict).value.detail, "x")
        items = self.stream(b"1", b"2")
        self.successResultOf(self.next(items))
        self.successResultOf(Deferred.fromCoroutine(items.aclose()))
        self.assertEqual(self.left, 1)

    def test_failures(self) -> None:
        """Code, message and details of an error are forwarded; a 500 has no details."""
        self.assertEqual(self.failed(Conflict([1])), Reply(409, b"", "Conflict", [1]))
        self.assertEqual(self.failed(BadGateway("x")), Reply(502, b"", "Bad gateway", "x"))
        self.assertEqual(self.failed(Internal("x")), Reply(500, b"", "Internal Server Error", None))
        own = error_from(418, "x", "I am a teapot")
        self.assertEqual(self.failed(own), Reply(418, b"", "I am a teapot", "x"))

    def test_own_words(self) -> None:
        """The application's own message of a code is forwarded."""
        connection = ClientConnection(Credentials(None))
        connection.request(Call("GET", "/x"))
        line = b'{"id":1,"status":"error","code":409,"message":"Out of stock","detail":7}\n'
        [event] = connection.receive(line)
        assert isinstance(event, ErrorReceived)
        self.assertIsInstance(event.error, Conflict)
        self.assertEqual(self.failed(event.error), Reply(409, b"", "Out of stock", 7))

    def test_absent(self) -> None:
        """An unreachable service is a 503 without the path of its socket."""
        found = self.failed(ServiceUnreachable("/run/secret", "nobody listens", "start it"))
        self.assertEqual((type(found), found.detail), (Unavailable, {"retry_after": 1.0}))

    def test_deadline_or_cancel(self) -> None:
        """Errors that HandleMessage logs are raised, without the details of the client."""
        for kind in (DeadlineExceeded, Cancelled):
            found = self.failed(kind("no answer within 0.4999 s"))
            self.assertEqual((type(found), found.detail), (kind, None))
        error = KeyError()
        self.assertIs(self.failed(error), error)

    def test_cancelled(self) -> None:
        """Cancellation cancels the call."""
        answer = self.ask()
        answer.cancel()
        self.failureResultOf(answer, CancelledError)
        self.assertTrue(self.services.answer.called)

    def test_stranger(self) -> None:
        """A caller without a token is refused, because the call has the token of this service."""
        self.assertRaises(Unauthorized, self.ask, Request("GET", "/users"))
        self.assertEqual(self.services.calls, [])


class ElsewhereTests(SynchronousTestCase):
    """A service whose paths have another prefix than its mount."""

    def setUp(self) -> None:
        """Mount ``/people`` of the service at ``/users``."""
        self.services = FakeServices()
        self.datasource = UnixDatasource(self.services, "user", "/users", "/people")

    def ask(self, path: str, query: str = "") -> Deferred[Reply]:
        """Forward a request."""
        return self.datasource.handle(Request("GET", path, query=query, caller=TRUSTED))

    def test_there(self) -> None:
        """The prefix is replaced at the beginning of the path only."""
        for path in "/users", "/users/7", "/users/users/%2F":
            self.ask(path, "a=/users")
        found = [call[2] for call in self.services.calls]
        self.assertEqual(found, ["/people?a=/users", "/people/7?a=/users", "/people/users/%2F?a=/users"])

    def test_escapes(self) -> None:
        """The prefix is found in decoded segments; the rest of the path stays as it was sent."""
        for prefix, base, path, expected in (
            ("/users", "/people", "/%75sers/%2F", "/people/%2F"),
            ("/café", "/café", "/caf%C3%A9/a%20b", "/caf%C3%A9/a%20b"),
            ("/caf%C3%A9", "/people", "/café/1", "/people/1"),
            ("/my files", "/my files", "/my%20files/%FF", "/my%20files/%FF"),
            ("/a/b", "", "/%61/%62/c", "/c"),
            ("/a/b", "", "/a/%62", "/"),
        ):
            self.datasource = UnixDatasource(self.services, "user", prefix, base)
            self.ask(path)
            self.assertEqual(self.services.calls[-1][2], expected)

    def test_builtin(self) -> None:
        """The built-in routes of a service that is mounted as a whole are 404, with or without a token."""
        for prefix in ("/users", ""):
            self.datasource = UnixDatasource(self.services, "user", prefix, "")
            for rest in ("/-/stats", "/-/routes", "/%2d/stats", "/%2D/%73tats", "/-", "/-/"):
                for caller in (TRUSTED, Caller()):
                    request = Request("GET", prefix + rest, caller=caller)
                    self.assertRaises(NotFound, self.datasource.handle, request)
        self.assertEqual(self.services.calls, [])

    def test_root(self) -> None:
        """The whole service can be mounted."""
        self.datasource = UnixDatasource(self.services, "user", "/users", "")
        for path in "/users", "/users/7":
            self.ask(path)
        self.assertEqual([call[2] for call in self.services.calls], ["/", "/7"])

    def test_created(self) -> None:
        """The location of a created resource has the prefix of the mount; other locations stay the same."""
        for there, here in {
            "/people/7": "/users/7",
            "/other": "/other",
            "/peoples": "/peoples",
            "/%70eople/a%2Fb": "/users/a%2Fb",
            "": "",
        }.items():
            answer = self.ask("/users")
            self.services.answer.callback(Created(Raw(b"{}"), there))
            self.assertEqual(self.successResultOf(answer), Reply(200, b"{}", location=here))

    def contract_here(self, *paths: str) -> Contract:
        """The datasource's contract where the service has routes with these paths."""
        routes = [RouteContract(method="GET", path=path, public=True) for path in paths]
        contract = Deferred.fromCoroutine(self.datasource.contract())
        self.services.answer.callback(Contract(title="People", routes=routes))
        return self.successResultOf(contract)

    def test_contract(self) -> None:
        """The contract has the service's routes below the base, with their paths here; none is public."""
        found = self.contract_here("/people", "/people/{id:int}", "/peoples", "/-/ping")
        self.assertEqual(self.services.calls[0], ("user", "GET", "/-/routes", {"type": Contract}))
        self.assertEqual(found.title, "People")
        routes = [(route.path, route.public) for route in found.routes]
        self.assertEqual(routes, [("/users", False), ("/users/{id:int}", False)])

    def test_contract_of_all(self) -> None:
        """If the base is the root of the service, the root has the path of the prefix."""
        self.datasource = UnixDatasource(self.services, "user", "/users", "")
        found = self.contract_here("/", "/people", "/-/ping")
        self.assertEqual([route.path for route in found.routes], ["/users", "/users/people"])


class MountTests(SynchronousTestCase):
    def mounted(self, mounts: dict[str, Any], *paths: str) -> dict[str, IRouterDatasource]:
        """The datasources by prefix."""
        return mounted(mounts, "shop", paths, NoServices())

    def test_chosen(self) -> None:
        """The longest prefix of whole segments decides; other paths are the application's."""
        own, user, old = (UnixDatasource(NoServices(), each) for each in ("own", "user", "old"))
        repository = RouterRepository(own, {"/users": user, "/users/old": old})
        for path, expected in (
            ("/users", user), ("/users/", user), ("/users/1", user), ("/users/older", user),
            ("/users/old", old), ("/users/old/1", old), ("/usersx", own), ("/", own), ("/x/users", own),
        ):  # fmt: skip
            self.assertIs(repository.datasource_for(Request("GET", path)), expected, path)
            self.assertEqual(repository.is_mounted(path), expected is not own)

    def test_decoded(self) -> None:
        """Segments are compared decoded. An escaped slash does not separate; wrong escapes never match."""
        own, café, files = (UnixDatasource(NoServices(), each) for each in ("own", "cafe", "files"))
        repository = RouterRepository(own, {"/café": café, "/my files/%6D": files})
        for path, expected in (
            ("/caf%C3%A9", café), ("/caf%c3%a9/%FF", café), ("/café/1", café), ("/%63afé", café),
            ("/my%20files/m/1", files), ("/my files/%6d", files), ("/my%20files/%256D", own),
            ("/caf%E9", own), ("/caf%C3%A9x", own), ("/my%20files%2Fm", own), ("/my files/m%2F1", own),
            ("/%", own), ("/caf%C3", own),
        ):  # fmt: skip
            self.assertIs(repository.datasource_for(Request("GET", path)), expected, path)
            self.assertEqual(repository.is_mounted(path), expected is not own)

    def test_wrong(self) -> None:
        """An invalid mount is an error at start that names it."""
        for prefix in (
            "", "/", "users", "/users/", "/a?b", "/-", "/-/x", "/%2d", "/%2D/x", "/a%2Fb", "/a%00", "/%FF",
        ):  # fmt: skip
            with self.assertRaises(ConfigError) as caught:
                self.mounted({prefix: "user"})
            self.assertIn(repr(prefix), str(caught.exception))
        self.assertRaises(ConfigError, self.mounted, {"/x": "shop"})
        self.assertRaises(ConfigError, self.mounted, {"/m": "user", "/%6D": "home"})
        self.assertRaises(ConfigError, self.mounted, {"/%75sers": "user"}, "/users/{id}")
        for path in ("/users", "/users/{id}"):
            self.assertRaises(ConfigError, self.mounted, {"/users": "user"}, "/a", path)
        self.assertEqual(list(self.mounted({"/users": "user"}, "/", "/usersx")), ["/users"])

    def test_another_base(self) -> None:
        """The prefix in the other service can follow its name."""
        services = FakeServices()
        mounts: Any = mounted({"/users": "user:/people", "/all": "user:/"}, "shop", [], services)
        for prefix in mounts:
            mounts[prefix].handle(Request("GET", f"{prefix}/7", caller=TRUSTED))
        expected = [("user", "GET", "/people/7"), ("user", "GET", "/7")]
        self.assertEqual([call[:3] for call in services.calls], expected)
        for target in (
            "",
            "User",
            "user:",
            "user:people",
            "user/people",
            "user:/a?b",
            "shop:/x",
            "user:/-",
            "user:/%2d/x",
        ):
            self.assertRaises(ConfigError, self.mounted, {"/users": target})

    def test_datasource(self) -> None:
        """A mount can be a datasource; other objects are refused."""
        source = HttpDatasource("http://behind")
        self.assertIs(self.mounted({"/old": source})["/old"], source)
        self.assertRaises(ConfigError, self.mounted, {"/old": 7})

    def test_undeclared(self) -> None:
        """A datasource need not be declared as one, but its methods have the parameters of the interface."""

        class Undeclared:
            def handle(self, request: Request) -> Reply:
                return Reply(200, b'"here"')

            async def contract(self) -> Contract:
                return Contract(routes=[])

        class Wrong:
            def handle(self) -> None:
                raise NotImplementedError

        source = Undeclared()
        self.assertIs(self.mounted({"/old": source})["/old"], source)
        self.assertEqual(
            self.successResultOf(MemoryService(App([], mounts={"/a": source})).get("/a")), "here"
        )
        for wrong in Wrong(), Undeclared:
            self.assertRaises(ConfigError, self.mounted, {"/old": wrong})

    def test_in_an_application(self) -> None:
        """The mounts of an application are served within the remaining time."""
        services = FakeServices()
        service = MemoryService(App([], mounts={"/users": "user"}), services=services)
        answer = service.get("/users/1", a=1)
        self.assertEqual(json.loads(bytes(services.calls[0][3])), {"a": 1})
        services.answer.callback(Raw(b"[7]"))
        self.assertEqual(self.successResultOf(answer), [7])
        answer = service.get("/users/1")
        services.answer.errback(error_from(409, {"x": 1}))
        self.failureResultOf(answer, Conflict)

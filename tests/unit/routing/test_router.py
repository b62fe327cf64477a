"""Dispatch of requests to actions."""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

from msgspec import Meta, Raw, Struct, convert
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.routing.serving import Serving, dispatched
from unixsvc.contract.model import Contract
from unixsvc.domain.message import Caller, Created, Request
from unixsvc.errors import ConfigError, Invalid, MethodNotAllowed, NotFound, ServiceError, Unauthorized
from unixsvc.routing.route import DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT, Group, Route


class Product(Struct):
    """A result."""

    id: int
    name: str = "Pen"


def show(id: int) -> Product:
    """Answer at once."""
    return Product(id)


async def show_later_x() -> int:
    """Answer from a coroutine."""
    return 7


async def show_later(id: int) -> Product:
    """Answer from a coroutine."""
    return Product(id)


def echo(request: Request) -> dict[str, Any]:
    """Answer with what the action sees of the message."""
    return {"meta": request.meta, "route": request.route_meta, "trusted": request.caller.trusted}


def fail() -> None:
    """Fail."""
    raise KeyError("secret")


class Counter:
    """A controller that remembers."""

    made = 0

    def __init__(self) -> None:
        type(self).made += 1
        self.count = 0

    def add(self) -> int:
        """Count on."""
        self.count += 1
        return self.count

    async def wait(self, request: Request) -> int:
        """Wait for what the test put there."""
        result: int = await WAITING[-1]
        return result


class Doubler(Counter):
    """Overrides an action."""

    def add(self) -> int:
        """Count on by two."""
        self.count += 2
        return self.count


def taking_limit(limit: int = 20) -> int:
    """Answer with an argument."""
    return limit


def taking_limit_badly(limit: int = 20) -> int:
    """Return a value that is not JSON."""
    return object()  # type: ignore[return-value]


def two_texts(a: str, b: str) -> str:
    """Answer with what varies."""
    return a + b


def one_text(all: str) -> str:
    """Answer with the rest of the path."""
    return all


class Both:
    """A controller of two variables."""

    def show(self, a: int, b: str) -> list[Any]:
        """Give them."""
        return [a, b]


WAITING: list[Deferred[int]] = []


class RouterTestCase(SynchronousTestCase):
    """A test of requests that need no waiting."""

    def ask(self, serving: Serving, method: str, path: str, **kwargs: Any) -> Any:
        """The result of a request that does not wait."""
        code, result = self.successResultOf(serving.start(method, path, **kwargs))
        self.assertEqual(code, 200)
        return result

    def refused(
        self, kind: type[ServiceError], serving: Serving, method: str, path: str, **kwargs: Any
    ) -> Any:
        """The details of the error of a request."""
        error = self.failureResultOf(serving.start(method, path, **kwargs), kind).value
        return error.detail


class DispatchTests(RouterTestCase):
    """Requests and results."""

    def test_functions(self) -> None:
        """Functions and coroutines can be actions."""
        serving = Serving(GET("/now/{id:int}", show), GET("/later/{id:int}", show_later))
        for path in ("/now/7", "/later/7"):
            self.assertEqual(self.ask(serving, "GET", path), {"id": 7, "name": "Pen"})

    def test_arguments_by_name(self) -> None:
        """Each variable is passed to the parameter of its name, in any order and any way."""

        def in_order(a: int, b: str) -> list[Any]:
            return [a, b]

        def reversed_(b: str, a: int) -> list[Any]:
            return [a, b]

        def by_name(*, a: int, b: str) -> list[Any]:
            return [a, b]

        def with_more(a: int, b: str, request: Request) -> list[Any]:
            return [a, b] if request.path else []

        def narrow(a: int, b: Annotated[str, Meta(max_length=1)]) -> list[Any]:
            return [a, b]

        @functools.wraps(in_order)
        def wrapped(**arguments: Any) -> list[Any]:
            return in_order(**arguments)

        def alike(**arguments: Any) -> list[Any]:
            return in_order(**arguments)

        alike.__signature__ = inspect.signature(in_order)  # type: ignore[attr-defined]
        alike.__annotations__ = in_order.__annotations__
        for action in (in_order, reversed_, by_name, with_more, narrow, wrapped, alike, Both().show):
            serving = Serving(GET("/{a:int}/{b}", action))
            self.assertEqual(self.ask(serving, "GET", "/7/x"), [7, "x"], action)
        self.refused(Invalid, Serving(GET("/{a:int}/{b}", narrow)), "GET", "/7/xx")

    def test_created(self) -> None:
        """The value of a Created is the result; its location is in the reply."""

        async def add(name: str) -> Created[Product]:
            return Created(Product(7, name), "/product/7")

        router = Serving(POST("/product", add)).router
        request = Request("POST", "/product", Raw(b'{"name":"Ink"}'), caller=Caller(trusted=True))
        reply = self.successResultOf(dispatched(router.dispatch, request))
        self.assertEqual((json.loads(reply.body), reply.location), ({"id": 7, "name": "Ink"}, "/product/7"))
        (route,) = [each for each in router.contract().routes if each.path == "/product"]
        self.assertEqual((route.created, route.result), (True, {"$ref": "#/schemas/Product"}))

    def test_created_what(self) -> None:
        """A Created without a type, or of a stream, is an error at start."""

        def bare() -> Created:  # type: ignore[type-arg]  # that is what is wrong with it
            return Created(7)

        async def stream() -> AsyncIterator[Created[int]]:
            yield Created(7)

        for action in (bare, stream):
            self.assertRaises(ConfigError, Serving, GET("/x", action))

    def test_answers(self) -> None:
        """``has_path`` does not depend on the method."""
        router = Serving(GET("/x", show_later_x), POST("/x/{id:int}", show)).router
        found = {path: router.has_path(path) for path in ("/x", "/x/7", "/x/y", "/", "/x/%ff", "/-/ping")}
        known = [path for path, is_known in found.items() if is_known]
        self.assertEqual(known, ["/x", "/x/7", "/x/%ff", "/-/ping"])

    def test_methods(self) -> None:
        """A path has an action for each method."""
        verbs = (GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS)

        def named(name: str) -> Route:
            def action() -> str:
                return name

            return next(verb for verb in verbs if verb.method == name)("/", action)

        names = [verb.method for verb in verbs]
        serving = Serving(*map(named, names))
        for name in names:
            self.assertEqual(self.ask(serving, name, "/"), name)
        self.assertEqual(self.refused(MethodNotAllowed, serving, "TRACE", "/"), {"allowed": sorted(names)})

    def test_failures(self) -> None:
        """Errors of the table, of binding and of actions propagate."""
        serving = Serving(GET("/now/{id:int}", show), GET("/fail", fail), GET("/q", taking_limit))
        self.refused(NotFound, serving, "GET", "/now/x")
        self.assertEqual(self.refused(Invalid, serving, "GET", "/q?limit=x")[0]["field"], "limit")
        self.failureResultOf(serving.start("GET", "/fail"), KeyError)

    def test_arguments(self) -> None:
        """Arguments come from the data, or from the query if there is no data."""
        serving = Serving(GET("/q", taking_limit), POST("/q", taking_limit))
        self.assertEqual(self.ask(serving, "GET", "/q?limit=5"), 5)
        self.assertEqual(self.ask(serving, "POST", "/q", data={"limit": 6}), 6)
        self.assertEqual(self.ask(serving, "POST", "/q"), 20)

    def test_public(self) -> None:
        """A caller without a token reaches public routes only."""
        serving = Serving(GET("/open", echo, public=True), GET("/closed", echo))
        self.assertFalse(self.ask(serving, "GET", "/open", trusted=False)["trusted"])
        self.refused(Unauthorized, serving, "GET", "/closed", trusted=False)
        self.assertTrue(self.ask(serving, "GET", "/closed")["trusted"])

    def test_unauthorized_before_arguments(self) -> None:
        """A caller without a token gets 401 even if the arguments are invalid."""
        serving = Serving(GET("/q", taking_limit))
        self.refused(Unauthorized, serving, "GET", "/q?limit=x", trusted=False)

    def test_meta(self) -> None:
        """An action gets the meta of the route and of the request."""
        serving = Serving(GET("/", echo, meta={"template": "x.html"}), GET("/without", echo))
        found = self.ask(serving, "GET", "/", meta={"request_id": "7"})
        self.assertEqual(
            found, {"meta": {"request_id": "7"}, "route": {"template": "x.html"}, "trusted": True}
        )
        self.assertEqual(self.ask(serving, "GET", "/without")["route"], {})

    def test_result_that_is_no_json(self) -> None:
        """A result that JSON cannot represent is an error of the action."""
        serving = Serving(GET("/", taking_limit_badly))
        self.failureResultOf(serving.start("GET", "/"), TypeError)

    def test_percent_escapes_in_reserved_paths(self) -> None:
        """Percent-escapes do not make a reserved path available to the application."""
        serving = Serving(GET("/{a}/{b}", two_texts, public=True), POST("/{all:path}", one_text))
        for path in ("/-/ping", "/%2D/ping"):
            self.assertEqual(self.ask(serving, "GET", path, trusted=False), "pong")
            self.assertEqual(self.refused(MethodNotAllowed, serving, "POST", path), {"allowed": ["GET"]})
        self.refused(NotFound, serving, "GET", "/-/pong")
        self.refused(NotFound, serving, "POST", "/-")
        self.assertEqual(self.ask(serving, "GET", "/x/-"), "x-")

    def test_reserved(self) -> None:
        """Each service has the built-in routes; contract and metrics need a token."""
        serving = Serving()
        self.assertEqual(self.ask(serving, "GET", "/-/ping", trusted=False), "pong")
        self.assertEqual(self.ask(serving, "GET", "/-/health", trusted=False), {"status": "ok"})
        self.assertEqual(self.ask(serving, "GET", "/-/stats"), {"requests": 7})
        contract = self.ask(serving, "GET", "/-/routes")
        self.assertEqual(convert(contract, Contract), serving.router.contract())
        for path in ("/-/stats", "/-/routes"):
            self.refused(Unauthorized, serving, "GET", path, trusted=False)


class ControllerTests(RouterTestCase):
    """Actions of controllers."""

    def test_made_once(self) -> None:
        """A controller is created once and shared by its routes."""
        Counter.made = 0
        serving = Serving(Group("/count", Counter, [GET("", Counter.add), POST("/more", Counter.add)]))
        self.assertEqual(self.ask(serving, "GET", "/count"), 1)
        self.assertEqual(self.ask(serving, "POST", "/count/more"), 2)
        self.assertEqual(Counter.made, 1)

    def test_override(self) -> None:
        """A route may name an action of a base class; the override is called."""
        serving = Serving(Group("", Doubler, [GET("/", Counter.add)]))
        self.assertEqual(self.ask(serving, "GET", "/"), 2)

    def test_waits(self) -> None:
        """An action may wait."""
        WAITING.append(Deferred())
        serving = Serving(Group("", Counter, [GET("/", Counter.wait)]))
        reply = serving.start("GET", "/")
        self.assertNoResult(reply)
        WAITING.pop().callback(7)
        self.assertEqual(self.successResultOf(reply), (200, 7))


class BlockingTests(SynchronousTestCase):
    """Blocking actions."""

    def test_result(self) -> None:
        """A blocking action is called by the blocking runner."""
        serving = Serving(GET("/{id:int}", show, blocking=True))
        reply = serving.start("GET", "/7")
        self.assertNoResult(reply)
        serving.runner.call_next()
        self.assertEqual(self.successResultOf(reply), (200, {"id": 7, "name": "Pen"}))

    def test_failure(self) -> None:
        """An exception of a blocking action propagates."""
        serving = Serving(GET("/", fail, blocking=True))
        reply = serving.start("GET", "/")
        serving.runner.call_next()
        self.failureResultOf(reply, KeyError)

    def test_wrong_arguments(self) -> None:
        """Arguments are validated before a thread is used."""
        serving = Serving(GET("/q", taking_limit, blocking=True))
        self.failureResultOf(serving.start("GET", "/q?limit=x"), Invalid)
        self.assertEqual(serving.runner.waiting, [])

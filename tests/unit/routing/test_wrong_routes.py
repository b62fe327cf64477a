"""Routes that the router refuses."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.routing.actions import Box, New, Record, taking
from tests.unit.routing.serving import Serving
from unixsvc.errors import ConfigError
from unixsvc.routing.route import DELETE, GET, HEAD, POST, Group, Route

if TYPE_CHECKING:
    from datetime import date


class Odd:
    """Nothing that JSON knows."""


class Unfinished(Struct):
    """Its annotation is not there when it is needed."""

    day: date


class Products:
    """A controller."""

    def index(self) -> int:
        """Answer."""
        return 0


class Others:
    """Another, with an action of the same name."""

    def index(self) -> int:
        """Answer."""
        return 0

    def show(self) -> int:
        """Answer."""
        return 0


def action() -> int:
    """Answer."""
    return 0


async def waiting() -> int:
    """Answer."""
    return 0


def numbers() -> Iterator[int]:
    """Answer many times."""
    yield 0


async def numbers_later() -> AsyncIterator[int]:
    """Answer many times."""
    yield 0


async def parts() -> AsyncIterator[bytes]:
    """Answer in parts."""
    yield b""


async def unsaid() -> int:  # type: ignore[misc]  # what is tested
    """Answer many times."""
    yield 0


async def of_nothing() -> AsyncIterator:  # type: ignore[type-arg]  # what is tested
    """Answer many times."""
    yield 0


async def returned() -> AsyncIterator[int]:
    """Give what answers many times."""
    return numbers_later()


async def odd_later() -> AsyncIterator[Odd]:
    """Return many values that are not JSON."""
    yield Odd()


def giving_odd() -> Odd:
    """Return a value that is not JSON."""
    return Odd()


def giving_unfinished() -> Unfinished:
    """Answer with what cannot be described."""
    raise NotImplementedError


class WrongRouteTests(SynchronousTestCase):
    """Each error names the route."""

    def assert_refused(self, entry: Group | Route, where: str, words: str) -> None:
        """The router refuses this route."""
        with self.assertRaises(ConfigError) as caught:
            Serving(GET("/fine", action), entry)
        self.assertEqual(caught.exception.where, where)
        self.assertIn(words, str(caught.exception))

    def test_generators(self) -> None:
        """A plain generator is refused, because it would block the worker between its items."""
        actions: list[Callable[..., Any]] = [numbers, functools.partial(numbers)]
        for each in actions:
            self.assert_refused(GET("/x", each), "GET /x", "plain generator")

    def test_streams_that_block(self) -> None:
        """A stream cannot be blocking."""
        self.assert_refused(GET("/x", numbers_later, blocking=True), "GET /x", "blocking")

    def test_heartbeat(self) -> None:
        """A heartbeat is 1 to 3600 seconds, of a stream that can be server-sent events."""
        for each in (0.5, 3601, -5, float("nan")):
            self.assert_refused(GET("/x", numbers_later, heartbeat=each), "GET /x", "use 1 to 3600")
        for other in (action, parts):
            self.assert_refused(GET("/x", other, heartbeat=5), "GET /x", "no stream of events")
        [route] = [
            each
            for each in Serving(GET("/x", numbers_later, heartbeat=5)).router.contract().routes
            if each.path == "/x"
        ]
        self.assertIsNone(route.response)

    def test_streams_of_what(self) -> None:
        """A stream must have an item type, and the action must yield the items itself."""
        for each, words in (
            (unsaid, "AsyncIterator[...]"),
            (of_nothing, "AsyncIterator[...]"),
            (returned, "make the action an async generator"),
            (odd_later, "cannot become JSON"),
        ):
            self.assert_refused(GET("/x", each), "GET /x", words)

    def test_body_without_body(self) -> None:
        """A dataclass or a TypedDict is a body, which GET and HEAD do not have; a struct may be a query."""
        for method, kind in ((GET, Box[int]), (HEAD, Box[int]), (GET, Record)):
            words = f"'box' takes the body of a request, and {method.method} has none; use POST"
            self.assert_refused(method("/x", taking(box=kind)), f"{method.method} /x", words)
            Serving(POST("/x", taking(box=kind)), DELETE("/x", taking(box=kind)))
        Serving(GET("/x", taking(new=New)))

    def test_async_and_blocking(self) -> None:
        """A coroutine cannot be blocking."""
        self.assert_refused(GET("/x", waiting, blocking=True), "GET /x", "async")

    def test_reserved_paths(self) -> None:
        """Paths below /-/ are reserved, also with a group prefix; similar paths are not."""
        for entry, path in (
            (GET("/-/x", action), "/-/x"),
            (GET("/-", action), "/-"),
            (GET("/-/ping", action), "/-/ping"),
            (GET("/-/{x}", action), "/-/{x}"),
            (Group("/-", None, [GET("/x", action)]), "/-/x"),
            (Group("/-", None, [GET("", action)]), "/-"),
        ):
            self.assert_refused(entry, f"GET {path}", "is under /-/")
        Serving(GET("/-x", action), GET("/x/-/y", action), GET("/--/x", action))

    def test_result(self) -> None:
        """The type of a result must have a JSON Schema."""
        self.assert_refused(GET("/x", giving_odd), "GET /x", "cannot become JSON")
        self.assert_refused(GET("/x", giving_unfinished), "GET /x", "cannot become JSON")

    def test_meta(self) -> None:
        """The meta of a route must be JSON, because it is part of the contract."""
        self.assert_refused(GET("/x", action, meta={"a": Odd()}), "GET /x", "cannot become JSON")

    def test_action_of_another_controller(self) -> None:
        """An action of another controller is refused, also if it has the same name."""
        for wrong, words in (
            (Others.index, "Others.index is no method of Products"),
            (Others.show, "Products has no action 'show'"),
            (action, "Products has no action 'action'"),
            (
                Products().index,
                "the action is a method of one Products; name that of the class, Products.index",
            ),
        ):
            self.assert_refused(Group("/p", Products, [GET("/x", wrong)]), "GET /p/x", words)

    def test_method_without_controller(self) -> None:
        """A method needs its controller."""
        self.assert_refused(GET("/x", Products.index), "GET /x", "the action is a method; put")

    def test_twice(self) -> None:
        """Two routes for the same method and path are refused."""
        self.assert_refused(GET("/fine", action), "GET /fine", "is defined twice")
        Serving(GET("/fine", action), POST("/fine", action))

    def test_patterns(self) -> None:
        """An invalid pattern is refused, also if the prefix of the group makes it invalid."""
        self.assert_refused(GET("x", action), "'x'", "is not a path")
        self.assert_refused(Group("p", None, [GET("/x", action)]), "'p/x'", "is not a path")
        self.assert_refused(GET("/{x", action), "/{x", "is not a variable")

    def test_root(self) -> None:
        """An empty pattern with an empty prefix is the root."""
        self.assert_refused(Group("", None, [GET("", action), GET("/", action)]), "GET /", "is defined twice")

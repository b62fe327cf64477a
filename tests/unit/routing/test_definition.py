"""Applications, groups and routes that are written with arguments of the wrong kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, cast

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.routing.serving import Serving
from unixsvc.authentication.schemes.api_key import ApiKey
from unixsvc.config.settings import ServiceSettings
from unixsvc.errors import ConfigError
from unixsvc.interception.chain import check_interceptors
from unixsvc.limiting.rate_limit import RateLimit
from unixsvc.routing.app import App, schemes_of
from unixsvc.routing.container import ServiceContext
from unixsvc.routing.parameters.header import Header
from unixsvc.routing.parameters.query import Query
from unixsvc.routing.route import GET, Group

LOOSE = cast("Any", GET)  # without the types that a type checker would hold against the examples
LooseGroup = cast("Any", Group)
LooseApp = cast("Any", App)


class Items:
    """A controller."""

    def show(self, id: int) -> int:
        """Return the argument."""
        return id


def show(id: int) -> int:
    """Return the argument."""
    return id


def found(id: int = cast("int", Query())) -> int:
    """Have the marker as the default, as in FastAPI's older style."""
    return id


def hidden(id: Annotated[int, Header()]) -> int:
    """Have a marker on a path variable."""
    return id


class Around:
    """An interceptor class that does not take the call."""

    def __call__(self) -> None:
        """Take nothing."""


async def around(call: object) -> None:
    """Take the call only."""


def context(**options: object) -> ServiceContext:
    """The context of a service with options."""
    return ServiceContext("shop", "", ServiceSettings(app="shop:app", options=options))


class DefinitionTests(SynchronousTestCase):
    def assert_refused(self, make: Callable[[], object], line: str) -> None:
        """A definition is refused with this line, or with one that begins so."""
        with self.assertRaises(ConfigError) as caught:
            make()
        self.assertEqual(str(caught.exception)[: len(line)], line)

    def test_routes(self) -> None:
        """An argument of a route that is of another kind is named where the route is written."""
        for make, line in (
            (
                lambda: LOOSE("/x", 7),
                "GET /x: the action is an int (7), not a function; give the function itself",
            ),
            (
                lambda: LOOSE("/x", show, rate_limit="5/minute"),
                "GET /x: rate_limit is a text; write rate_limit=",
            ),
            (
                lambda: LOOSE("/x", show, rate_limit=[5]),
                "GET /x: rate_limit has an int (5); write rate_limit=",
            ),
            (lambda: LOOSE("/x", show, max_body="1M"), "GET /x: max_body is not a number of bytes; write"),
            (
                lambda: LOOSE("/x", show, sunset="2027-06-30"),
                "GET /x: sunset is a text ('2027-06-30'), not a day",
            ),
            (
                lambda: LOOSE("/x", show, media_types="a/b"),
                "GET /x: media_types is a text ('a/b'), not a list",
            ),
            (
                lambda: RateLimit("5/minutes"),
                "RateLimit('5/minutes'): '5/minutes' is no rate; write it as 100/m",
            ),
        ):
            self.assert_refused(make, line)

    def test_groups(self) -> None:
        """A group has a class and a list of routes."""
        route = GET("/{id:int}", Items.show)
        for make, line in (
            (
                lambda: Group("/x", cast("Any", Items()), [route]),
                "Group('/x'): the controller is an Items, not a cl",
            ),
            (
                lambda: LooseGroup("/x", Items, route),
                "Group('/x'): routes is a Route, not a list; write Group(",
            ),
            (
                lambda: LooseGroup("/x", Items, [show]),
                "Group('/x'): routes has a function; write a route, as",
            ),
            (
                lambda: LooseGroup("/x", Items, [route], rate_limit=5),
                "Group('/x'): rate_limit is an int (5), not a",
            ),
        ):
            self.assert_refused(make, line)

    def test_applications(self) -> None:
        """An application has a list of routes, texts and functions."""
        for make, line in (
            (lambda: LooseApp(GET("/x", show)), "App: routes is a Route, not a list; write App([...])"),
            (lambda: LooseApp([show]), "App: routes has a function; write a route, as GET(path, action), or"),
            (
                lambda: LooseApp([], container={}),
                "App: container is a dict, not a function; give the function",
            ),
            (lambda: LooseApp([], lifespan=7), "App: lifespan is an int (7), not a function"),
            (
                lambda: LooseApp([], interceptors=around),
                "App: interceptors is a function, not a list; write inte",
            ),
            (lambda: LooseApp([], title=7), 'App: title is an int (7), not a text; write title="..."'),
            (lambda: LooseApp([], mounts=["user"]), "App: mounts is a list, not a dict; write mounts="),
        ):
            self.assert_refused(make, line)

    def test_scheme_class(self) -> None:
        """The class of a scheme in place of a scheme is named, and not called with the context."""
        app = LooseApp([], authenticate=ApiKey)
        self.assert_refused(
            lambda: schemes_of(app, context()), "authenticate: ApiKey is a class; write ApiKey(...)"
        )

    def test_markers(self) -> None:
        """A marker as a default, and one on a path variable, are refused."""
        line = "GET /x: the default of 'id' is Query(...); write it in the annotation: id: Annotated["
        self.assert_refused(lambda: Serving(GET("/x", found)), line)
        line = "GET /x/{id:int}: 'id' is a path variable, and has Header(); give one of them another name"
        self.assert_refused(lambda: Serving(GET("/x/{id:int}", hidden)), line)

    def test_interceptors(self) -> None:
        """An interceptor takes two arguments, as an instance of a class does."""
        for each, name in ((around, "around"), (Around, "Around"), (Around(), "Around")):
            line = f"interceptors: has {name}, which does not take (call, proceed); make it"
            self.assert_refused(lambda each=each: check_interceptors([each], "interceptors"), line)  # type: ignore[misc]

    def test_options(self) -> None:
        """An option that the application needs is named with its service; it is a KeyError all the same."""
        options = context(known=7).options
        self.assertEqual((options["known"], options.get("key"), "key" in options), (7, None, False))
        self.assertRaises(KeyError, lambda: options["key"])
        line = "options of shop: has no 'key', which the application needs; write key = ..."
        self.assert_refused(lambda: options["key"], line)

"""The routes of a service as rules of werkzeug."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from itertools import product
from typing import Any
from urllib.parse import quote

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase
from werkzeug.exceptions import MethodNotAllowed as WrongMethod
from werkzeug.exceptions import NotFound as NoRule
from werkzeug.routing import BuildError, RequestRedirect, Rule

from unixsvc.errors import MethodNotAllowed, NotFound
from unixsvc.rest.web.endpoint_names import EndpointName, NamedRoute, named_routes
from unixsvc.rest.web.rules import RuleMap, is_expressible
from unixsvc.routing.route import DELETE, GET, POST, Group, Route
from unixsvc.routing.table import Table

UUID = "01234567-89ab-cdef-0123-456789abcdef"


class Users:
    """A controller."""

    def show(self, id: int) -> int:
        """Returns its argument."""
        return id

    def remove(self, id: int) -> None:
        """Does nothing."""


class Elsewhere:
    """Another module's controllers."""

    class Users:
        """A controller with the same name."""

        __module__ = "elsewhere"

        def show(self) -> None:
            """Does nothing."""


def hello() -> str:
    """An action."""
    return "hello"


def names(*routes: Group | Route, mounts: tuple[str, ...] = (), taken: tuple[str, ...] = ()) -> list[str]:
    """The names of routes, without those of the built-in ones."""
    return [each.name for each in named_routes(routes, mounts, taken) if not each.pattern.startswith("/-/")]


class NamesTests(SynchronousTestCase):
    def test_names(self) -> None:
        """A route is called by its controller and action, by its function, or by the name that it has."""
        users = Group("/user", Users, [GET("/{id:int}", Users.show), DELETE("/{id:int}", Users.remove)])
        found = names(users, GET("/", hello), GET("/x", hello, name="greeting"), mounts=("/users",))
        self.assertEqual(found, ["mount:/users", "Users.show", "Users.remove", "hello", "greeting"])

    def test_without_a_name(self) -> None:
        """An action without a name has that of its route."""
        self.assertEqual(names(GET("/x", lambda: 1)), ["GET /x"])

    def test_same_action(self) -> None:
        """Several routes of one action have the same name."""
        self.assertEqual(names(GET("/a", hello), POST("/a", hello), GET("/b", hello)), ["hello"] * 3)

    def test_conflict(self) -> None:
        """If another action or a page has the name, the module is put in front of it."""
        other: Any = Elsewhere.Users
        groups = Group("/a", Users, [GET("/{id}", Users.show)]), Group("/b", other, [GET("", other.show)])
        self.assertEqual(names(*groups), ["Users.show", "elsewhere.Users.show"])
        self.assertEqual(names(GET("/", hello), taken=("hello",)), [f"{__name__}.hello"])

    def test_builtin(self) -> None:
        """The built-in routes have names, too."""
        found = {each.name: each.pattern for each in named_routes([], [])}
        self.assertEqual(found, {f"unixsvc.{x}": f"/-/{x}" for x in ("ping", "health", "routes", "stats")})


PATTERNS = (
    "/", "/a", "/a/b", "/a/{x}", "/a/{x:int}", "/a/{x:int}/b", "/{x:uuid}/b", "/{x:float}", "/f/{x:path}",
    "/a/{x}/{y:int}", "/s/", "/d//e", "/50%/{x}", "/{y}/é",
)  # fmt: skip
SEGMENTS = (
    "a", "b", "7", "", "x y", "f", "d", "-7", "1.5", UUID, "e", "s", "0", "+7", ".5", "1.", ".", "1e9",
    "-1E-9", "1e999", "é", "50%", "\n", "1" * 18, "1" * 19, "٣", UUID.upper(), UUID[1:], "--1", "07", "1_0",
    " 7",
)  # fmt: skip


def rules_of(*routes: tuple[str, str], mounts: tuple[str, ...] = ()) -> RuleMap:
    """The rules of routes, each given by its method and pattern; its name is both."""
    found = [NamedRoute(EndpointName(f"{method} {path}"), path, method) for method, path in routes]
    found += [NamedRoute(EndpointName(prefix), prefix) for prefix in mounts]
    return RuleMap(lambda: found, lambda name: None)


class MatchTests(SynchronousTestCase):
    def assert_same(self, routes: list[tuple[str, str]], paths: Iterable[str]) -> None:
        """Werkzeug finds the same route as the table for each path, with the same values, or neither does."""
        table: Table[str] = Table()
        for method, pattern in routes:
            table.add(method, pattern, f"{method} {pattern}")
        adapter = rules_of(*routes).bind("localhost")
        for path in paths:
            if not is_expressible(quote(path).encode()):
                continue
            expected: object
            try:
                expected = table.match("GET", path.replace("%", "%25"))
            except (NotFound, MethodNotAllowed) as error:
                expected = type(error)
            found: object
            try:
                endpoint, values = adapter.match(path, "GET")
                found = (endpoint, tuple(values.values()))
            except (NoRule, RequestRedirect):
                found = NotFound
            except WrongMethod:
                found = MethodNotAllowed
            self.assertEqual(found, expected, (routes, path))

    @settings(max_examples=30)
    @given(st.lists(st.tuples(st.sampled_from(("GET", "PUT")), st.sampled_from(PATTERNS)), unique=True))
    def test_same_as_table(self, routes: list[tuple[str, str]]) -> None:
        """Werkzeug and the table choose the same of several routes."""
        self.assert_same(routes, ("/" + "/".join(two) for two in product(SEGMENTS[:12], repeat=2)))

    def test_same_paths(self) -> None:
        """Each pattern matches the same paths of up to three segments for both."""
        paths = ["/" + "/".join(some) for length in (1, 2) for some in product(SEGMENTS, repeat=length)]
        paths += ["/" + "/".join(three) for three in product(SEGMENTS[:8], repeat=3)]
        for pattern in PATTERNS:
            self.assert_same([("GET", pattern)], paths)

    def test_pages(self) -> None:
        """Pages come after routes of the table, with werkzeug's options."""
        rules = rules_of(("GET", "/a"), ("GET", "/b/{x:int}"))
        for path in ("/a", "/own/", "/b/<x>"):
            rules.add(Rule(path, endpoint="page"))
        adapter = rules.bind("localhost")
        self.assertEqual(adapter.match("/a"), ("GET /a", {}))
        self.assertRaises(WrongMethod, adapter.match, "/a", "PUT")
        self.assertEqual(adapter.match("/b/7"), ("GET /b/{x:int}", {"x": 7}))
        self.assertEqual(adapter.match("/b/y"), ("page", {"x": "y"}))
        self.assertRaises(RequestRedirect, adapter.match, "/own")
        self.assertEqual(rules.pages.bind("localhost").match("/a"), ("page", {}))

    def test_mounts(self) -> None:
        """A mount has its prefix and all paths below, with any method."""
        adapter = rules_of(mounts=("/users", "/caf%C3%A9")).bind("localhost")
        for path, rest in (("/users", {}), ("/users/", {"path": ""}), ("/users/7//x\n", {"path": "7//x\n"})):
            self.assertEqual(adapter.match(path, "PURGE"), ("/users", rest))
        self.assertEqual(adapter.match("/café/x"), ("/caf%C3%A9", {"path": "x"}))
        self.assertRaises(NoRule, adapter.match, "/usersx")

    def test_inexpressible(self) -> None:
        """A pattern that werkzeug cannot express has no rule."""
        for rules in (rules_of(("GET", "/{größe}")), rules_of(("GET", "/<a>")), rules_of(mounts=("/<b>",))):
            self.assertEqual(([*rules.iter_rules()], rules.partial), ([], True))
        rules = rules_of(("GET", "/{x}"), mounts=("/b",))
        self.assertEqual((len([*rules.iter_rules()]), rules.partial), (3, False))

    def test_expressible(self) -> None:
        """Klein cannot match some paths as the table does."""
        for path in (b"//a", b"/a%2Fb", b"/%ff", b"/1e999", b"/%31E-999", b"/" + b"1" * 301):
            self.assertFalse(is_expressible(path), path)
        for path in (b"/", b"/a//b", b"/%C3%A9", b"/50%25", b"/1e99", b"/a%20b/"):
            self.assertTrue(is_expressible(path), path)


class BuildTests(SynchronousTestCase):
    @given(st.sampled_from(("str", "path")), st.text(min_size=1))
    def test_round_trip(self, kind: str, value: str) -> None:
        """The URL of a route leads to it, with the same value."""
        if any("\ud800" <= character <= "\udfff" for character in value):
            return
        rules = rules_of(("GET", f"/x y/{{value:{kind}}}/end"[: None if kind == "str" else -4]))
        [rule] = rules.iter_rules()
        url = rules.bind("localhost").build(rule.endpoint, {"value": value})
        table: Table[int] = Table()
        table.add("GET", rule.endpoint.split(" ", 1)[1], 1)
        self.assertEqual(table.match("GET", url), (1, (value,)))

    def test_types(self) -> None:
        """The types of variables can be given as values."""
        adapter = rules_of(("GET", "/{i:int}/{f:float}/{u:uuid}")).bind("localhost", "/api")
        values = {"i": -7, "f": 1e22, "u": uuid.UUID(UUID), "q": "a b"}
        self.assertEqual(
            adapter.build("GET /{i:int}/{f:float}/{u:uuid}", values), f"/api/-7/1e+22/{UUID}?q=a+b"
        )

    def test_from_page(self) -> None:
        """Pages find the URLs of routes as well as of pages."""
        rules = rules_of(("GET", "/a"), mounts=("/users",))
        rules.add(Rule("/own/", endpoint="page"))
        for adapter in (rules.bind("localhost"), rules.pages.bind("localhost")):
            self.assertEqual(
                [adapter.build(x) for x in ("GET /a", "/users", "page")], ["/a", "/users", "/own/"]
            )
            self.assertEqual(adapter.build("/users", {"path": "7/x"}), "/users/7/x")
            self.assertRaises(BuildError, adapter.build, "nothing")

    def test_on_demand(self) -> None:
        """Rules are made when they are needed: a page needs none, and a URL the one of its route."""
        made: list[str] = []
        routes = [NamedRoute(EndpointName(name), f"/{name}", "GET") for name in ("a", "b")]
        rules = RuleMap(lambda: routes, made.append)
        rules.add(Rule("/own", endpoint="page"))
        pages = rules.pages.bind("localhost")
        self.assertEqual((pages.match("/own")[0], pages.build("page"), made), ("page", "/own", []))
        self.assertEqual((pages.build("b"), made), ("/b", ["b"]))
        self.assertEqual(sorted(rule.rule for rule in rules.iter_rules()), ["/a", "/b", "/own"])
        self.assertTrue(rules.is_endpoint_expecting("a"))
        self.assertFalse(rules.is_endpoint_expecting("a", "x"))


class StartTests(SynchronousTestCase):
    def test_starts(self) -> None:
        """Each path that has a page, or a redirect to one, begins with one of them."""
        for path, start in (
            ("/page", "/page"),
            ("/page/", "/page"),
            ("/page/<int:id>/", "/page/"),
            ("/<name>", "/"),
            ("/", "/"),
        ):
            rules = RuleMap(list, lambda name: None)
            rules.add(Rule(path, endpoint="page"))
            self.assertEqual(rules.pages.starts, (start,))


class FindTests(SynchronousTestCase):
    """A match of a page that is made once, and used twice."""

    def setUp(self) -> None:
        """Add a page, and find it."""
        self.rules = RuleMap(list, lambda name: None)
        self.rules.add(Rule("/page/<int:id>", endpoint="page", methods=["GET"]))
        self.matched = 0
        matcher = self.rules.pages._matcher
        match = matcher.match

        def count(*args: Any) -> Any:
            self.matched += 1
            return match(*args)

        matcher.match = count  # type: ignore[assignment]

    def match(self, path: str, method: str = "GET", **kwargs: Any) -> Any:
        """Match as Klein does."""
        adapter = self.rules.pages.bind("shop.test", "/below", path_info=path, default_method=method)
        return adapter.match(return_rule=True, **kwargs)

    def test_once(self) -> None:
        """Klein gets the result of a path that has been found before; once, and with the same values."""
        adapter = self.rules.pages.bind("")
        for path in ("/page/1", "/page/2"):
            adapter.find(path, "GET")
            rule, values = self.match(path)
            self.assertEqual((rule.endpoint, values), ("page", {"id": int(path[-1])}))
        self.assertEqual(self.matched, 2)
        self.assertEqual(self.match("/page/2")[1], {"id": 2})
        self.assertEqual(self.matched, 3)

    def test_other(self) -> None:
        """Another path, another method, other arguments and a rule that was added since are matched."""
        adapter = self.rules.pages.bind("")
        adapter.find("/page/1", "GET")
        self.assertEqual(self.match("/page/2")[1], {"id": 2})
        adapter.find("/page/1", "GET")
        self.assertRaises(WrongMethod, self.match, "/page/1", "POST")
        adapter.find("/page/1", "GET")
        self.assertRaises(NoRule, self.match, "/page/1", path_info="/none")
        adapter.find("/page/1", "GET")
        self.rules.add(Rule("/page/1", endpoint="first"))
        self.assertEqual(self.match("/page/1")[0].endpoint, "first")

    def test_not_found(self) -> None:
        """A path without a page is an error, and leaves nothing behind."""
        adapter = self.rules.pages.bind("")
        self.assertRaises(NoRule, adapter.find, "/none", "GET")
        self.assertRaises(WrongMethod, adapter.find, "/page/1", "POST")
        self.assertIsNone(self.rules.pages.found)

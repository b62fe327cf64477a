"""The route table."""

from __future__ import annotations

import uuid
from typing import Any
from urllib.parse import unquote

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.errors import ConfigError, Malformed, MethodNotAllowed, NotFound
from unixsvc.routing.pattern import PATH_TYPES, Variable, variables_of
from unixsvc.routing.table import Table

UUID = "12345678-abcd-5678-1234-567812345678"


def table_of(*patterns: str, method: str = "GET") -> Table[str]:
    """A table whose leaves are the patterns."""
    table: Table[str] = Table()
    for each in patterns:
        table.add(method, each, each)
    return table


class MatchTests(SynchronousTestCase):
    """Lookup of paths."""

    def assert_found(self, table: Table[str], path: str, pattern: str, *values: Any) -> None:
        """A path has this pattern and these values."""
        self.assertEqual(table.match("GET", path), (pattern, values))

    def assert_lost(self, table: Table[str], *paths: str) -> None:
        """A path has no pattern."""
        for path in paths:
            self.assertRaises(NotFound, table.match, "GET", path)

    def test_static(self) -> None:
        """A pattern without variables matches only the same path."""
        table = table_of("/", "/a", "/a/b", "/a/b/")
        for path in ("/", "/a", "/a/b", "/a/b/"):
            self.assert_found(table, path, path)
        self.assert_lost(table, "//", "/A", "/a/", "/a/b/c", "/a//b", "/a/b//", "", "/b")

    def test_values(self) -> None:
        """The values of variables are converted, in the order of the pattern."""
        table = table_of("/{a}/{b:int}/{c:float}/{d:uuid}/{e:path}")
        path = f"/x/-7/2.5e-1/{UUID}/y/z"
        self.assert_found(
            table, path, "/{a}/{b:int}/{c:float}/{d:uuid}/{e:path}", "x", -7, 0.25, uuid.UUID(UUID), "y/z"
        )

    def test_static_before_variable(self) -> None:
        """Fixed segments are matched before variables, in any order of declaration."""
        for patterns in (("/{name}", "/me"), ("/me", "/{name}")):
            table = table_of(*patterns)
            self.assert_found(table, "/me", "/me")
            self.assert_found(table, "/you", "/{name}", "you")

    def test_narrowest_kind_first(self) -> None:
        """The narrowest matching type is chosen, in any order of declaration."""
        patterns = ["/{a:path}", "/{a:str}", "/{a:float}", "/{a:int}", "/{a:uuid}"]
        found = {
            UUID: ("/{a:uuid}", uuid.UUID(UUID)), "7": ("/{a:int}", 7), "7.5": ("/{a:float}", 7.5),
            "x": ("/{a:str}", "x"), "x/y": ("/{a:path}", "x/y"),
        }  # fmt: skip
        for order in (patterns, patterns[::-1]):
            for text, (pattern, value) in found.items():
                self.assert_found(table_of(*order), f"/{text}", pattern, value)

    def test_backtracking(self) -> None:
        """If the first matching branch has no route, the others are searched."""
        table = table_of("/{a:int}/x", "/{a}/{b}", "/me/x", "/{rest:path}")
        self.assert_found(table, "/7/x", "/{a:int}/x", 7)
        self.assert_found(table, "/7/y", "/{a}/{b}", "7", "y")
        self.assert_found(table, "/me/y", "/{a}/{b}", "me", "y")
        self.assert_found(table, "/me/y/z", "/{rest:path}", "me/y/z")
        self.assert_found(table, "/me", "/{rest:path}", "me")

    def test_other_method_elsewhere(self) -> None:
        """A method may belong to another pattern than the first that matches."""
        table = table_of("/users/me", "/users/{id:int}")
        table.add("DELETE", "/users/{name}", "delete")
        self.assertEqual(table.match("DELETE", "/users/me"), ("delete", ("me",)))
        self.assertEqual(table.match("DELETE", "/users/7"), ("delete", ("7",)))

    def test_wrong_method(self) -> None:
        """The error for a wrong method lists the methods of all matching patterns, sorted."""
        table = table_of("/users/me", "/users/{id:int}")
        table.add("PUT", "/users/me", "put")
        table.add("DELETE", "/users/{name}", "delete")
        for path, allowed in (
            ("/users/me", ["DELETE", "GET", "PUT"]),
            ("/users/7", ["DELETE", "GET"]),
            ("/users/x", ["DELETE"]),
        ):
            with self.assertRaises(MethodNotAllowed) as caught:
                table.match("POST", path)
            self.assertEqual(caught.exception.detail, {"allowed": allowed})

    def test_methods(self) -> None:
        """``methods`` returns those of all matching patterns."""
        table: Table[str] = Table("-")
        routes = "GET /a/{b}", "PUT /a/{b:int}", "POST /{x:path}", "GET /-/y", "PUT /"
        for each in routes:
            method, pattern = each.split()
            table.add(method, pattern, each)
        expected = {
            "/a/0": ["GET", "POST", "PUT"], "/a/7": ["GET", "POST", "PUT"], "/a/x": ["GET", "POST"],
            "/a": ["POST"], "/": ["PUT"], "/-/y": ["GET"], "/-/z": [], "": [],
            "/a/%37": ["GET", "POST", "PUT"],
        }  # fmt: skip
        for path, methods in expected.items():
            self.assertEqual((table.methods(path), table.has_path(path)), (methods, bool(methods)), path)
        self.assertRaises(Malformed, table.methods, "/%ff")
        self.assertRaises(Malformed, table.has_path, "/%ff")

    def test_nothing(self) -> None:
        """The beginning or a continuation of an existing path is not found."""
        table = table_of("/a/{b}/c")
        self.assert_lost(table, "/", "/a", "/a/b", "/a/b/c/d", "/a//c")
        self.assertRaises(NotFound, table.match, "POST", "/a/b")
        self.assert_lost(Table(), "/", "/a")

    def test_percent_escapes(self) -> None:
        """Percent-escapes are decoded in each segment, so an escaped slash is no separator."""
        table = table_of("/a b/{name}", "/%41/x")
        self.assert_found(table, "/a%20b/x%2Fy%25", "/a b/{name}", "x/y%")
        self.assert_found(table, "/a b/%C3%A9é", "/a b/{name}", "éé")
        self.assert_found(table, "/%61%20b/+", "/a b/{name}", "+")
        self.assert_found(table, "/%2541/x", "/%41/x")
        self.assert_found(table, "/a b/50%", "/a b/{name}", "50%")
        self.assert_lost(table, "/%41/x", "/a%20b%2Fx", "/a%20b/")

    def test_escape_that_is_no_text(self) -> None:
        """A percent-escape that is not UTF-8 is malformed, in any position."""
        table = table_of("/{a}", "/x/{b:path}")
        for path in ("/%ff", "/x/%C3", "/y/%ED%A0%80", "/x/ok/%80"):
            self.assertRaises(Malformed, table.match, "GET", path)

    def test_path_kind(self) -> None:
        """A variable of the type path matches the rest of the path, which must not be empty."""
        table = table_of("/files/{name:path}")
        for rest in ("a", "a/b", "a//b/", "/a", ".."):
            self.assert_found(table, f"/files/{rest}", "/files/{name:path}", rest)
        self.assert_lost(table, "/files/", "/files")

    def test_reserved_segment(self) -> None:
        """Variables do not match the reserved first segment, also with percent-escapes."""
        table: Table[str] = Table("-")
        for method, pattern in (("GET", "/-/ping"), ("POST", "/{a}/{b}"), ("GET", "/{rest:path}")):
            table.add(method, pattern, pattern)
        for path in ("/-/ping", "/%2D/ping"):
            self.assertEqual(table.match("GET", path)[0], "/-/ping")
            with self.assertRaises(MethodNotAllowed) as caught:
                table.match("POST", path)
            self.assertEqual(caught.exception.detail, {"allowed": ["GET"]})
        self.assert_lost(table, "/-", "/-/", "/-/x", "/-/ping/x", "/%2d/x")
        self.assert_found(table, "/x/-", "/{rest:path}", "x/-")
        self.assert_found(table, "/-x", "/{rest:path}", "-x")

    def test_long_paths(self) -> None:
        """Lookup of a path of a megabyte takes no time, whatever it contains."""
        table = table_of("/{a}/{b}/{c}/{d}", "/x/{a}/{b}/x", "/{a}/x/{b:path}")
        self.assert_lost(table, "/x" + "/a" * 500_000, "/" * 1_000_000, "/" + "9" * 1_000_000)
        self.assertEqual(table.match("GET", "/a/x" + "/x" * 400_000)[0], "/{a}/x/{b:path}")


class KindTests(SynchronousTestCase):
    """The types of variables."""

    def assert_converts(self, kind: str, good: dict[str, Any], bad: list[str]) -> None:
        """A type converts these texts and rejects those."""
        for text, value in good.items():
            result = PATH_TYPES[kind].convert(text)
            self.assertEqual((result, type(result)), (value, PATH_TYPES[kind].type), text)
        for text in bad:
            self.assertIsNone(PATH_TYPES[kind].convert(text), text)

    def test_int(self) -> None:
        """Integers have ASCII digits and fit into 64 bits."""
        good = {"0": 0, "7": 7, "007": 7, "-7": -7, "-0": 0, "9" * 18: 10**18 - 1, "-" + "9" * 18: 1 - 10**18}
        bad = ["", "-", "--7", "+7", "7-", " 7", "7 ", "7\n", "7.0", "1e3", "1_0", "٣", "²", "0x1", "9" * 19]
        self.assert_converts("int", good, [*bad, "0" * 19, "9" * 5_000, "\0"])

    def test_float(self) -> None:
        """Floats are finite decimal numbers in ASCII."""
        good = {"0": 0.0, "7": 7.0, "-7.5": -7.5, "007.50": 7.5, ".5": 0.5, "5.": 5.0, "1e3": 1000.0,
                "1E-3": 0.001, "1e+3": 1000.0, "1e-400": 0.0}  # fmt: skip
        bad = ["", "-", ".", "-.", "+7", "nan", "NaN", "inf", "-inf", "Infinity", "1e400", "-1e400", "1_0"]
        self.assert_converts("float", good, [*bad, "٣", " 7", "7 ", "7\n", "1e", "e3", "0x1", "1,5", "--1"])

    def test_uuid(self) -> None:
        """UUIDs have the canonical form, in upper or lower case."""
        good = {UUID: uuid.UUID(UUID), UUID.upper(): uuid.UUID(UUID)}
        bad = ["", UUID[:-1], UUID + "0", UUID.replace("-", ""), f"{{{UUID}}}", f"urn:uuid:{UUID}"]
        bad += [UUID.replace("abcd", "a_cd"), "٣" + UUID[1:], "1234567-8abcd-5678-1234-567812345678"]
        self.assert_converts("uuid", good, [*bad, UUID + "\n", "g" + UUID[1:]])

    def test_text(self) -> None:
        """Texts are not empty."""
        for kind in ("str", "path"):
            self.assert_converts(kind, {"x": "x", " ": " ", "é": "é", "-": "-"}, [""])


class PatternTests(SynchronousTestCase):
    """Patterns."""

    def assert_refused(self, pattern: str, *words: str) -> None:
        """The pattern is refused with these words."""
        for use in (variables_of, lambda each: Table[str]().add("GET", each, "")):
            with self.assertRaises(ConfigError) as caught:
                use(pattern)
            for word in (pattern, *words):
                self.assertIn(word, str(caught.exception))

    def test_variables(self) -> None:
        """Variables are in the order of the pattern; the default type is str."""
        found = variables_of("/a/{b}/{c:int}/{d:path}")
        self.assertEqual(
            list(found.items()),
            [("b", Variable("b", "str")), ("c", Variable("c", "int")), ("d", Variable("d", "path"))],
        )
        self.assertEqual(variables_of("/{b:}"), {"b": Variable("b", "str")})
        self.assertEqual(variables_of("/"), {})

    def test_wrong_patterns(self) -> None:
        """Invalid paths and variables are refused."""
        for pattern in ("", "a", "{a}", "*"):
            self.assert_refused(pattern, "is not a path")
        for pattern in ("/a{b}", "/{a}{b}", "/{a", "/a}", "/{{a}}", "/x{}", "/{a}.json"):
            self.assert_refused(pattern, "is not a variable")
        for pattern in ("/{}", "/{:int}", "/{1a}", "/{a b}", "/{a-b}"):
            self.assert_refused(pattern, "is not a valid name")
        self.assert_refused("/{a:integer}", "'integer'", "uuid, int, float, str, path")
        self.assert_refused("/{a:path}/b", "continues after")
        self.assert_refused("/{a:path}/", "continues after")

    def test_same_name_twice(self) -> None:
        """Two variables of one name are refused."""
        with self.assertRaises(ConfigError) as caught:
            variables_of("/{a}/{a:int}")
        self.assertIn("two variables named 'a'", str(caught.exception))

    def test_twice(self) -> None:
        """Two routes for the same paths are refused, also with different variable names."""
        for first, second in (
            ("/a", "/a"),
            ("/{a}/x", "/{b}/x"),
            ("/{a:int}", "/{b:int}"),
            ("/{a:str}", "/{b}"),
        ):
            table = table_of(first)
            with self.assertRaises(ConfigError) as caught:
                table.add("GET", second, "")
            self.assertIn(f"GET {second}: is defined twice", str(caught.exception))
            table.add("POST", second, "another method is another route")

    def test_alike_but_different(self) -> None:
        """Patterns that differ in types or in the last slash are different."""
        self.assertEqual(len(variables_of("/{a}/{b}")), 2)
        table_of("/{a}", "/{a:int}", "/{a:float}", "/{a:uuid}", "/{a:path}", "/{a}/", "/a", "/a/")


SEGMENTS = ["a", "b", "7", "2.5", "-", "", "é", "{v}", "{v:int}", "{v:float}", "{v:uuid}"]
LAST = [*SEGMENTS, "{v:path}"]
GIVEN = ["a", "b", "7", "007", "2.5", "-", "", "é", "%61", "%2F", "x", UUID, "1e400"]


@st.composite
def patterns(draw: st.DrawFn) -> str:
    """A pattern whose variables have unique names."""
    parts = [*draw(st.lists(st.sampled_from(SEGMENTS), max_size=3)), draw(st.sampled_from(LAST))]
    return "".join(f"/{part.replace('{v', f'{{v{at}')}" for at, part in enumerate(parts))


def rank(pattern: str) -> list[int]:
    """The sort key of a matching pattern: segment by segment, narrow types first."""
    kinds = [each.kind for each in variables_of(pattern).values()]
    return [1 + list(PATH_TYPES).index(kinds.pop(0)) if "{" in part else 0 for part in pattern.split("/")[1:]]


def naive(pattern: str, path: str) -> list[Any] | None:
    """The values with which a pattern matches a path; None if it does not match."""
    wanted, provided = pattern.split("/")[1:], [unquote(each) for each in path.split("/")[1:]]
    if "path}" in wanted[-1] and len(provided) > len(wanted):
        provided[len(wanted) - 1 :] = ["/".join(provided[len(wanted) - 1 :])]
    if len(wanted) != len(provided):
        return None
    kinds = [each.kind for each in variables_of(pattern).values()]
    values = []
    for part, text in zip(wanted, provided, strict=True):
        value = PATH_TYPES[kinds.pop(0)].convert(text) if "{" in part else text
        if value is None or ("{" not in part and part != text):
            return None
        values += [value] if "{" in part else []
    return values


class TablePropertyTests(SynchronousTestCase):
    """The tree in comparison with a list of patterns."""

    @given(
        st.lists(st.tuples(st.sampled_from(["GET", "PUT"]), patterns()), max_size=8),
        st.lists(st.lists(st.sampled_from(GIVEN), min_size=1, max_size=5), min_size=1, max_size=8),
    )
    def test_as_a_list(self, routes: list[tuple[str, str]], paths: list[list[str]]) -> None:
        """The table finds what a linear search over all patterns finds, narrow types first."""
        table: Table[tuple[str, str]] = Table()
        known: list[tuple[str, str]] = []
        for method, pattern in routes:
            try:
                table.add(method, pattern, (method, pattern))
                known.append((method, pattern))
            except ConfigError:
                self.assertIn((method, rank(pattern)), [(each[0], rank(each[1])) for each in known])
        for segments in paths:
            path = "/" + "/".join(segments)
            fitting = [each for each in known if naive(each[1], path) is not None]
            best = min((each for each in fitting if each[0] == "GET"), key=lambda e: rank(e[1]), default=None)
            if best is not None:
                self.assertEqual(table.match("GET", path), (best, tuple(naive(best[1], path) or ())))
            elif fitting:
                with self.assertRaises(MethodNotAllowed) as caught:
                    table.match("GET", path)
                self.assertEqual(caught.exception.detail, {"allowed": ["PUT"]})
            else:
                self.assertRaises(NotFound, table.match, "GET", path)

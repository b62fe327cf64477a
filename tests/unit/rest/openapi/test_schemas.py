"""The schemas of several services in one document."""

from __future__ import annotations

from typing import Any

from msgspec import Struct
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.rest.openapi.openapi_helpers import contract_of, operations_in, validate
from unixsvc.rest.openapi.document import describe
from unixsvc.rest.openapi.schemas import (
    Schemas,
    is_flat,
    may_be_null,
    merge,
    reachable,
    rewritten,
    without_null,
)  # fmt: skip
from unixsvc.routing.route import GET

_USER = {"type": "object", "properties": {"id": {"type": "integer", "format": "int64"}}}
_OTHER = {"type": "object", "properties": {"name": {"type": "string"}}}
_REFERS = {"type": "array", "items": {"$ref": "#/schemas/User"}}
_NONE = Schemas({})


class Problem(Struct):
    """Has the name of what the framework answers."""

    what: str


def trouble() -> list[Problem]:
    """Give trouble."""
    return []


def reference(name: str) -> dict[str, str]:
    """Refer to a component."""
    return {"$ref": f"#/components/schemas/{name}"}


class MergeTests(SynchronousTestCase):
    """Schemas with the same name."""

    def test_equal(self) -> None:
        """Equal schemas are merged."""
        schemas, rewrite = merge([("A", {"User": _USER}), ("B", {"User": dict(_USER)})])
        self.assertEqual(schemas.named, {"User": _USER})
        for each in rewrite:
            self.assertEqual(each({"$ref": "#/schemas/User"}), reference("User"))

    def test_integers(self) -> None:
        """Integers have 64 bits, unless their schema has another format, or lists the values."""
        given = {"a": {"type": "integer"}, "b": {"type": "integer", "format": "int32"}}
        others = {"c": {"type": "integer", "enum": [1]}, "d": {"type": "array", "items": {"type": "integer"}}}
        found: Any = rewritten({"properties": {**given, **others}}, {})
        formats = {name: each.get("format") for name, each in found["properties"].items()}
        self.assertEqual(formats, {"a": "int64", "b": "int32", "c": None, "d": None})
        self.assertEqual(found["properties"]["d"]["items"]["format"], "int64")

    def test_different(self) -> None:
        """Of different schemas, the first keeps the name; others are prefixed with their service."""
        schemas, rewrite = merge([("A", {"User": _USER}), ("My B!", {"User": _OTHER})])
        self.assertEqual(schemas.named, {"My_B.User": _OTHER, "User": _USER})
        self.assertEqual(rewrite[1]({"$ref": "#/schemas/User"}), reference("My_B.User"))

    def test_different_inside(self) -> None:
        """Schemas that refer to different ones are different."""
        first, second = {"User": _USER, "Users": _REFERS}, {"Users": _REFERS, "User": _OTHER}
        schemas, _ = merge([("A", first), ("B", second), ("C", first)])
        self.assertEqual(list(schemas.named), ["B.User", "B.Users", "User", "Users"])
        self.assertEqual(schemas.named["B.Users"]["items"], reference("B.User"))
        self.assertEqual(schemas.named["Users"]["items"], reference("User"))

    def test_recursive(self) -> None:
        """Recursive schemas are compared, too."""
        part: dict[str, Any] = {"properties": {"parts": {"items": {"$ref": "#/schemas/Whole"}}}}
        whole: dict[str, Any] = {
            "properties": {"part": {"$ref": "#/schemas/Part"}, "self": {"$ref": "#/schemas/Whole"}}
        }
        other = {**whole, "title": "Other"}
        same = {"Part": part, "Whole": whole}
        schemas, _ = merge([("A", same), ("B", same), ("C", {"Part": part, "Whole": other})])
        self.assertEqual(list(schemas.named), ["C.Part", "C.Whole", "Part", "Whole"])

    def test_names(self) -> None:
        """Services may have the same title, or none."""
        contents = [{"User": {"title": str(number)}} for number in range(5)]
        schemas, _ = merge(list(zip(["A", "B", "B", "", ""], contents, strict=True)))
        self.assertEqual(set(schemas.named), {"User", "B.User", "B.User.2", "service.User", "service.User.2"})

    def test_framework(self) -> None:
        """An application may have a struct with the name of one of the framework's schemas."""
        document = describe([contract_of(GET("/x", trouble))], token="off")
        validate(document)
        [found] = [each for path, _, each in operations_in(document) if path == "/x"]
        schema = found["responses"]["200"]["content"]["application/json"]["schema"]
        self.assertEqual(schema["items"], reference("Shop.Problem"))
        self.assertIn("what", document["components"]["schemas"]["Shop.Problem"]["properties"])


class SchemaTests(SynchronousTestCase):
    """Single schemas."""

    def test_rewritten(self) -> None:
        """References are rewritten; data that looks like a reference is not."""
        old, new = {"$ref": "#/schemas/A"}, reference("B")
        before, after = (
            {
                "$defs": {"x": each}, "anyOf": [each], "additionalProperties": each, "prefixItems": [each],
                "properties": {"default": each, "$ref": each}, "items": {"not": each},
                "default": old, "examples": [old], "enum": [old], "const": old, "uniqueItems": True,
                "discriminator": {"propertyName": "type", "mapping": {"1": each["$ref"]}},
            }
            for each in (old, new)
        )  # fmt: skip
        self.assertEqual(rewritten(before, {old["$ref"]: new["$ref"]}), after)
        self.assertIs(rewritten(False, {}), False)

    def test_null(self) -> None:
        """Schemas that allow null are recognized, and null is removed."""
        named = Schemas({"Maybe": {"enum": [None, 1]}, "Sure": {"type": "object"}})
        for schema, may, rest in (
            ({"type": "null"}, True, None),
            ({"type": "integer"}, False, {"type": "integer"}),
            ({}, True, {}),
            (
                {"anyOf": [{"type": "integer"}, {"type": "null"}], "title": "T"}, True,
                {"type": "integer", "title": "T"},
            ),
            (
                {"anyOf": [{"type": "integer"}, {"type": "string"}, {"type": "null"}]}, True,
                {"anyOf": [{"type": "integer"}, {"type": "string"}]},
            ),
            ({"enum": [1, None]}, True, {"enum": [1]}),
            (reference("Maybe"), True, reference("Maybe")),
            (reference("Sure"), False, reference("Sure")),
        ):  # fmt: skip
            self.assertIs(may_be_null(schema, named), may, schema)
            self.assertEqual(without_null(schema), rest)

    def test_flat(self) -> None:
        """Scalars and lists of them fit into a query; objects and nested lists do not."""
        schema: Any
        text = {"type": "string"}
        for schema in (text, {}, {"enum": [1, "a"]}, {"type": "array", "items": text}, {"type": "array"}):
            self.assertTrue(is_flat(schema, _NONE), schema)
            self.assertTrue(is_flat({"anyOf": [schema, {"type": "null"}]}, _NONE), schema)
        lists = {"type": "array", "items": {"type": "array"}}
        pair = {"type": "array", "prefixItems": [text, {"type": "object"}], "items": False}
        for schema in ({"type": "object"}, lists, pair, {"enum": [{}]}):
            self.assertFalse(is_flat(schema, _NONE), schema)
            self.assertFalse(is_flat({"anyOf": [text, schema]}, _NONE), schema)

    def test_reachable(self) -> None:
        """Schemas are found through others, also if they are recursive."""
        named = {
            "A": {"anyOf": [reference("B")]}, "B": {"properties": {"a": reference("A")}}, "C": {},
            "D": {"default": reference("C"), "items": reference("A")},
        }  # fmt: skip
        found = reachable(iter([reference("D")["$ref"], "#/components/headers/X"]), Schemas(named))
        self.assertEqual(list(found), ["A", "B", "D"])

"""Modules from contracts of other implementations."""

from __future__ import annotations

import inspect
import types
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.stubs.stub_harness import Recorder, load_module, made_from, outcome

Schema = dict[str, Any]

PARTS: dict[str, st.SearchStrategy[Any]] = {
    "minimum": st.integers(-2, 2) | st.just(2**70) | st.text(max_size=2),
    "exclusiveMinimum": st.integers(-2, 2) | st.floats(allow_nan=False, allow_infinity=False),
    "multipleOf": st.integers(-1, 2),
    "minLength": st.integers(-1, 2) | st.none(),
    "pattern": st.sampled_from(["^a$", "(", '"']),
    "format": st.sampled_from(["date", "date-time", "time", "uuid", "decimal", "duration", "email", 3]),
    "contentEncoding": st.just("base64"),
    "required": st.lists(st.sampled_from(["a", "class", "é-", "int"])) | st.integers(),
    "default": st.sampled_from([None, 1, 1.5, "x", [], [1], {}, {"a": 1}, True]),
    "description": st.text(max_size=8) | st.sampled_from(['"', "\\", '"""', "a\n  b", "\x00\u202e"]),
    "title": st.just("GET.x"),
}
TYPES = ["string", "integer", "number", "boolean", "null", "array", "object", "?", 7]
NAMES = ["A", "a-b", "class", "Any", "Caller", "X.y", "__p", "", "1", "Client", "int"]
FIELDS = [
    "a",
    "class",
    "é-",
    "int",
    "__x",
    "self",
    "A",
    "dt",
    "data",
    "timeout",
    "ﬁ",
    "l",
    "",
    "1",
    "a_b",
    "a-b",
]


def schemas() -> st.SearchStrategy[Any]:
    """Valid and invalid JSON Schemas."""
    leaves = st.one_of(
        st.fixed_dictionaries({"type": st.sampled_from(TYPES)}, optional=PARTS),
        st.builds(lambda name: {"$ref": f"#/schemas/{name}"}, st.sampled_from([*NAMES, "nowhere"])),
        st.sampled_from([{}, True, False, None, 3, "x", {"const": 1}, {"$ref": 3}, {"not": {}}]),
        st.builds(lambda values: {"enum": values}, st.lists(st.sampled_from(["a", '"', 1, None, 1.5, True]))),
    )
    return st.recursive(leaves, _around, max_leaves=6)


def _around(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    fields = st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4)
    return st.one_of(
        st.fixed_dictionaries(
            {"type": st.just("object"), "properties": fields},
            optional={**PARTS, "additionalProperties": st.booleans()},
        ),
        st.builds(lambda item: {"type": "object", "additionalProperties": item}, inner),
        st.builds(lambda item: {"type": "array", "items": item}, inner),
        st.builds(lambda items: {"anyOf": items}, st.lists(inner, max_size=3)),
        st.builds(
            lambda items: {
                "type": "array",
                "prefixItems": items,
                "minItems": len(items),
                "maxItems": len(items),
            },
            st.lists(inner, max_size=2),
        ),
    )


def routes() -> st.SearchStrategy[Any]:
    """Routes with such schemas."""
    return st.fixed_dictionaries(
        {
            "method": st.sampled_from(["GET", "POST", "M-X", ""]),
            "path": st.sampled_from(
                ["/", "/x", "/a-b/", "/a_b", "/{id:int}/{class}", "/\"'\\{}", "/{}/{a:path}", ""]
            ),
            "title": PARTS["description"],
            "description": PARTS["description"],
            "path_arguments": st.dictionaries(st.sampled_from(["id", "class", "a"]), schemas(), max_size=2),
            "data": schemas(),
            "result": schemas(),
            "stream": st.booleans(),
        }
    )


def structs_of(module: types.ModuleType) -> list[type[msgspec.Struct]]:
    """The structs of the module."""
    found = [each for each in vars(module).values() if inspect.isclass(each)]
    return [each for each in found if issubclass(each, msgspec.Struct) and each is not msgspec.Struct]


class Strange(SynchronousTestCase):
    """A schema without a Python type becomes Any with a reason, never an error."""

    def text(self, result: Any, **more: Any) -> str:
        """The module of one route with this result."""
        return made_from({"routes": [{"method": "GET", "path": "/x", "result": result}], **more})

    def assertAny(self, schema: Any, reason: str) -> None:
        """The result of this schema is Any for this reason."""
        text = self.text(schema)
        self.assertIn("-> Any:", text)
        self.assertIn(f"# result: Any: {reason}", text)

    def test_any(self) -> None:
        """A schema that Python or msgspec has no type for becomes Any, with a comment."""
        self.assertAny({"allOf": [{}]}, "no type expresses allOf")
        self.assertAny({"enum": [1.5]}, "Python has no literals")
        self.assertAny({"$ref": "#/schemas/Nowhere"}, "its $ref refers to no schema")
        two = [{"type": "string"}, {"type": "string", "format": "date"}]
        self.assertAny({"anyOf": two}, "msgspec cannot distinguish its members")
        deep: Schema = {}
        for _ in range(40):
            deep = {"type": "array", "items": deep}
        self.assertIn("# result: Any: it is nested too deeply", self.text(deep))

    def test_contains_itself(self) -> None:
        """A recursive list without a struct ends."""
        endless = {"type": "array", "items": {"$ref": "#/schemas/A"}}
        text = self.text({"$ref": "#/schemas/A"}, schemas={"A": endless})
        self.assertIn("# result: Any: its schema is recursive", text)
        self.assertIn("-> list[Any]:", text)

    def test_laughs(self) -> None:
        """A short contract that doubles at each step does not grow without limit."""
        schemas: dict[str, Any] = {"A0": {"type": "string"}}
        for number in range(1, 23):
            items = [{"$ref": f"#/schemas/A{number - 1}"}] * 2
            schemas[f"A{number}"] = {"type": "array", "prefixItems": items, "minItems": 2, "maxItems": 2}
        text = self.text({"$ref": "#/schemas/A22"}, schemas=schemas)
        self.assertIn("it is too long", text)
        self.assertTrue(len(text) < 20_000)

    def test_names(self) -> None:
        """Invalid names of fields and classes are replaced, and stay the same on the wire."""
        properties = {name: {"type": "integer"} for name in FIELDS}
        schema = {"type": "object", "properties": properties, "required": FIELDS}
        module = load_module(self.text({"$ref": "#/schemas/a.b"}, schemas={"a.b": schema, "a-b": schema}))
        value = {name: number for number, name in enumerate(FIELDS)}
        for name in ["AB", "AB2"]:
            made = msgspec.convert(value, getattr(module, name))
            self.assertEqual(msgspec.to_builtins(made), value)

    def test_text_stays_text(self) -> None:
        """Texts of a contract never become code."""
        evil = '"""\nraise SystemExit\n"""\\'
        route = {"method": f"GET{evil}", "path": f"/{evil}", "title": evil, "description": evil, "result": {}}
        schema = {
            "type": "object",
            "description": evil,
            "properties": {
                "a'\u2028#": {"enum": [evil], "default": evil, "description": evil},
                evil: {"type": "string"},
            },
        }
        contract = {"title": evil, "version": evil, "routes": [route], "schemas": {evil: schema}}
        module = load_module(made_from(contract, evil))
        [struct] = structs_of(module)
        self.assertEqual(msgspec.to_builtins(struct()), {"a'\u2028#": evil})
        caller = Recorder(None)
        [method] = [each for each in vars(module.Client) if not each.startswith("_")]
        outcome(getattr(module.Client(caller), method)())
        self.assertEqual(caller.calls[0][0], f"GET{evil}")

    def struct(self, schema: Schema) -> Any:
        """The struct of a schema that is a result."""
        schemas = {"A": {"type": "object", **schema}}
        return load_module(self.text({"$ref": "#/schemas/A"}, schemas=schemas)).A

    def test_sent_and_received(self) -> None:
        """Structs in results, also nested ones, allow unknown fields; structs that are only sent do not."""
        closed = {"type": "object", "properties": {}, "additionalProperties": False}
        inside = {"type": "array", "items": {"$ref": "#/schemas/Both"}}
        route = {"method": "PUT", "path": "/", "data": {"$ref": "#/schemas/Sent"}, "result": inside}
        sent = {**closed, "properties": {"both": inside}}
        module = load_module(made_from({"routes": [route], "schemas": {"Sent": sent, "Both": closed}}))
        self.assertIsNotNone(msgspec.convert({"more": 1}, module.Both))
        with self.assertRaises(msgspec.ValidationError):
            msgspec.convert({"both": [], "more": 1}, module.Sent)

    def test_unfit_bounds(self) -> None:
        """Bounds and patterns that msgspec does not support are omitted."""
        number = {"type": "integer", "minimum": 2**70, "maximum": 5}
        struct = self.struct({"properties": {"a": number, "b": {"type": "string", "pattern": "("}}})
        self.assertEqual(msgspec.to_builtins(msgspec.convert({"a": 4, "b": "x"}, struct)), {"a": 4, "b": "x"})
        with self.assertRaises(msgspec.ValidationError):
            msgspec.convert({"a": 6}, struct)

    def test_unfit_defaults(self) -> None:
        """A default that does not match its schema is left to the service."""
        fields = {"a": {"type": "integer", "default": "x"}, "b": {"type": "integer", "default": 3}}
        made = self.struct({"properties": fields})()
        self.assertEqual((made.a, made.b), (msgspec.UNSET, 3))

    def test_docstrings(self) -> None:
        """A description keeps its text, whatever it starts or ends with."""
        for text in ['It is "so"', "C:\\", '"', "\\d\n\nmore\n  less", "\\N{X}"]:
            found = inspect.getdoc(self.struct({"description": text, "properties": {}}))
            self.assertEqual((found or "").strip(), text)

    def test_reserved(self) -> None:
        """The built-in routes are not generated."""
        text = made_from({"routes": [{"method": "GET", "path": "/-/look"}]})
        self.assertNotIn("look", text)

    def test_unique(self) -> None:
        """Methods of the same name are numbered in the order of the contract."""
        paths = ["/a-b", "/a_b", "/a/b", "/a/b/"]
        module = load_module(made_from({"routes": [{"method": "GET", "path": each} for each in paths]}))
        caller = Recorder(*paths)
        client = module.Client(caller)
        for name in ["get_a_b", "get_a_b_2", "get_a_b_3", "get_a_b_4"]:
            outcome(getattr(client, name)())
        self.assertEqual([path for _, path, _ in caller.calls], paths)

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(
        st.lists(routes(), max_size=3),
        st.dictionaries(st.sampled_from(NAMES), schemas(), max_size=4),
    )
    def test_anything(self, routes: list[Any], schemas: dict[str, Any]) -> None:
        """The module of any contract can be imported, is deterministic, and has types valid for msgspec."""
        contract = {"routes": routes, "schemas": schemas, "title": "T"}
        text = made_from(contract)
        self.assertEqual(made_from(contract), text)
        module = load_module(text)
        for struct in structs_of(module):
            msgspec.json.Decoder(struct)
        for name, method in vars(module.Client).items():
            if not name.startswith("__"):
                for kind in inspect.get_annotations(method, eval_str=True).values():
                    if kind is not None and "AsyncIterator" not in str(kind):
                        msgspec.json.Decoder(kind)

"""The JSON Schema of the file agrees with the parser."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from copy import deepcopy
from typing import Any, Final

from jsonschema import Draft7Validator  # type: ignore[import-untyped]  # it has no annotations
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.config.test_effective import MORE
from tests.unit.config.test_settings import FULL
from unixsvc.config.file import ConfigFile, parse_layers
from unixsvc.config.schema import file_schema
from unixsvc.config.sources.development import CLIENT_KEYS, DEVELOPMENT
from unixsvc.config.sources.layers import Layer, Layers
from unixsvc.domain.validation.type_forms import TypeForm, bare, fields_of, members_of, values_of
from unixsvc.errors import ConfigError

SCHEMA = file_schema()
VALIDATOR = Draft7Validator(SCHEMA)
SMALL: Final[dict[str, Any]] = {
    "services": {"home": {"app": "home:app"}},
    "tokens": {"billing": {"sha256": "", "services": []}},
    "access": {"rule": {"services": []}},
}
WHOLE = tomllib.loads(FULL + MORE + "[http.cors]\n[http.websocket]\n")


def is_valid(table: dict[str, Any]) -> bool:
    """True if the schema accepts a table."""
    valid: bool = VALIDATOR.is_valid(table)
    return valid


def is_parsed(table: dict[str, Any]) -> bool:
    """True if the parser accepts a table."""
    layers = Layers("x.toml")
    layers.add(Layer("x.toml", table))
    try:
        parse_layers(layers)
    except ConfigError:
        return False
    return True


def with_value(path: tuple[str, ...], value: object) -> dict[str, Any]:
    """A small valid configuration with one value."""
    table = deepcopy(SMALL)
    inner = table
    for key in path[:-1]:
        inner = inner.setdefault(key, {})
    inner[path[-1]] = value
    return table


def tables(
    type_form: TypeForm = ConfigFile, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The tables with known keys, and their structs; see ``SMALL`` for their names."""
    for member in members_of(type_form):
        if (fields := fields_of(member)) is not None:
            yield path, member
            for each in fields:
                yield from tables(each.type, (*path, each.encoded))
        elif (values := values_of(member)) is not None and fields_of(bare(values[1])) is not None:
            yield from tables(values[1], (*path, next(iter(SMALL.get(path[0], ())), "home")))


def schema_of(path: tuple[str, ...], schema: dict[str, Any] = SCHEMA) -> dict[str, Any]:
    """The schema of a table."""
    for part in schema.get("allOf", schema.get("anyOf", ())):
        if part != {"$ref": "#/definitions/reference"}:
            schema = {**part, **{key: each for key, each in schema.items() if key not in ("allOf", "anyOf")}}
            break
    if "$ref" in schema:
        schema = SCHEMA["definitions"][schema["$ref"].rpartition("/")[2]]
    if not path:
        return schema
    inner = schema.get("properties", {}).get(path[0]) or schema["additionalProperties"]
    return schema_of(path[1:], inner)


class SchemaTests(SynchronousTestCase):
    def test_draft(self) -> None:
        """It is a valid schema, and JSON."""
        Draft7Validator.check_schema(SCHEMA)
        self.assertEqual(json.loads(json.dumps(SCHEMA)), SCHEMA)

    def test_accepts(self) -> None:
        """A file with all tables is accepted, and so is a part of it, as another file may have the rest."""
        self.assertTrue(is_parsed(WHOLE))
        self.assertEqual([*VALIDATOR.iter_errors(WHOLE)], [])
        self.assertTrue(is_valid({"services": {"home": {"workers": 3}}}))

    def test_keys(self) -> None:
        """It has every key of every struct and no other, each with a description."""
        found = dict(tables())
        self.assertEqual(len(found), 20)
        for path, struct in found.items():
            schema = schema_of(path)
            more = () if path else (DEVELOPMENT,)
            self.assertEqual(sorted(schema["properties"]), sorted((*struct.__struct_fields__, *more)), path)
            for name, each in schema["properties"].items():
                self.assertRegex(each["description"], r"\A[^a-z:`][^`\n]{6,}\Z", (*path, name))

    def test_development(self) -> None:
        """The table ``[dev]`` has the same keys, except those that clients read and itself."""
        self.assertTrue(is_valid({"dev": {"log": {"level": "debug"}, "services": {"home": {"workers": 1}}}}))
        for key in (*CLIENT_KEYS, DEVELOPMENT, "wrong"):
            self.assertFalse(is_valid({"dev": {key: {}}}), key)
        self.assertFalse(is_valid({"dev": {"services": {"home": {"workers": -1}}}}))

    def test_unknown_keys(self) -> None:
        """A key that does not exist is refused by both, in every table."""
        for path, _ in tables():
            table = with_value((*path, "wrong_key"), "x")
            self.assertFalse(is_valid(table), path)
            self.assertFalse(is_parsed(table), path)

    def test_wrong_values(self) -> None:
        """A value that the parser refuses for its type or bounds is refused by the schema, and no other."""
        values: tuple[object, ...] = (
            True,
            -1,
            0,
            1,
            2.5,
            "auto",
            "text",
            "660",
            [],
            ["x"],
            [1],
            {},
            {"x": "y"},
        )
        tried = 0
        for path, struct in tables():
            for name in struct.__struct_fields__:
                for value in values:
                    table = with_value((*path, name), value)
                    self.assertEqual(is_valid(table), is_parsed(table), ((*path, name), value))
                    tried += 1
        self.assertGreater(tried, 1000)

    def test_names(self) -> None:
        """A name that no service can have is refused."""
        self.assertFalse(is_valid({"services": {"Home": {"app": "a:b"}}}))

    def test_references(self) -> None:
        """Where a value is not a string, a string with a reference stands for it."""
        for path, struct in tables():
            for each in fields_of(struct) or ():
                is_table = any(fields_of(member) or values_of(member) for member in members_of(each.type))
                if not is_table:
                    self.assertTrue(
                        is_valid(with_value((*path, each.encoded), "${X:-1}")), (path, each.encoded)
                    )
        self.assertTrue(is_valid({"security": {"allow_uids": ["${UID}", 0]}}))
        self.assertFalse(is_valid({"security": {"allow_uids": ["UID"]}}))

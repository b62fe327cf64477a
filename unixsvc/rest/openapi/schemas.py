"""The JSON Schemas of several contracts, merged into components of OpenAPI. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Final

import msgspec

from unixsvc.contract.model import SCHEMA_REFERENCE
from unixsvc.domain.json import Json, JsonObject

__all__ = [
    "COMPONENTS",
    "Schemas",
    "is_flat",
    "may_be_null",
    "merge",
    "reachable",
    "rewritten",
    "without_null",
]

COMPONENTS: Final = "#/components/schemas/"

# The keywords whose values are schemas: one, a list, or one for each name. The values of others, as defaults
# and examples, are data, in which "$ref" is not a reference.
_ONE: Final = frozenset({
    "additionalProperties", "contains", "contentSchema", "else", "if", "items", "not", "propertyNames",
    "then", "unevaluatedItems", "unevaluatedProperties",
})  # fmt: skip
_LIST: Final = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_NAMED: Final = frozenset({"$defs", "dependentSchemas", "patternProperties", "properties"})
_SCALARS: Final = frozenset({"boolean", "integer", "null", "number", "string"})

_SPECIFIC: Final = frozenset({"const", "enum", "format"})

Schema = Json
"""A JSON Schema: a dict, or True or False."""


class Schemas:
    """Schemas by their names in an OpenAPI document.

    :ivar named: the components.
    """

    def __init__(self, named: dict[str, Schema]) -> None:
        self.named = named

    def resolve(self, schema: Schema) -> JsonObject:
        """The schema itself, with references followed; empty for True, False and unknown references."""
        seen: set[str] = set()
        while isinstance(schema, dict) and "$ref" in schema and schema["$ref"] not in seen:
            seen.add(schema["$ref"])
            schema = self.named.get(schema["$ref"].removeprefix(COMPONENTS))
        return schema if isinstance(schema, dict) else {}


def merge(
    contracts: Sequence[tuple[str, Mapping[str, Schema]]],
) -> tuple[Schemas, list[Callable[[Schema], Schema]]]:
    """Merge the schemas of several contracts.

    Equal schemas are merged into one. If different schemas have the same name, the first one keeps it, and
    the others are prefixed with the titles of their contracts. The result is deterministic.

    :param contracts: for each its title, which need not be unique, and its schemas.
    :returns: all schemas, and for each contract a function that rewrites the references of its schemas.
    """
    classes = _classes_of([schemas for _, schemas in contracts])
    names: dict[int, str] = {}
    taken: set[str] = set()
    for index, (title, schemas) in enumerate(contracts):
        for name in schemas:
            class_ = classes[index, name]
            if class_ not in names:
                names[class_] = _unique_name(name, title, taken)
                taken.add(names[class_])
    rewrites: list[Callable[[Schema], Schema]] = []
    merged: dict[str, Schema] = {}
    for index, (_, schemas) in enumerate(contracts):
        references = {SCHEMA_REFERENCE + name: COMPONENTS + names[classes[index, name]] for name in schemas}
        rewrites.append(partial(rewritten, references=references))
        for name, schema in schemas.items():
            merged.setdefault(names[classes[index, name]], rewritten(schema, references))
    return Schemas(dict(sorted(merged.items()))), rewrites


def rewritten(schema: Schema, references: Mapping[str, str]) -> Schema:
    """A copy of a schema with its references replaced, and with the format of integers."""
    if not isinstance(schema, dict):
        return schema
    copy: JsonObject = {}
    for keyword, value in schema.items():
        if keyword == "$ref":
            value = references.get(value, value)
        elif keyword == "discriminator":
            mapping = {
                tag: references.get(target, target) for tag, target in value.get("mapping", {}).items()
            }
            value = {**value, "mapping": mapping}
        elif keyword in _ONE:
            value = rewritten(value, references)
        elif keyword in _LIST:
            value = [rewritten(item, references) for item in value]
        elif keyword in _NAMED:
            value = {name: rewritten(item, references) for name, item in value.items()}
        copy[keyword] = value
    if copy.get("type") == "integer" and not copy.keys() & _SPECIFIC:
        copy["format"] = "int64"  # generated clients in Go and Java would have 32 bits
    return copy


def reachable(used: Iterator[str], schemas: Schemas) -> dict[str, Schema]:
    """The schemas that are referred to, directly or through others.

    :param used: references; those that are not to schemas are ignored.
    """
    found: set[str] = set()
    pending = list(used)
    while pending:
        name = pending.pop().removeprefix(COMPONENTS)
        if name in schemas.named and name not in found:
            found.add(name)
            pending += _references_in(schemas.named[name])
    return {name: schema for name, schema in schemas.named.items() if name in found}


def may_be_null(schema: Schema, schemas: Schemas) -> bool:
    """Whether a schema allows null."""
    known = schemas.resolve(schema)
    if "anyOf" in known:
        return any(may_be_null(option, schemas) for option in known["anyOf"])
    if "enum" in known:
        return None in known["enum"]
    return bool(known.get("type", "null") == "null")  # without a type, everything is allowed


def without_null(schema: Schema) -> Schema | None:
    """A schema for the other values that a schema allows; None if null is the only one."""
    if not isinstance(schema, dict):
        return schema
    if schema.get("type") == "null":
        return None
    if "enum" in schema:
        return {**schema, "enum": [value for value in schema["enum"] if value is not None]}
    if "anyOf" not in schema:
        return schema
    others = [option for option in schema["anyOf"] if option.get("type") != "null"]
    if len(others) != 1:
        return {**schema, "anyOf": others}
    return {**others[0], **{keyword: value for keyword, value in schema.items() if keyword != "anyOf"}}


def is_flat(schema: Schema, schemas: Schemas, *, lists: bool = True) -> bool:
    """Whether the values of a schema fit into a query: no objects, and no lists within lists."""
    known = schemas.resolve(schema)
    if "anyOf" in known:
        return all(is_flat(option, schemas, lists=lists) for option in known["anyOf"])
    if "enum" in known:
        return not any(isinstance(value, dict | list) for value in known["enum"])
    if known.get("type") == "array":
        items = [*known.get("prefixItems", []), known.get("items", {})]
        return lists and all(is_flat(item, schemas, lists=False) for item in items if item is not False)
    return known.get("type", "string") in _SCALARS


def _references_in(schema: Schema) -> Iterator[str]:
    if not isinstance(schema, dict):
        return
    for keyword, value in schema.items():
        if keyword == "$ref":
            yield value
        elif keyword in _ONE:
            yield from _references_in(value)
        elif keyword in _LIST or keyword in _NAMED:
            for item in value.values() if keyword in _NAMED else value:
                yield from _references_in(item)


def _classes_of(contracts: Sequence[Mapping[str, Schema]]) -> dict[tuple[int, str], int]:
    """A number for each schema of each contract; schemas that are equal with all they refer to have the same.

    Partition refinement: schemas with equal texts form a class. Classes are split while their members refer
    to schemas of different classes, until nothing changes.
    """
    keys = [(index, name) for index, schemas in enumerate(contracts) for name in schemas]
    texts = {(index, name): _text(name, contracts[index][name]) for index, name in keys}
    links = {(index, name): _links(index, contracts[index], name) for index, name in keys}
    classes = dict.fromkeys(keys, 0)
    while True:
        numbers: dict[tuple[bytes, tuple[int, ...]], int] = {}
        refined = {
            key: numbers.setdefault((texts[key], tuple(classes[link] for link in links[key])), len(numbers))
            for key in keys
        }
        if len(numbers) == len(set(classes.values())):
            return refined
        classes = refined


def _links(index: int, schemas: Mapping[str, Schema], name: str) -> list[tuple[int, str]]:
    """The schemas of the same contract to which a schema refers."""
    references = (reference.removeprefix(SCHEMA_REFERENCE) for reference in _references_in(schemas[name]))
    return [(index, reference) for reference in references if reference in schemas]


def _text(name: str, schema: Schema) -> bytes:
    return msgspec.json.encode([name, schema], order="deterministic")


def _unique_name(name: str, title: str, taken: set[str]) -> str:
    name = _ascii(name)
    if name not in taken:
        return name
    stem = f"{_ascii(title) or 'service'}.{name}"
    unique, number = stem, 2
    while unique in taken:
        unique, number = f"{stem}.{number}", number + 1
    return unique


def _ascii(text: str) -> str:
    """A text as the name of a component: letters without accents, other alphabets by their code points."""
    letters = (each for each in unicodedata.normalize("NFKD", text) if not unicodedata.combining(each))
    parts = (f"u{ord(each):X}" if each.isalnum() and not each.isascii() else each for each in letters)
    return re.sub(r"[^A-Za-z0-9._-]+", "_", "".join(parts)).strip("_")

"""JSON Schemas of several contracts, brought together under names that OpenAPI takes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final

import msgspec

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

CONTRACT: Final = "#/schemas/"
COMPONENTS: Final = "#/components/schemas/"

# The keywords whose values are schemas: one, a list of them, or one for each name. What stands in others, as
# defaults and examples, is data, and a "$ref" in it is none.
_ONE: Final = frozenset({
    "additionalProperties", "contains", "contentSchema", "else", "if", "items", "not", "propertyNames",
    "then", "unevaluatedItems", "unevaluatedProperties",
})  # fmt: skip
_LIST: Final = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_NAMED: Final = frozenset({"$defs", "dependentSchemas", "patternProperties", "properties"})
_SCALARS: Final = frozenset({"boolean", "integer", "null", "number", "string"})

Schema = Any
"""A dict, or True or False: JSON Schema has both."""


class Schemas:
    """Schemas by their names in an OpenAPI document.

    :ivar named: the components.
    """

    def __init__(self, named: dict[str, Schema]) -> None:
        self.named = named

    def resolve(self, schema: Schema) -> dict[str, Any]:
        """What a schema says, or what it refers to; nothing, for one that says nothing."""
        seen: set[str] = set()
        while isinstance(schema, dict) and "$ref" in schema and schema["$ref"] not in seen:
            seen.add(schema["$ref"])
            schema = self.named.get(schema["$ref"].removeprefix(COMPONENTS))
        return schema if isinstance(schema, dict) else {}


def merge(
    contracts: Sequence[tuple[str, Mapping[str, Schema]]],
) -> tuple[Schemas, list[Callable[[Schema], Schema]]]:
    """Bring the schemas of several contracts together.

    Equal ones are there once. Of different ones that have the same name, the first keeps it, and the others
    have that of their contract in front. The same for the same contracts.

    :param contracts: each with a name that need not be unique, and its schemas.
    :returns: all schemas, and for each contract what rewrites a schema of its own to refer to these.
    """
    kinds = _kinds_of([schemas for _, schemas in contracts])
    names: dict[int, str] = {}
    taken: set[str] = set()
    for at, (title, schemas) in enumerate(contracts):
        for name in schemas:
            kind = kinds[at, name]
            if kind not in names:
                names[kind] = _free(name, title, taken)
                taken.add(names[kind])
    rewrite: list[Callable[[Schema], Schema]] = []
    merged: dict[str, Schema] = {}
    for at, (_, schemas) in enumerate(contracts):
        new = {CONTRACT + name: COMPONENTS + names[kinds[at, name]] for name in schemas}
        rewrite.append(partial(rewritten, references=new))
        for name, schema in schemas.items():
            merged.setdefault(names[kinds[at, name]], rewritten(schema, new))
    return Schemas(dict(sorted(merged.items()))), rewrite


def rewritten(schema: Schema, references: Mapping[str, str]) -> Schema:
    """A schema with other references, wherever in it they stand."""
    if not isinstance(schema, dict):
        return schema
    found: dict[str, Any] = {}
    for keyword, value in schema.items():
        if keyword == "$ref":
            value = references.get(value, value)
        elif keyword == "discriminator":
            mapping = {tag: references.get(each, each) for tag, each in value.get("mapping", {}).items()}
            value = {**value, "mapping": mapping}
        elif keyword in _ONE:
            value = rewritten(value, references)
        elif keyword in _LIST:
            value = [rewritten(each, references) for each in value]
        elif keyword in _NAMED:
            value = {name: rewritten(each, references) for name, each in value.items()}
        found[keyword] = value
    return found


def reachable(used: Iterator[str], schemas: Schemas) -> dict[str, Schema]:
    """The schemas that are referred to, directly or by others.

    :param used: references; those to anything else are left out.
    """
    found: set[str] = set()
    waiting = list(used)
    while waiting:
        name = waiting.pop().removeprefix(COMPONENTS)
        if name in schemas.named and name not in found:
            found.add(name)
            waiting += _references_in(schemas.named[name])
    return {name: schema for name, schema in schemas.named.items() if name in found}


def may_be_null(schema: Schema, schemas: Schemas) -> bool:
    """Whether null is one of the values that a schema allows."""
    known = schemas.resolve(schema)
    if "anyOf" in known:
        return any(may_be_null(each, schemas) for each in known["anyOf"])
    if "enum" in known:
        return None in known["enum"]
    return bool(known.get("type", "null") == "null")  # one that says nothing of the type allows all


def without_null(schema: Schema) -> Schema | None:
    """What a schema allows beside null; None if that is nothing."""
    if not isinstance(schema, dict):
        return schema
    if schema.get("type") == "null":
        return None
    if "enum" in schema:
        return {**schema, "enum": [each for each in schema["enum"] if each is not None]}
    if "anyOf" not in schema:
        return schema
    others = [each for each in schema["anyOf"] if each.get("type") != "null"]
    if len(others) != 1:
        return {**schema, "anyOf": others}
    return {**others[0], **{keyword: value for keyword, value in schema.items() if keyword != "anyOf"}}


def is_flat(schema: Schema, schemas: Schemas, *, lists: bool = True) -> bool:
    """Whether its values can be written as a query's are: no objects, and no lists within others."""
    known = schemas.resolve(schema)
    if "anyOf" in known:
        return all(is_flat(each, schemas, lists=lists) for each in known["anyOf"])
    if "enum" in known:
        return not any(isinstance(each, dict | list) for each in known["enum"])
    if known.get("type") == "array":
        inside = [*known.get("prefixItems", []), known.get("items", {})]
        return lists and all(is_flat(each, schemas, lists=False) for each in inside if each is not False)
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
            for each in value.values() if keyword in _NAMED else value:
                yield from _references_in(each)


def _kinds_of(contracts: Sequence[Mapping[str, Schema]]) -> dict[tuple[int, str], int]:
    """A number for each schema of each contract: the same for two that are the same, with all they refer to.

    By refining a partition: schemas are together while their texts are the same, and then while what they
    refer to is together, until none has to leave.
    """
    places = [(at, name) for at, schemas in enumerate(contracts) for name in schemas]
    texts = {(at, name): _text(name, contracts[at][name]) for at, name in places}
    links = {
        (at, name): [
            (at, each.removeprefix(CONTRACT))
            for each in _references_in(contracts[at][name])
            if each.removeprefix(CONTRACT) in contracts[at]
        ]
        for at, name in places
    }
    kinds = dict.fromkeys(places, 0)
    while True:
        numbers: dict[Any, int] = {}
        refined = {
            each: numbers.setdefault((texts[each], tuple(kinds[link] for link in links[each])), len(numbers))
            for each in places
        }
        if len(numbers) == len(set(kinds.values())):
            return refined
        kinds = refined


def _text(name: str, schema: Schema) -> bytes:
    return msgspec.json.encode([name, schema], order="deterministic")


def _free(name: str, title: str, taken: set[str]) -> str:
    if name not in taken:
        return name
    stem = f"{re.sub(r'[^A-Za-z0-9_-]+', '_', title).strip('_') or 'service'}.{name}"
    found, number = stem, 2
    while found in taken:
        found, number = f"{stem}.{number}", number + 1
    return found

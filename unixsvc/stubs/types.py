"""The mapping from the JSON Schemas of a contract to Python types."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Set
from typing import Final, TypeAlias

from unixsvc.contract.model import SCHEMA_REFERENCE, referenced_schema
from unixsvc.domain.json import Json, JsonObject
from unixsvc.stubs.python_types import (
    PythonType,
    bounded,
    choice,
    lengths,
    mapping,
    number,
    sequence,
    string,
    unknown,
)
from unixsvc.stubs.text import Namer, class_name

__all__ = ["RESERVED", "TypeMapper", "references"]

# Limits against malicious contracts: the nesting of a type, and its length in characters.
_MAX_DEPTH: Final = 24
_MAX_LENGTH: Final = 4000

# The global names of the generated module: no class, field or parameter may have one of them.
RESERVED: Final = frozenset({
    "UNSET", "Annotated", "Any", "AsyncIterator", "Awaitable", "Caller", "Decimal", "Literal", "Meta",
    "Protocol", "Struct", "TypeAlias", "UUID", "UnsetType", "_given", "_meta", "_quoted", "_text",
    "_with_query", "annotations", "bool", "bytes", "dict", "dt", "float", "int", "isinstance", "list",
    "msgspec", "object", "quote", "str", "tuple", "urlencode",
})  # fmt: skip

_JSON: Final[dict[str, tuple[type, ...]]] = {
    "array": (list,), "boolean": (bool,), "integer": (int,), "null": (type(None),), "number": (int, float),
    "object": (dict,), "string": (str,),
}  # fmt: skip


class TypeMapper:
    """Maps the schemas of one contract to types.

    :param schemas: the schemas by name.
    :param hidden: the names of schemas that need no class.
    :param everything: all schemas of the contract, to find the tags of unions.
    :param names: makes the names of classes unique.
    :ivar classes: the names of the generated structs by schema name.
    :ivar choices: the names of the generated ``Literal`` aliases by schema name.
    :ivar tags: the tag field and tag value of the members of unions by schema name.
    """

    def __init__(self, schemas: Mapping[str, Json], hidden: Set[str], everything: Json, names: Namer) -> None:
        self.schemas = schemas
        self.classes: dict[str, str] = {}
        self.choices: dict[str, str] = {}
        for name, schema in schemas.items():
            if name in hidden:
                continue
            if "properties" in mapping(schema):
                self.classes[name] = names.numbered(class_name(name))
            elif choice(mapping(schema)) is not None:
                self.choices[name] = names.numbered(class_name(name))
        self.tags = dict(self._find_tags(everything))
        self._enclosing: list[str] = []
        self._known: dict[str, PythonType] = {}
        self._depth = 0

    def kind(self, schema: Json) -> PythonType:
        """Return the type of a schema."""
        if self._depth >= _MAX_DEPTH:
            return unknown("it is nested too deeply")
        self._depth += 1
        try:
            found = self._kind(schema)
            return found if len(found.text) <= _MAX_LENGTH else unknown("it is too long")
        finally:
            self._depth -= 1

    def fits(self, value: Json, schema: Json, depth: int = 0) -> bool:
        """Return whether a default matches its schema; structs are not checked."""
        schema = self.resolved(schema)
        if depth >= _MAX_DEPTH:
            return False
        if options := sequence(schema.get("anyOf")):
            return any(self.fits(value, each, depth + 1) for each in options)
        if isinstance(schema.get("enum"), list):
            return any(value == each and type(value) is type(each) for each in schema["enum"])
        wanted = _JSON.get(str(schema.get("type")), (object,))
        if not isinstance(value, wanted) or (isinstance(value, bool) and wanted not in ((bool,), (object,))):
            return False
        if isinstance(value, list) and "items" in schema:
            return all(self.fits(each, schema["items"], depth + 1) for each in value)
        if isinstance(value, dict) and isinstance(schema.get("additionalProperties"), dict):
            return all(self.fits(each, schema["additionalProperties"], depth + 1) for each in value.values())
        return True

    def resolved(self, schema: Json) -> JsonObject:
        """Return the schema to which a ``$ref`` refers, or the schema itself."""
        seen: set[str] = set()
        while (name := referenced_schema(schema)) and name in self.schemas and name not in seen:
            seen.add(name)
            schema = self.schemas[name]
        return mapping(schema)

    def _kind(self, schema: Json) -> PythonType:
        if schema in ({}, True):
            return PythonType("Any", ("any",))
        schema = mapping(schema)
        if "$ref" in schema:
            return self._reference(referenced_schema(schema))
        for keyword in ("anyOf", "oneOf"):
            if keyword in schema:
                return self._union([self.kind(each) for each in sequence(schema[keyword])])
        if "enum" in schema or "const" in schema:
            found = choice(schema)
            return found or unknown("Python has no literals for some values of the enum")
        wanted = schema.get("type")
        if isinstance(wanted, list):
            return self._union([self.kind({**schema, "type": each}) for each in wanted])
        make = _MAKERS.get(wanted) if isinstance(wanted, str) else None
        if make is not None:
            return make(self, schema)
        keywords = sorted(set(schema) - {"title", "description", "default", "examples"})
        return (
            unknown(f"no type expresses {', '.join(keywords)}") if keywords else PythonType("Any", ("any",))
        )

    def _reference(self, name: str) -> PythonType:
        if name in self.classes:
            return PythonType(self.classes[name], (f"class {name}",), plain=False)
        if name in self.choices:
            found = choice(mapping(self.schemas[name]))
            return PythonType(self.choices[name], found.families if found else ())
        if name not in self.schemas:
            return unknown("its $ref refers to no schema of the contract")
        if name in self._enclosing:
            return unknown("its schema is recursive")
        if name not in self._known:
            self._enclosing.append(name)
            self._known[name] = self.kind(self.schemas[name])
            self._enclosing.pop()
        return self._known[name]

    def _array(self, schema: Mapping[str, Json]) -> PythonType:
        bounds = lengths(schema, "Items")
        if "prefixItems" not in schema:
            item = self.kind(schema.get("items", {}))
            return PythonType(bounded(f"list[{item.text}]", bounds), ("array",), item.plain, item.notes)
        items = [self.kind(each) for each in sequence(schema["prefixItems"])]
        if not schema.get("minItems") == schema.get("maxItems") == len(items):
            reason = "tuple types cannot have optional items"
            return PythonType("list[Any]", ("array",), notes=(reason,))
        notes = tuple(note for each in items for note in each.notes)
        text = ", ".join(each.text for each in items) or "()"
        return PythonType(f"tuple[{text}]", ("array",), plain=False, notes=notes)

    def _object(self, schema: Mapping[str, Json]) -> PythonType:
        bounds = lengths(schema, "Properties")
        values = schema.get("additionalProperties", {})
        named = "properties" in schema
        item = PythonType("Any") if named or isinstance(values, bool) else self.kind(values)
        notes = ("a schema without a name has no struct",) if named else ()
        text = bounded(f"dict[str, {item.text}]", bounds)
        return PythonType(text, ("object",), item.plain, item.notes + notes)

    def _union(self, members: list[PythonType]) -> PythonType:
        different = {each.text: each for each in members}
        kinds = [each for text, each in different.items() if text != "None"]
        kinds += [each for text, each in different.items() if text == "None"]
        notes = tuple(note for each in kinds for note in each.notes)
        if len(kinds) < 2:
            return kinds[0] if kinds else unknown("the union is empty")
        if "Any" in different:
            return PythonType("Any", ("any",), notes=notes)
        families = [family for each in kinds for family in each.families]
        if not self._can_distinguish(families):
            return unknown("msgspec cannot distinguish its members")
        plain = all(each.plain for each in kinds)
        return PythonType(" | ".join(each.text for each in kinds), tuple(families), plain, notes)

    def _can_distinguish(self, families: list[str]) -> bool:
        structs = [each.removeprefix("class ") for each in families if each.startswith("class ")]
        if len(set(families)) < len(families) or (structs and "object" in families):
            return False
        tags = [self.tags.get(each) for each in structs]
        if len(structs) < 2:
            return True
        return (
            None not in tags and len({each[0] for each in tags if each}) == 1 and len(set(tags)) == len(tags)
        )

    def _find_tags(self, everything: Json) -> Iterator[tuple[str, tuple[str, str | int]]]:
        for found in _walk(everything):
            discriminator = mapping(found.get("discriminator"))
            field = discriminator.get("propertyName")
            for reference in mapping(discriminator.get("mapping")).values():
                name = reference.removeprefix(SCHEMA_REFERENCE) if isinstance(reference, str) else ""
                properties = mapping(mapping(self.schemas.get(name)).get("properties"))
                values = sequence(mapping(properties.get(str(field))).get("enum"))
                if len(values) == 1 and type(values[0]) in (str, int) and name in self.classes:
                    yield name, (str(field), values[0])


def references(schema: Json) -> Iterator[str]:
    """Yield the names of the schemas to which a schema refers directly."""
    for found in _walk(schema):
        if name := referenced_schema(found):
            yield name


def _walk(value: Json) -> Iterator[JsonObject]:
    pending = [value]
    while pending:
        each = pending.pop()
        if isinstance(each, dict):
            yield each
            pending += each.values()
        elif isinstance(each, list):
            pending += each


_Make: TypeAlias = Callable[[TypeMapper, JsonObject], PythonType]

_MAKERS: Final[dict[str, _Make]] = {
    "array": TypeMapper._array,
    "boolean": lambda types, schema: PythonType("bool", ("boolean",)),
    "integer": lambda types, schema: number(schema),
    "null": lambda types, schema: PythonType("None", ("null",)),
    "number": lambda types, schema: number(schema),
    "object": TypeMapper._object,
    "string": lambda types, schema: string(schema),
}

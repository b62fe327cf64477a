"""From the JSON Schemas of a contract to Python's types, for :mod:`unixsvc.stubs`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Set
from typing import Any, Final

from unixsvc.contract.model import SCHEMA_REFERENCE, referenced_schema
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

# Whoever nests deeper than this, or says more, wants to do harm.
_DEEPEST: Final = 24
_LONGEST: Final = 4000

# What the generated module says without a prefix: no class, field or parameter may be called the same.
RESERVED: Final = frozenset({
    "UNSET", "Annotated", "Any", "AsyncIterator", "Awaitable", "Caller", "Decimal", "Literal", "Meta",
    "Protocol", "Struct", "TypeAlias", "UUID", "UnsetType", "_given", "_quoted", "annotations", "bool",
    "bytes", "dict", "dt", "float", "int", "isinstance", "list", "msgspec", "object", "quote", "str", "tuple",
})  # fmt: skip

_JSON: Final[dict[str, tuple[type, ...]]] = {
    "array": (list,), "boolean": (bool,), "integer": (int,), "null": (type(None),), "number": (int, float),
    "object": (dict,), "string": (str,),
}  # fmt: skip


class TypeMapper:
    """The types of one contract.

    :param schemas: by name.
    :param hidden: the names of those that need no class.
    :param everything: the contract, in which unions say what their members are told apart by.
    :param names: gives the classes theirs.
    :ivar classes: the names of the module's classes, by those of the schemas that are objects.
    :ivar choices: likewise of the lists of literals.
    :ivar tags: by the names of schemas: the field, and its value, that tell it apart.
    """

    def __init__(self, schemas: Mapping[str, Any], hidden: Set[str], everything: Any, names: Namer) -> None:
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
        self._inside: list[str] = []
        self._known: dict[str, PythonType] = {}
        self._depth = 0

    def kind(self, schema: Any) -> PythonType:
        """The type of a schema's values."""
        if self._depth >= _DEEPEST:
            return unknown("it is nested too deeply")
        self._depth += 1
        try:
            found = self._kind(schema)
            return found if len(found.text) <= _LONGEST else unknown("it is too long")
        finally:
            self._depth -= 1

    def fits(self, value: Any, schema: Any, depth: int = 0) -> bool:
        """Whether a default is of its schema's type, as far as can be seen without the classes."""
        schema = self.resolved(schema)
        if depth >= _DEEPEST:
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

    def resolved(self, schema: Any) -> dict[str, Any]:
        """What a schema refers to, or itself."""
        seen: set[str] = set()
        while (name := referenced_schema(schema)) and name in self.schemas and name not in seen:
            seen.add(name)
            schema = self.schemas[name]
        return mapping(schema)

    def _kind(self, schema: Any) -> PythonType:
        if schema in ({}, True):
            return PythonType("Any", ("any",))
        schema = mapping(schema)
        if "$ref" in schema:
            return self._reference(referenced_schema(schema))
        for word in ("anyOf", "oneOf"):
            if word in schema:
                return self._union([self.kind(each) for each in sequence(schema[word])])
        if "enum" in schema or "const" in schema:
            found = choice(schema)
            return found or unknown("Python has no literals for all of the enum's values")
        wanted = schema.get("type")
        if isinstance(wanted, list):
            return self._union([self.kind({**schema, "type": each}) for each in wanted])
        make = _MAKERS.get(wanted) if isinstance(wanted, str) else None
        if make is not None:
            return make(self, schema)
        words = sorted(set(schema) - {"title", "description", "default", "examples"})
        return unknown(f"no type says {', '.join(words)}") if words else PythonType("Any", ("any",))

    def _reference(self, name: str) -> PythonType:
        if name in self.classes:
            return PythonType(self.classes[name], (f"class {name}",), plain=False)
        if name in self.choices:
            found = choice(mapping(self.schemas[name]))
            return PythonType(self.choices[name], found.families if found else ())
        if name not in self.schemas:
            return unknown("the contract has no schema that it refers to")
        if name in self._inside:
            return unknown("it contains itself")
        if name not in self._known:
            self._inside.append(name)
            self._known[name] = self.kind(self.schemas[name])
            self._inside.pop()
        return self._known[name]

    def _array(self, schema: Mapping[str, Any]) -> PythonType:
        bounds = lengths(schema, "Items")
        if "prefixItems" not in schema:
            item = self.kind(schema.get("items", {}))
            return PythonType(bounded(f"list[{item.text}]", bounds), ("array",), item.plain, item.notes)
        items = [self.kind(each) for each in sequence(schema["prefixItems"])]
        if not schema.get("minItems") == schema.get("maxItems") == len(items):
            reason = "no tuple says that some of its items may be missing"
            return PythonType("list[Any]", ("array",), notes=(reason,))
        notes = tuple(note for each in items for note in each.notes)
        text = ", ".join(each.text for each in items) or "()"
        return PythonType(f"tuple[{text}]", ("array",), plain=False, notes=notes)

    def _object(self, schema: Mapping[str, Any]) -> PythonType:
        bounds = lengths(schema, "Properties")
        values = schema.get("additionalProperties", {})
        named = "properties" in schema
        item = PythonType("Any") if named or isinstance(values, bool) else self.kind(values)
        notes = ("its fields have no class, as its schema has no name",) if named else ()
        text = bounded(f"dict[str, {item.text}]", bounds)
        return PythonType(text, ("object",), item.plain, item.notes + notes)

    def _union(self, members: list[PythonType]) -> PythonType:
        different = {each.text: each for each in members}
        kinds = [each for text, each in different.items() if text != "None"]
        kinds += [each for text, each in different.items() if text == "None"]
        notes = tuple(note for each in kinds for note in each.notes)
        if len(kinds) < 2:
            return kinds[0] if kinds else unknown("it is a choice of nothing")
        if "Any" in different:
            return PythonType("Any", ("any",), notes=notes)
        families = [family for each in kinds for family in each.families]
        if not self._can_tell(families):
            return unknown("msgspec cannot tell its members apart")
        plain = all(each.plain for each in kinds)
        return PythonType(" | ".join(each.text for each in kinds), tuple(families), plain, notes)

    def _can_tell(self, families: list[str]) -> bool:
        structs = [each.removeprefix("class ") for each in families if each.startswith("class ")]
        if len(set(families)) < len(families) or (structs and "object" in families):
            return False
        tags = [self.tags.get(each) for each in structs]
        if len(structs) < 2:
            return True
        return (
            None not in tags and len({each[0] for each in tags if each}) == 1 and len(set(tags)) == len(tags)
        )

    def _find_tags(self, everything: Any) -> Iterator[tuple[str, tuple[str, str | int]]]:
        for found in _walk(everything):
            told_by = mapping(found.get("discriminator"))
            field = told_by.get("propertyName")
            for reference in mapping(told_by.get("mapping")).values():
                name = reference.removeprefix(SCHEMA_REFERENCE) if isinstance(reference, str) else ""
                properties = mapping(mapping(self.schemas.get(name)).get("properties"))
                values = sequence(mapping(properties.get(str(field))).get("enum"))
                if len(values) == 1 and type(values[0]) in (str, int) and name in self.classes:
                    yield name, (str(field), values[0])


def references(schema: Any) -> Iterator[str]:
    """The names of the schemas that one refers to by itself."""
    for found in _walk(schema):
        if name := referenced_schema(found):
            yield name


def _walk(value: Any) -> Iterator[dict[str, Any]]:
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            yield each
            waiting += each.values()
        elif isinstance(each, list):
            waiting += each


_MAKERS: Final[dict[str, Callable[[TypeMapper, dict[str, Any]], PythonType]]] = {
    "array": TypeMapper._array,
    "boolean": lambda types, schema: PythonType("bool", ("boolean",)),
    "integer": lambda types, schema: number(schema),
    "null": lambda types, schema: PythonType("None", ("null",)),
    "number": lambda types, schema: number(schema),
    "object": TypeMapper._object,
    "string": lambda types, schema: string(schema),
}

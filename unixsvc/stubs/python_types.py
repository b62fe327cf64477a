"""Python types of schemas without items or fields, and tools for other schemas."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from unixsvc.domain.json import Json, JsonObject
from unixsvc.stubs.text import literal

__all__ = ["PythonType", "bounded", "choice", "lengths", "mapping", "number", "sequence", "string", "unknown"]

_FORMATS: Final = {
    "date": "dt.date",
    "date-time": "dt.datetime",
    "date-time-local": "Annotated[dt.datetime, Meta(tz=False)]",
    "decimal": "Decimal",
    "duration": "dt.timedelta",
    "time": "dt.time",
    "time-local": "Annotated[dt.time, Meta(tz=False)]",
    "uuid": "UUID",
}
_BOUNDS: Final = {
    "minimum": "ge", "exclusiveMinimum": "gt", "maximum": "le", "exclusiveMaximum": "lt",
    "multipleOf": "multiple_of",
}  # fmt: skip


class PythonType(Struct, frozen=True):
    """A type as an annotation in the generated module.

    :ivar text: the annotation.
    :ivar families: the JSON types and structs by which msgspec distinguishes the members of a union.
    :ivar plain: true if the values are plain JSON: no dates, no structs.
    :ivar notes: the reasons why the type is wider than the schema.
    """

    text: str
    families: tuple[str, ...] = ()
    plain: bool = True
    notes: tuple[str, ...] = ()


def unknown(reason: str) -> PythonType:
    """Return ``Any``, for a schema that has no type."""
    return PythonType("Any", ("any",), notes=(reason,))


def mapping(value: object) -> JsonObject:
    """Return the value if it is an object, otherwise an empty one: a schema is not validated before."""
    return value if isinstance(value, dict) else {}


def sequence(value: object) -> list[Json]:
    """Return the value if it is a list, otherwise an empty one."""
    return value if isinstance(value, list) else []


def choice(schema: Mapping[str, Json]) -> PythonType | None:
    """Return the ``Literal`` of a schema with ``enum`` or ``const``; None if Python has no such literals."""
    values = [schema["const"]] if "const" in schema else sequence(schema.get("enum"))
    json_types = {str: "string", int: "integer", type(None): "null"}
    if not values or any(type(value) not in json_types for value in values):
        return None
    families = tuple(dict.fromkeys(json_types[type(value)] for value in values))
    texts = [literal(value) for value in dict.fromkeys(values) if value is not None]
    members = [f"Literal[{', '.join(texts)}]"] if texts else []
    return PythonType(" | ".join([*members, *(["None"] if None in values else [])]), families)


def number(schema: Mapping[str, Json]) -> PythonType:
    """Return the type of a number with its bounds."""
    is_integer = schema["type"] == "integer"
    bounds: dict[str, str] = {}
    for keyword, name in _BOUNDS.items():
        value = schema.get(keyword)
        # Other bounds are not valid for msgspec.
        if not isinstance(value, int if is_integer else (int, float)) or isinstance(value, bool):
            continue
        if -(2**63) <= value < 2**63 and (value > 0 or name != "multiple_of"):
            bounds[name] = literal(value)
    for strict, loose in (("gt", "ge"), ("lt", "le")):
        if strict in bounds:
            bounds.pop(loose, None)
    name = "int" if is_integer else "float"
    return PythonType(bounded(name, bounds), (schema["type"],))


def string(schema: Mapping[str, Json]) -> PythonType:
    """Return the type of a string, or of a type that JSON represents as a string."""
    if schema.get("contentEncoding") == "base64":
        return PythonType("bytes", ("string",), plain=False)
    format_name = str(schema.get("format"))
    if format_name in _FORMATS:
        return PythonType(_FORMATS[format_name], ("string",), plain=False)
    bounds = lengths(schema, "Length")
    pattern = schema.get("pattern")
    if isinstance(pattern, str) and _is_pattern(pattern):
        bounds["pattern"] = literal(pattern)
    return PythonType(bounded("str", bounds), ("string",))


def _is_pattern(text: str) -> bool:
    try:
        re.compile(text)
    except (re.error, RecursionError, OverflowError):
        return False
    return True


def lengths(schema: Mapping[str, Json], suffix: str) -> dict[str, str]:
    """Return the bounds of a length.

    :param suffix: the end of the keywords: ``Length``, ``Items`` or ``Properties``.
    """
    found = {f"{side}_length": schema.get(f"{side}{suffix}") for side in ("min", "max")}
    return {
        name: literal(bound) for name, bound in found.items() if type(bound) is int and 0 <= bound < 2**63
    }


def bounded(text: str, bounds: Mapping[str, str]) -> str:
    """Return a type with the bounds as :class:`msgspec.Meta`."""
    if not bounds:
        return text
    return f"Annotated[{text}, Meta({', '.join(f'{name}={bound}' for name, bound in bounds.items())})]"

"""The types of values that hold no others, for :mod:`unixsvc.stubs.types`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from unixsvc.stubs.text import literal

__all__ = ["PythonType", "bounded", "choice", "lengths", "mapping", "number", "sequence", "string", "unknown"]

_FORMATS: Final = {
    "date": "dt.date",
    "date-time": "Annotated[dt.datetime, Meta(tz=True)]",
    "decimal": "Decimal",
    "duration": "dt.timedelta",
    "partial-time": "Annotated[dt.time, Meta(tz=False)]",
    "time": "Annotated[dt.time, Meta(tz=True)]",
    "uuid": "UUID",
}
_NUMBERS: Final = {
    "minimum": "ge", "exclusiveMinimum": "gt", "maximum": "le", "exclusiveMaximum": "lt",
    "multipleOf": "multiple_of",
}  # fmt: skip


class PythonType(Struct, frozen=True):
    """A type, as the module writes it.

    :ivar text: valid where the module's own names are.
    :ivar families: what msgspec tells the members of a union apart by.
    :ivar plain: whether its values are what JSON has: no dates, no structs.
    :ivar notes: why it says less than the schema, if it does.
    """

    text: str
    families: tuple[str, ...] = ()
    plain: bool = True
    notes: tuple[str, ...] = ()


def unknown(reason: str) -> PythonType:
    """The type of what cannot be expressed."""
    return PythonType("Any", ("any",), notes=(reason,))


def mapping(value: Any) -> dict[str, Any]:
    """The value, if it is an object, else an empty one: a contract may be anything."""
    return value if isinstance(value, dict) else {}


def sequence(value: Any) -> list[Any]:
    """The value, if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def choice(schema: Mapping[str, Any]) -> PythonType | None:
    """The literals of a schema that has a list of values; None if there are no such literals, or no list."""
    values = [schema["const"]] if "const" in schema else sequence(schema.get("enum"))
    families = {str: "string", int: "integer", type(None): "null"}
    if not values or any(type(each) not in families for each in values):
        return None
    found = tuple(dict.fromkeys(families[type(each)] for each in values))
    texts = [literal(each) for each in dict.fromkeys(values) if each is not None]
    members = [f"Literal[{', '.join(texts)}]"] if texts else []
    return PythonType(" | ".join([*members, *(["None"] if None in values else [])]), found)


def number(schema: Mapping[str, Any]) -> PythonType:
    """The type of numbers, with their bounds."""
    whole = schema["type"] == "integer"
    bounds: dict[str, str] = {}
    for word, name in _NUMBERS.items():
        value = schema.get(word)
        # msgspec takes no others.
        if not isinstance(value, int if whole else (int, float)) or isinstance(value, bool):
            continue
        if -(2**63) <= value < 2**63 and (value > 0 or name != "multiple_of"):
            bounds[name] = literal(value)
    for strict, loose in (("gt", "ge"), ("lt", "le")):
        if strict in bounds:
            bounds.pop(loose, None)
    name = "int" if whole else "float"
    return PythonType(bounded(name, bounds), (schema["type"],))


def string(schema: Mapping[str, Any]) -> PythonType:
    """The type of texts, or of what JSON writes as a text."""
    if schema.get("contentEncoding") == "base64":
        return PythonType("bytes", ("string",), plain=False)
    form = str(schema.get("format"))
    if form in _FORMATS:
        return PythonType(_FORMATS[form], ("string",), plain=False)
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


def lengths(schema: Mapping[str, Any], of: str) -> dict[str, str]:
    """The bounds of a length.

    :param of: whose; the end of the schema's words.
    """
    found = {f"{side}_length": schema.get(f"{side}{of}") for side in ("min", "max")}
    return {name: literal(each) for name, each in found.items() if type(each) is int and 0 <= each < 2**63}


def bounded(text: str, bounds: Mapping[str, str]) -> str:
    """A type with what :class:`msgspec.Meta` says of it."""
    if not bounds:
        return text
    return f"Annotated[{text}, Meta({', '.join(f'{name}={each}' for name, each in bounds.items())})]"

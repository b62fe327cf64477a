"""Path patterns and the types of their variables."""

from __future__ import annotations

import math
import re
import uuid
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Final, Literal, get_args, get_origin

from msgspec import Struct

from unixsvc.domain.validation.type_forms import TypeForm
from unixsvc.errors import ConfigError

__all__ = ["PATH_TYPES", "REST", "PathType", "Variable", "parse_pattern", "variables_of"]

_VARIABLE = re.compile(r"\{(?P<name>[^{}:]*)(?::(?P<kind>[^{}]*))?\}")
_NUMBER = re.compile(r"-?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class PathType(Struct, frozen=True):
    """A type of path variables.

    :ivar type: the type of the values.
    :ivar others: the other types to which every value, or some, can be converted.
    :ivar convert: converts a segment; returns None if the segment does not match.
    """

    type: type
    others: tuple[TypeForm, ...]
    convert: Callable[[str], object | None]

    def can_become(self, member: TypeForm) -> bool:
        """Return whether some values can be converted to a type that is no union."""
        if get_origin(member) is Literal:
            return any(type(value) in (self.type, *self.others) for value in get_args(member))
        if isinstance(member, type) and issubclass(member, Enum):
            return any(type(each.value) in (self.type, *self.others) for each in member)
        return member in (self.type, *self.others, Any, object)


class Variable(Struct, frozen=True):
    """A variable of a pattern.

    :ivar kind: a key of :data:`PATH_TYPES`.
    """

    name: str
    kind: str


def _convert_text(segment: str) -> str | None:
    return segment or None


def _convert_int(segment: str) -> int | None:
    digits = segment.removeprefix("-")
    # 18 digits always fit into 64 bits, the limit of databases and other languages.
    if digits.isdecimal() and digits.isascii() and len(digits) <= 18:
        return int(segment)
    return None


def _convert_float(segment: str) -> float | None:
    # float() also accepts spaces, underscores and the digits of other scripts.
    if _NUMBER.fullmatch(segment) is None:
        return None
    value = float(segment)
    return value if math.isfinite(value) else None


def _convert_uuid(segment: str) -> uuid.UUID | None:
    # UUID() also accepts braces, and hyphens and underscores in other places.
    return uuid.UUID(segment) if _UUID.fullmatch(segment) else None


REST: Final = "path"
"""The type of a variable that matches the rest of the path, including slashes."""

# Types that JSON writes as text; from text numbers are read, too.
_FROM_TEXT: Final = (
    bool, bytearray, bytes, date, datetime, Decimal, float, int, memoryview, time, timedelta, type(None),
    uuid.UUID,
)  # fmt: skip

# The order is the order of matching, from the narrowest to the widest type.
PATH_TYPES: Final[dict[str, PathType]] = {
    "uuid": PathType(uuid.UUID, (), _convert_uuid),
    "int": PathType(int, (float, Decimal), _convert_int),
    "float": PathType(float, (Decimal,), _convert_float),
    "str": PathType(str, _FROM_TEXT, _convert_text),
    REST: PathType(str, _FROM_TEXT, _convert_text),
}


def variables_of(pattern: str) -> dict[str, Variable]:
    """Return the variables of a pattern by name, in the order of the pattern.

    :raises ConfigError: if the pattern is invalid.
    """
    variables: dict[str, Variable] = {}
    for segment in parse_pattern(pattern):
        if isinstance(segment, Variable):
            if segment.name in variables:
                raise ConfigError(pattern, f"has two variables named {segment.name!r}")
            variables[segment.name] = segment
    return variables


def parse_pattern(pattern: str) -> list[str | Variable]:
    """Split a pattern into its segments.

    :raises ConfigError: if the pattern is invalid.
    """
    if not pattern.startswith("/"):
        raise ConfigError(repr(pattern), "is not a path", "a path starts with '/'")
    segments: list[str | Variable] = []
    for text in pattern.split("/")[1:]:
        match = _VARIABLE.fullmatch(text)
        if match is None and ("{" in text or "}" in text):
            remedy = "a variable is a whole segment: /{name:type}/"
            raise ConfigError(pattern, f"{text!r} is not a variable", remedy)
        segments.append(text if match is None else _parse_variable(pattern, match))
    if any(isinstance(segment, Variable) and segment.kind == REST for segment in segments[:-1]):
        raise ConfigError(pattern, f"continues after a variable of the type {REST!r}", "put it last")
    return segments


def _parse_variable(pattern: str, match: re.Match[str]) -> Variable:
    name, kind = match["name"], match["kind"] or "str"
    if not name.isidentifier():
        raise ConfigError(pattern, f"{name!r} is not a valid name for a variable")
    if kind not in PATH_TYPES:
        remedy = f"the types are {', '.join(PATH_TYPES)}"
        raise ConfigError(pattern, f"{kind!r} is not a type of variables", remedy)
    return Variable(name, kind)

"""Finds what answers a path: a walk down a tree of segments, whose cost does not grow with the routes."""

from __future__ import annotations

import math
import re
import uuid
from collections.abc import Callable, Iterator
from typing import Any, Final, Generic, TypeVar
from urllib.parse import unquote

from msgspec import Struct

from unixsvc.errors import ConfigError, Malformed, MethodNotAllowed, NotFound

__all__ = ["PATH_TYPES", "PathType", "Table", "Variable", "variables_of"]

Leaf = TypeVar("Leaf")

_VARIABLE = re.compile(r"\{(?P<name>[^{}:]*)(?::(?P<kind>[^{}]*))?\}")
_NUMBER = re.compile(r"-?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class PathType(Struct, frozen=True):
    """What a variable accepts: the type of its values, and from text to a value, or to None."""

    type: type
    convert: Callable[[str], Any]


class Variable(Struct, frozen=True):
    """A variable of a pattern."""

    name: str
    kind: str


def _text(segment: str) -> str | None:
    return segment or None


def _integer(segment: str) -> int | None:
    digits = segment.removeprefix("-")
    # 18 digits always fit into 64 bits, which is all that databases and other languages have.
    if digits.isdecimal() and digits.isascii() and len(digits) <= 18:
        return int(segment)
    return None


def _number(segment: str) -> float | None:
    # float() takes spaces, underscores and the digits of every script as well.
    if _NUMBER.fullmatch(segment) is None:
        return None
    value = float(segment)
    return value if math.isfinite(value) else None


def _uuid(segment: str) -> uuid.UUID | None:
    # UUID() takes hyphens, underscores and braces nearly anywhere.
    return uuid.UUID(segment) if _UUID.fullmatch(segment) else None


# In the order in which they are tried where several could match: the narrowest first. "path" takes all
# that is left of the path.
PATH_TYPES: Final[dict[str, PathType]] = {
    "uuid": PathType(uuid.UUID, _uuid),
    "int": PathType(int, _integer),
    "float": PathType(float, _number),
    "str": PathType(str, _text),
    "path": PathType(str, _text),
}
_ORDER: Final = list(PATH_TYPES)


class _Node(Generic[Leaf]):
    """Where paths go on, or end.

    :ivar segments: of the variables, those that take one segment: how to convert it, and where that leads.
    """

    __slots__ = ("leaves", "segments", "statics", "variables")

    def __init__(self) -> None:
        self.statics: dict[str, _Node[Leaf]] = {}
        self.variables: list[tuple[str, Callable[[str], Any], _Node[Leaf]]] = []
        self.segments: list[tuple[Callable[[str], Any], _Node[Leaf]]] = []
        self.leaves: dict[str, Leaf] = {}


class Table(Generic[Leaf]):
    """Patterns and methods, each with something that answers.

    :param reserved: a first segment that no variable stands for.
    """

    def __init__(self, reserved: str | None = None) -> None:
        self._root: _Node[Leaf] = _Node()
        self._static = {"": self._root}  # what can be reached without a variable, by its path
        self._reserved = reserved

    def add(self, method: str, pattern: str, leaf: Leaf) -> None:
        """Enter a route.

        :raises ConfigError: if the pattern is wrong, or taken.
        """
        node, path = self._root, ""
        for segment in _segments_of(pattern):
            static = self._static.get(path) is node and isinstance(segment, str)
            node = self._child(node, segment)
            if static:
                path = f"{path}/{segment}"
                self._static[path] = node
        if method in node.leaves:
            raise ConfigError(f"{method} {pattern}", "is defined twice", "two patterns match the same paths")
        node.leaves[method] = leaf

    def match(self, method: str, path: str) -> tuple[Leaf, tuple[Any, ...]]:
        """Find what answers, and the values of the pattern's variables, in their order.

        :raises NotFound: if there is no such path.
        :raises MethodNotAllowed: if the path is there, but not with this method.
        :raises Malformed: if a percent-escape is no UTF-8.
        """
        if "%" in path:
            return self._walk(method, _unquoted(path.split("/")))
        # Most paths have no variable, or one at the end: those are looked up, and need no walk.
        node = self._static.get(path)
        if node is not None:
            if (leaf := node.leaves.get(method)) is not None:
                return leaf, ()
        else:
            start, _, last = path.rpartition("/")
            if (node := self._static.get(start)) is not None:
                for convert, child in node.segments:
                    if (value := convert(last)) is not None:
                        if (leaf := child.leaves.get(method)) is not None:
                            return leaf, (value,)
                        break
        return self._walk(method, path.split("/"))

    def _walk(self, method: str, segments: list[str]) -> tuple[Leaf, tuple[Any, ...]]:
        node = self._root
        values: list[Any] = []
        for segment in segments[1:]:
            child = node.statics.get(segment)
            if child is None:
                for convert, candidate in node.segments:
                    if (value := convert(segment)) is not None:
                        values.append(value)
                        child = candidate
                        break
                else:
                    return self._search(method, segments)
            node = child
        leaf = node.leaves.get(method)
        # The first branch that fits is nearly always the one. Where it leads nowhere, try all.
        return self._search(method, segments) if leaf is None else (leaf, tuple(values))

    def methods(self, path: str) -> list[str]:
        """The methods that there are for a path, sorted; none if there is no such path.

        :raises Malformed: if a percent-escape is no UTF-8.
        """
        segments = path.split("/")
        if "%" in path:
            segments = _unquoted(segments)
        return sorted({method for leaves, _ in self._leaves(segments) for method in leaves})

    def knows(self, path: str) -> bool:
        """Whether there is such a path, with whatever method. Nearly always one walk tells, as in match()."""
        node = self._root
        if "%" in path:
            return bool(self.methods(path))
        for segment in path.split("/")[1:]:
            child = node.statics.get(segment)
            if child is None:
                for convert, candidate in node.segments:
                    if convert(segment) is not None:
                        child = candidate
                        break
                else:
                    return bool(self.methods(path))
            node = child
        return bool(node.leaves) or bool(self.methods(path))

    def _child(self, node: _Node[Leaf], segment: str | Variable) -> _Node[Leaf]:
        if isinstance(segment, str):
            return node.statics.setdefault(segment, _Node())
        for kind, _, child in node.variables:
            if kind == segment.kind:
                return child
        child = _Node()
        node.variables.append((segment.kind, PATH_TYPES[segment.kind].convert, child))
        node.variables.sort(key=lambda each: _ORDER.index(each[0]))
        node.segments = [(convert, each) for kind, convert, each in node.variables if kind != "path"]
        return child

    def _search(self, method: str, segments: list[str]) -> tuple[Leaf, tuple[Any, ...]]:
        allowed: set[str] = set()
        for leaves, values in self._leaves(segments):
            if method in leaves:
                return leaves[method], tuple(values)
            allowed.update(leaves)
        if allowed:
            raise MethodNotAllowed(sorted(allowed))
        raise NotFound

    def _leaves(self, segments: list[str]) -> Iterator[tuple[dict[str, Leaf], list[Any]]]:
        """All that matches, with the values of the variables."""
        root = self._root
        if segments[1:2] == [self._reserved]:
            root = _Node()
            root.statics = self._root.statics
        return _candidates(root, segments, 1, [])


def _candidates(
    node: _Node[Leaf], segments: list[str], at: int, values: list[Any]
) -> Iterator[tuple[dict[str, Leaf], list[Any]]]:
    if at == len(segments):
        if node.leaves:
            yield node.leaves, values
        return
    segment = segments[at]
    if segment in node.statics:
        yield from _candidates(node.statics[segment], segments, at + 1, values)
    for kind, convert, child in node.variables:
        end = len(segments) if kind == "path" else at + 1
        value = convert("/".join(segments[at:end]))
        if value is not None:
            yield from _candidates(child, segments, end, [*values, value])


def variables_of(pattern: str) -> dict[str, Variable]:
    """The variables of a pattern by name, in their order.

    :raises ConfigError: if the pattern is wrong.
    """
    found: dict[str, Variable] = {}
    for segment in _segments_of(pattern):
        if isinstance(segment, Variable):
            if segment.name in found:
                raise ConfigError(pattern, f"has two variables named {segment.name!r}")
            found[segment.name] = segment
    return found


def _segments_of(pattern: str) -> list[str | Variable]:
    if not pattern.startswith("/"):
        raise ConfigError(repr(pattern), "is no path", "a path starts with '/'")
    segments: list[str | Variable] = []
    for text in pattern.split("/")[1:]:
        variable = _VARIABLE.fullmatch(text)
        if variable is None and ("{" in text or "}" in text):
            raise ConfigError(
                pattern, f"{text!r} is no variable", "a variable is a whole segment: /{name:kind}/"
            )
        segments.append(text if variable is None else _variable(pattern, variable))
    if any(isinstance(each, Variable) and each.kind == "path" for each in segments[:-1]):
        raise ConfigError(pattern, "goes on after a variable of the kind 'path'", "put it last")
    return segments


def _variable(pattern: str, found: re.Match[str]) -> Variable:
    name, kind = found["name"], found["kind"] or "str"
    if not name.isidentifier():
        raise ConfigError(pattern, f"{name!r} is no name for a variable")
    if kind not in PATH_TYPES:
        raise ConfigError(pattern, f"{kind!r} is no kind of variable", f"there are {', '.join(PATH_TYPES)}")
    return Variable(name, kind)


def _unquoted(segments: list[str]) -> list[str]:
    try:
        return [unquote(each, errors="strict") for each in segments]
    except UnicodeDecodeError:
        raise Malformed("path: a percent-escape is no UTF-8") from None

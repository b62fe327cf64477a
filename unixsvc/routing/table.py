"""The route table: a tree of path segments. The cost of a lookup does not grow with the number of routes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, Generic, TypeAlias, TypeVar
from urllib.parse import unquote

from unixsvc.errors import ConfigError, Malformed, MethodNotAllowed, NotFound
from unixsvc.routing.pattern import PATH_TYPES, REST, Variable, parse_pattern

__all__ = ["Table"]

Leaf = TypeVar("Leaf")

_Convert: TypeAlias = Callable[[str], object | None]
_ORDER: Final = list(PATH_TYPES)


class _Node(Generic[Leaf]):
    """A position in paths.

    :ivar statics: the children for fixed segments.
    :ivar variables: the children for variables: type, conversion and node, in the order of matching.
    :ivar segments: those of ``variables`` that match one segment.
    :ivar leaves: the leaves of the paths that end here, by method.
    """

    __slots__ = ("leaves", "segments", "statics", "variables")

    def __init__(self) -> None:
        self.statics: dict[str, _Node[Leaf]] = {}
        self.variables: list[tuple[str, _Convert, _Node[Leaf]]] = []
        self.segments: list[tuple[_Convert, _Node[Leaf]]] = []
        self.leaves: dict[str, Leaf] = {}


class Table(Generic[Leaf]):
    """Maps methods and paths to leaves.

    :param reserved: a first segment that variables do not match.
    """

    def __init__(self, reserved: str | None = None) -> None:
        self._root: _Node[Leaf] = _Node()
        self._static = {"": self._root}  # the nodes of the paths without variables
        self._reserved = reserved

    def add(self, method: str, pattern: str, leaf: Leaf) -> None:
        """Add a route.

        :raises ConfigError: if the pattern is invalid, or if the route exists.
        """
        node, path = self._root, ""
        for segment in parse_pattern(pattern):
            static = self._static.get(path) is node and isinstance(segment, str)
            node = self._child(node, segment)
            if static:
                path = f"{path}/{segment}"
                self._static[path] = node
        if method in node.leaves:
            raise ConfigError(f"{method} {pattern}", "is defined twice", "two patterns match the same paths")
        node.leaves[method] = leaf

    def match(self, method: str, path: str) -> tuple[Leaf, tuple[object, ...]]:
        """Return the leaf of a path and the values of its variables, in the order of the pattern.

        :raises NotFound: if no route has the path.
        :raises MethodNotAllowed: if routes have the path, but not with this method.
        :raises Malformed: if a percent-escape is not UTF-8.
        """
        if "%" in path:
            return self._walk(method, _unquote(path.split("/")))
        # Most paths have no variable, or one in the last segment: two lookups find them without a walk.
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

    def _walk(self, method: str, segments: list[str]) -> tuple[Leaf, tuple[object, ...]]:
        node = self._root
        values: list[object] = []
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
        # The first matching branch nearly always has the route; otherwise all branches are searched.
        return self._search(method, segments) if leaf is None else (leaf, tuple(values))

    def methods(self, path: str) -> list[str]:
        """Return the sorted methods of a path; an empty list if no route has it.

        :raises Malformed: if a percent-escape is not UTF-8.
        """
        segments = path.split("/")
        if "%" in path:
            segments = _unquote(segments)
        return sorted({method for leaves, _ in self._leaves(segments) for method in leaves})

    def has_path(self, path: str) -> bool:
        """Return whether a route has the path, with any method.

        :raises Malformed: if a percent-escape is not UTF-8.
        """
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
        node.variables.sort(key=lambda variable: _ORDER.index(variable[0]))
        node.segments = [(convert, node) for kind, convert, node in node.variables if kind != REST]
        return child

    def _search(self, method: str, segments: list[str]) -> tuple[Leaf, tuple[object, ...]]:
        allowed: set[str] = set()
        for leaves, values in self._leaves(segments):
            if method in leaves:
                return leaves[method], tuple(values)
            allowed.update(leaves)
        if allowed:
            raise MethodNotAllowed(sorted(allowed))
        raise NotFound

    def _leaves(self, segments: list[str]) -> Iterator[tuple[dict[str, Leaf], list[object]]]:
        """Yield the leaves of all matching patterns, with the values of the variables."""
        root = self._root
        if segments[1:2] == [self._reserved]:
            root = _Node()
            root.statics = self._root.statics
        return _candidates(root, segments, 1, [])


def _candidates(
    node: _Node[Leaf], segments: list[str], at: int, values: list[object]
) -> Iterator[tuple[dict[str, Leaf], list[object]]]:
    if at == len(segments):
        if node.leaves:
            yield node.leaves, values
        return
    segment = segments[at]
    if segment in node.statics:
        yield from _candidates(node.statics[segment], segments, at + 1, values)
    for kind, convert, child in node.variables:
        end = len(segments) if kind == REST else at + 1
        value = convert("/".join(segments[at:end]))
        if value is not None:
            yield from _candidates(child, segments, end, [*values, value])


def _unquote(segments: list[str]) -> list[str]:
    try:
        return [unquote(segment, errors="strict") for segment in segments]
    except UnicodeDecodeError:
        raise Malformed("path: a percent-escape is not UTF-8") from None

"""The path items of an OpenAPI document. Pure."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote

from msgspec import Struct

from unixsvc.contract.model import RouteContract
from unixsvc.domain.json import JsonObject
from unixsvc.domain.websocket import WEBSOCKET

__all__ = ["OTHER_METHODS", "WEBSOCKETS", "OperationSlot", "PathItems", "default_tag"]

OTHER_METHODS: Final = "x-additionalOperations"
"""The member of a path item with operations whose methods OpenAPI 3.1 has no field for; named as in 3.2."""

WEBSOCKETS: Final = "x-websocket"
"""The member of a path item for a WebSocket, which OpenAPI has nothing for."""

_VARIABLE: Final = re.compile(r"\{([^{}:]*)(?::([^{}]*))?\}")
_SAFE: Final = "!$&'()*+,;=:@~"  # in a segment, beside letters, digits and -._ (RFC 3986)
_METHODS: Final = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"})


class OperationSlot(Struct, frozen=True):
    """The slot for one operation in a path item.

    :ivar variables: for each name in the document, the variable's name in the route, and its type.
    """

    item: JsonObject
    method: str
    variables: dict[str, tuple[str, str]]

    def fill(self, operation: JsonObject) -> None:
        """Put the operation there."""
        if self.method == WEBSOCKET:
            self.item[WEBSOCKETS] = operation
        elif self.method in _METHODS:
            self.item[self.method.lower()] = operation
        else:
            self.item.setdefault(OTHER_METHODS, {})[self.method] = operation


class _Item(Struct):
    """A path item: its key, the names of its variables, and the methods that it has."""

    key: str
    names: list[str]
    methods: set[str]


class PathItems:
    """The path items by their keys.

    In OpenAPI, paths that differ only in the names of their variables are the same, so routes of one shape
    share an item, with the names of the first one. Routes of one shape and one method may differ in the types
    of their variables, as ``/{id:int}`` and ``/{name}``. OpenAPI cannot express that: each has an item with
    names of its own.
    """

    def __init__(self) -> None:
        self.items: dict[str, JsonObject] = {}
        self._routes: set[tuple[str, str]] = set()
        self._shapes: dict[str, list[_Item]] = {}
        self._operation_ids: set[str] = set()

    def add_route(self, route: RouteContract) -> OperationSlot | None:
        """The slot for a route; None if the same route is there already."""
        segments = route.path.split("/")[1:]
        matches = [_VARIABLE.fullmatch(segment) for segment in segments]
        variables = [(match[1], match[2] or "str") for match in matches if match]
        shape = "/" + "/".join(
            "{}" if match else quote(segment, safe=_SAFE)
            for segment, match in zip(segments, matches, strict=True)
        )
        types = iter(variables)
        typed_shape = re.sub(r"\{\}", lambda _: f"{{:{next(types)[1]}}}", shape)
        if (route.method, typed_shape) in self._routes:
            return None
        self._routes.add((route.method, typed_shape))
        item = self._item_for(route.method, shape, variables)
        named = dict(zip(item.names, variables, strict=True))
        return OperationSlot(self.items.setdefault(item.key, {}), route.method, named)

    def operation_id(self, route: RouteContract) -> str:
        """A unique operationId, from method and path."""
        words = [route.method.lower()]
        for segment in route.path.split("/")[1:]:
            variable = _VARIABLE.fullmatch(segment)
            words.append(
                f"by_{variable[1]}" if variable else re.sub(r"[^A-Za-z0-9]+", "_", segment).strip("_")
            )
        stem = "_".join(filter(None, words))
        name, number = stem, 2
        while name in self._operation_ids:
            name, number = f"{stem}_{number}", number + 1
        self._operation_ids.add(name)
        return name

    def _item_for(self, method: str, shape: str, variables: list[tuple[str, str]]) -> _Item:
        items = self._shapes.setdefault(shape, [])
        for item in items:
            if method not in item.methods:
                item.methods.add(method)
                return item
        taken = {item.key for item in items}
        names = [name for name, _ in variables]
        number = 2
        while (key := _with_names(shape, names)) in taken:
            names = [
                f"{name}_{type_}" if number == 2 else f"{name}_{type_}_{number}" for name, type_ in variables
            ]
            number += 1
        items.append(_Item(key, names, {method}))
        return items[-1]


def default_tag(path: str) -> str:
    """The tag of a route without tags: the first segment; empty if that is a variable."""
    first = path.split("/")[1]
    return "" if _VARIABLE.fullmatch(first) else first


def _with_names(shape: str, names: list[str]) -> str:
    remaining = iter(names)
    return re.sub(r"\{\}", lambda _: f"{{{next(remaining)}}}", shape)

"""What a service promises: its routes with JSON Schemas of arguments and results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from unixsvc.routing.binding import Signature
from unixsvc.routing.route import Route

__all__ = ["Promise", "describe"]


class Promise(Struct, frozen=True):
    """One route as it stands in the table: the whole path, and what the action takes and gives."""

    path: str
    route: Route
    signature: Signature


def describe(title: str, version: str, promises: Sequence[Promise]) -> dict[str, Any]:
    """The contract as plain data.

    :returns: ``title``, ``version``, ``schemas`` by name, and ``routes``: of each the ``method``,
        ``path``, ``title``, ``description``, ``public``, ``meta``, ``stream`` (whether it is one), and the
        schemas ``path_arguments`` (by name), ``data`` (None if it takes none) and ``result`` (of a stream:
        of each item).
    :raises TypeError: if a result is of a type that cannot become JSON.
    """
    kinds: list[Any] = []
    for each in promises:
        kinds += [*each.signature.path.values(), each.signature.returns]
        kinds += [each.signature.data] if each.signature.data else []
    schemas, components = msgspec.json.schema_components(kinds, ref_template="#/schemas/{name}")
    # The parameters of one action have no name of their own that could be referred to.
    remaining = iter(schemas)
    routes = []
    for each in promises:
        path = {name: next(remaining) for name in each.signature.path}
        result = next(remaining)
        data = next(remaining) if each.signature.data else None
        routes.append(_describe_route(each, path, data, result))
    return {"title": title, "version": version, "routes": routes, "schemas": components}


def _describe_route(promise: Promise, path: dict[str, Any], data: Any, result: Any) -> dict[str, Any]:
    route = promise.route
    return {
        "method": route.method,
        "path": promise.path,
        "title": route.title,
        "description": route.description,
        "public": route.public,
        "meta": route.meta,
        "stream": promise.signature.stream,
        "path_arguments": path,
        "data": data,
        "result": result,
    }

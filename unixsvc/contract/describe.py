"""What a service promises: its routes with JSON Schemas of arguments and results."""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from itertools import chain, repeat
from typing import Any, Final

import msgspec
from msgspec import Struct

from unixsvc.errors import ServiceError
from unixsvc.routing.route import Route
from unixsvc.routing.signature import Signature

__all__ = ["RouteDescription", "describe"]

_REFERENCE: Final = "#/schemas/"


class RouteDescription(Struct, frozen=True):
    """One route as it stands in the table: the whole path, and what the action takes and gives."""

    path: str
    route: Route
    signature: Signature


def describe(title: str, version: str, promises: Sequence[RouteDescription]) -> dict[str, Any]:
    """The contract as plain data.

    :returns: ``title``, ``version``, ``schemas`` by name, and ``routes``: of each the ``method``,
        ``path``, ``title``, ``description``, ``public``, ``deprecated``, ``tags``, ``errors`` (by rising
        ``code``, with the standard ``message`` and what it means there as ``description``), ``meta``,
        ``stream`` (whether it is one), ``created`` (whether it makes something), and the schemas
        ``path_arguments`` (by name), ``data`` (None if it takes none) and ``result`` (of a stream: of each
        item). Always the same for the same application, byte for byte: sets are sorted.
    :raises TypeError: if a result is of a type that cannot become JSON.
    """
    kinds: list[Any] = []
    for each in promises:
        kinds += [*each.signature.path.values(), each.signature.returns]
        kinds += [each.signature.data] if each.signature.data else []
    schemas, components = msgspec.json.schema_components(kinds, ref_template=_REFERENCE + "{name}")
    for each in components.values():
        _order_defaults(each, components)
        if "description" in each:
            each["description"] = _for_callers(each["description"])
    # The parameters of one action have no name of their own that could be referred to.
    remaining = iter(schemas)
    routes = []
    for each in promises:
        path = {name: next(remaining) for name in each.signature.path}
        result = next(remaining)
        data = next(remaining) if each.signature.data else None
        routes.append(_describe_route(each, path, data, result))
    return {"title": title, "version": version, "routes": routes, "schemas": components}


def _describe_route(
    promise: RouteDescription, path: dict[str, Any], data: Any, result: Any
) -> dict[str, Any]:
    route = promise.route
    return {
        "method": route.method,
        "path": promise.path,
        "title": route.title,
        "description": route.description or _told_by(route.action),
        "public": route.public,
        "deprecated": route.deprecated,
        "tags": list(route.tags),
        "errors": [_describe_error(each) for each in sorted(route.errors, key=lambda each: each.code)],
        "meta": msgspec.to_builtins(route.meta, str_keys=True, order="deterministic"),
        "stream": promise.signature.stream,
        "created": promise.signature.created,
        "path_arguments": path,
        "data": data,
        "result": result,
    }


def _describe_error(error: type[ServiceError]) -> dict[str, Any]:
    # Up to the first empty line: what follows it explains parameters to whoever raises it.
    description = (inspect.getdoc(error) or "").partition("\n\n")[0]
    return {"code": error.code, "message": error.message, "description": description.replace("\n", " ")}


def _told_by(action: Any) -> str:
    return _for_callers(inspect.getdoc(action) or "")


def _for_callers(docstring: str) -> str:
    """A docstring, up to the fields and directives that are for whoever reads the code."""
    text = inspect.cleandoc(docstring)
    return re.split(r"\n(?::|\.\. )", f"\n{text}", maxsplit=1)[0].strip()


def _order_defaults(schema: dict[str, Any], components: dict[str, Any]) -> None:
    """Sort what has been a set in the defaults of a struct's fields."""
    fields = schema.get("properties", {}).values() or schema.get("prefixItems", [])
    for field in fields:
        if "default" in field:
            field["default"] = _ordered(field["default"], field, components)


def _ordered(value: Any, schema: Any, components: dict[str, Any]) -> Any:
    """A value in which each list that its schema says to be a set is sorted."""
    if not isinstance(schema, dict):  # true or false: nothing is known of it
        return value
    if "$ref" in schema:
        return _ordered(value, components.get(schema["$ref"].removeprefix(_REFERENCE)), components)
    for each in schema.get("anyOf", []):
        value = _ordered(value, each, components)
    if isinstance(value, dict):
        known, others = schema.get("properties", {}), schema.get("additionalProperties")
        return {name: _ordered(each, known.get(name, others), components) for name, each in value.items()}
    if isinstance(value, list | tuple):
        kinds = chain(schema.get("prefixItems", []), repeat(schema.get("items")))
        items = [_ordered(each, kind, components) for each, kind in zip(value, kinds, strict=False)]
        return _sorted(items) if schema.get("uniqueItems") else items
    return value


def _sorted(items: list[Any]) -> list[Any]:
    try:
        return sorted(items)
    except TypeError:  # of several kinds, which have no order among them
        return sorted(items, key=msgspec.json.encode)

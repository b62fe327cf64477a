"""The OpenAPI parameters of an operation, and request bodies that are no JSON objects. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from unixsvc.contract.model import RouteContract
from unixsvc.domain.body_spec import BodyKind
from unixsvc.domain.json import Json, JsonObject

__all__ = ["parameter", "route_parameters", "special_body"]

_PLACES: Final = ("query", "header", "cookie")
# OpenAPI ignores parameters with these names, and has other fields for what they say.
_IGNORED: Final = frozenset({"accept", "authorization", "content-type"})
_FORMS: Final = (BodyKind.TEXT_FORM.value, BodyKind.FORM.value)
_BYTES: Final = "application/octet-stream"


def parameter(name: str, location: str, schema: Json, *, required: bool) -> JsonObject:
    """The parameter object; what the schema says of it is not part of the schema."""
    found: JsonObject = {"name": name, "in": location}
    if isinstance(schema, dict):
        moved = {field: schema[field] for field in ("description", "deprecated") if field in schema}
        found |= moved
        schema = {field: value for field, value in schema.items() if field not in moved}
    return found | {"required": required, "schema": schema}


def route_parameters(route: RouteContract, rewrite: Callable[[Json], Json]) -> list[JsonObject]:
    """The parameters from header fields, from cookies, and from the query beside a body."""
    found = []
    for each in sorted(
        route.parameters, key=lambda each: _PLACES.index(each.place) if each.place in _PLACES else 9
    ):
        if each.place not in _PLACES or (each.place == "header" and each.name in _IGNORED):
            continue
        described = parameter(each.name, each.place, rewrite(each.schema), required=each.required)
        if each.description:
            described["description"] = each.description
        if each.examples:
            described["schema"] = described["schema"] | {"examples": each.examples}
        found.append(described)
    return found


def special_body(route: RouteContract, data: Json) -> JsonObject | None:
    """The request body of a route that does not take an object; None for one that does.

    :param data: the schema of the data.
    """
    body = route.body
    if body is None or body.kind in _FORMS:
        return None
    if body.kind == BodyKind.ANY_JSON.value:
        content: JsonObject = {media_type: {"schema": data} for media_type in body.media_types}
        return {"content": content, "required": body.required}
    return {
        "description": "Any media type is accepted.",
        "content": {media_type: {} for media_type in body.media_types or [_BYTES]},
        "required": body.required,
    }

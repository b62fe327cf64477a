"""The request bodies of routes that take files. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from unixsvc.contract.model import ParameterContract, RouteContract
from unixsvc.domain.json import Json, JsonObject
from unixsvc.rest.openapi.schemas import Schemas

__all__ = ["form_body", "takes_upload"]

_MULTIPART: Final = "multipart/form-data"


def takes_upload(route: RouteContract) -> bool:
    """Whether the body arrives while the action runs."""
    return any(each.http_only and each.place in ("form", "body") for each in route.parameters)


def form_body(
    route: RouteContract, data: Json, schemas: Schemas, rewrite: Callable[[Json], Json]
) -> JsonObject | None:
    """The request body of a route that takes files; None for other routes.

    :param data: the schema of the text fields beside them; None without any.
    :param rewrite: rewrites the references of a schema.
    """
    files = [each for each in route.parameters if each.http_only and each.place == "form"]
    if not files:
        return None
    text: JsonObject = {} if data is None else schemas.resolve(data)
    required = [*text.get("required", []), *(each.name for each in files if each.required)]
    schema: JsonObject = {
        "type": "object",
        "propertyNames": {"pattern": "^[^\\u0000]*$"},  # they are in the heads of parts
        "properties": {**text.get("properties", {}), **{each.name: _file(each, rewrite) for each in files}},
    }
    if required:
        schema["required"] = required
    return {"content": {_MULTIPART: {"schema": schema}}, "required": bool(required)}


def _file(parameter: ParameterContract, rewrite: Callable[[Json], Json]) -> JsonObject:
    schema: JsonObject = dict(rewrite(parameter.schema))
    return schema | {"description": parameter.description} if parameter.description else schema

"""The request bodies of routes that take files, and the names in such forms. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from unixsvc.contract.model import ParameterContract, RouteContract
from unixsvc.domain.json import Json, JsonObject
from unixsvc.rest.openapi.schemas import Schemas

__all__ = ["FORMS", "form_body", "form_content", "takes_upload"]

_MULTIPART: Final = "multipart/form-data"
FORMS: Final = ("application/x-www-form-urlencoded", _MULTIPART)
"""The media types of forms."""

# What names can be in the heads of parts.
_PART_NAMES: Final[JsonObject] = {"propertyNames": {"pattern": "^[^\\u0000]*$"}}


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
        **_PART_NAMES,
        "properties": {**text.get("properties", {}), **{each.name: _file(each, rewrite) for each in files}},
    }
    if required:
        schema["required"] = required
    content = {"schema": schema, **_list_encoding(text, schemas)}
    return {"content": {_MULTIPART: content}, "required": bool(required)}


def form_content(media_type: str, schema: JsonObject, schemas: Schemas) -> JsonObject:
    """The Media Type Object of a form without files.

    :param schema: of the fields; a reference, mostly.
    """
    names = schema | _PART_NAMES if media_type == _MULTIPART else schema
    return {"schema": names, **_list_encoding(schemas.resolve(schema), schemas)}


def _list_encoding(form: JsonObject, schemas: Schemas) -> JsonObject:
    """The Encoding Objects of lists of text, of which each item is a field of the same name.

    OpenAPI has this as the default, but Swagger UI joins the items with commas.
    """
    lists = [name for name, each in form.get("properties", {}).items() if _may_be_list(each, schemas)]
    return {"encoding": {name: {"style": "form", "explode": True} for name in lists}} if lists else {}


def _may_be_list(schema: Json, schemas: Schemas) -> bool:
    known = schemas.resolve(schema)
    return any(schemas.resolve(each).get("type") == "array" for each in known.get("anyOf", [known]))


def _file(parameter: ParameterContract, rewrite: Callable[[Json], Json]) -> JsonObject:
    schema: JsonObject = dict(rewrite(parameter.schema))
    return schema | {"description": parameter.description} if parameter.description else schema

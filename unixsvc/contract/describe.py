"""Builds the contract of a service from its routes."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain, repeat
from typing import Any, Final

import msgspec
from msgspec import Struct

from unixsvc.contract.model import (
    BodyContract,
    Contract,
    ErrorContract,
    MessageContract,
    ParameterContract,
    ResponseContract,
    RouteContract,
    WebSocketContract,
    referenced_schema,
)
from unixsvc.contract.schemas import TypeUse, json_schemas
from unixsvc.domain.json import Json, JsonObject
from unixsvc.errors import ServiceError

__all__ = ["ParameterDescription", "RouteDescription", "WebSocketDescription", "describe"]

# The messages of WebSockets that are no JSON, by their types.
_KINDS: Final[Mapping[object, tuple[str, ...]]] = {
    str: ("text",), bytes: ("binary",), str | bytes: ("text", "binary"), bytes | str: ("text", "binary"),
}  # fmt: skip


class ParameterDescription(Struct, frozen=True):
    """A parameter that is neither in the path nor in the data.

    :ivar name: as clients write it.
    :ivar place: ``header``, ``cookie``, ``query`` or ``form``.
    :ivar type: of its values; None for a file.
    :ivar http_only: whether it exists over HTTP only.
    :ivar alone: whether the action refuses, or keeps, everything else from the place.
    """

    name: str
    place: str
    type: object
    required: bool = True
    description: str = ""
    examples: tuple[object, ...] = ()
    http_only: bool = False
    alone: bool = False


class WebSocketDescription(Struct, frozen=True):
    """The messages of a WebSocket.

    :ivar receives: the type of the messages from the client.
    :ivar sends: the type of the messages to the client.
    """

    receives: object
    sends: object


class RouteDescription(Struct, frozen=True, kw_only=True):
    """A route with the types of its action.

    :ivar path: the whole path.
    :ivar description: if empty, the docstring of the action is used.
    :ivar sunset: when the route will be removed, in the format of ISO 8601; empty if that is not planned.
    :ivar errors: the declared errors.
    :ivar allow_nan_as_null: true if floats of the result may be null.
    :ivar path_arguments: the types of the path variables by name.
    :ivar data: the type of the data; None if the action takes no data.
    :ivar result: the type of the result; of a stream, of each item.
    :ivar security: how a request can be admitted, as in OpenAPI.
    :ivar parameters: those that are neither in the path nor in the data.
    :ivar response: the HTTP response; None for 200 and JSON.
    :ivar websocket: the messages, if the route is a WebSocket.
    :ivar body: how the route takes the body; None for an object.
    """

    method: str
    path: str
    action: Callable[..., object]
    title: str = ""
    description: str = ""
    public: bool = False
    deprecated: bool = False
    sunset: str = ""
    tags: Sequence[str] = ()
    errors: Sequence[type[ServiceError]] = ()
    meta: Mapping[Any, object] = {}
    stream: bool = False
    created: bool = False
    allow_nan_as_null: bool = False
    path_arguments: Mapping[str, object] = {}
    data: object = None
    result: object
    security: list[dict[str, list[str]]] | None = None
    parameters: Sequence[ParameterDescription] = ()
    response: ResponseContract | None = None
    websocket: WebSocketDescription | None = None
    body: BodyContract | None = None


def describe(
    title: str,
    version: str,
    routes: Sequence[RouteDescription],
    security_schemes: JsonObject | None = None,
) -> Contract:
    """Build the contract.

    Its encoding is the same in every process for the same application, byte for byte: sets are sorted.

    :param title: the title of the application.
    :param version: the version of the application.
    :param routes: the routes in the order of the contract.
    :param security_schemes: how users authenticate, by the name of the scheme.
    :raises TypeError: if a type has no JSON Schema.
    """
    types: list[TypeUse] = []
    for route in routes:
        types += [TypeUse(each) for each in route.path_arguments.values()]
        types.append(TypeUse(route.result, route.allow_nan_as_null, output=True))
        types += [TypeUse(route.data)] if route.data is not None else []
        types += [TypeUse(each.type) for each in route.parameters if each.type is not None]
        if route.websocket is not None and route.websocket.receives not in _KINDS:
            types.append(TypeUse(route.websocket.receives))
        if route.websocket is not None and route.websocket.sends not in _KINDS:
            types.append(TypeUse(route.websocket.sends, output=True))
    schemas, components = json_schemas(types)
    for component in components.values():
        _sort_defaults(component, components)
        if "description" in component:
            component["description"] = _without_fields(component["description"])
    # Schemas of the arguments of one action have no names: they are consumed in the order of their types.
    # A discriminator has integers as keys where the tags of a union are integers; JSON has strings.
    remaining = iter(_to_json(schemas))
    described = [_describe_route(route, remaining) for route in routes]
    return Contract(
        title=title,
        version=version,
        routes=described,
        schemas=_to_json(components),
        security_schemes=security_schemes or {},
    )


def _describe_route(route: RouteDescription, schemas: Iterator[Json]) -> RouteContract:
    path_arguments = {name: next(schemas) for name in route.path_arguments}
    result = next(schemas)
    data = next(schemas) if route.data is not None else None
    parameters = [
        _describe_parameter(each, None if each.type is None else next(schemas)) for each in route.parameters
    ]
    websocket = None
    if route.websocket is not None:
        receives = _describe_messages(route.websocket.receives, schemas)
        websocket = WebSocketContract(
            receives=receives, sends=_describe_messages(route.websocket.sends, schemas)
        )
    return RouteContract(
        method=route.method,
        path=route.path,
        title=route.title,
        description=route.description or _without_fields(inspect.getdoc(route.action) or ""),
        public=route.public,
        deprecated=route.deprecated,
        sunset=route.sunset,
        tags=list(route.tags),
        errors=[_describe_error(error) for error in sorted(route.errors, key=lambda error: error.code)],
        meta=msgspec.to_builtins(route.meta, str_keys=True, order="deterministic"),
        stream=route.stream,
        created=route.created,
        path_arguments=path_arguments,
        data=data,
        result=result,
        parameters=parameters,
        security=route.security,
        response=route.response,
        http_only=(route.response is not None and route.response.file)
        or any(each.http_only for each in route.parameters),
        websocket=websocket,
        body=route.body,
    )


def _describe_messages(type_form: object, schemas: Iterator[Json]) -> MessageContract:
    kinds = _KINDS.get(type_form)
    if kinds is None:
        return MessageContract(kinds=["json"], schema=next(schemas))
    return MessageContract(kinds=[*kinds])


def _describe_parameter(parameter: ParameterDescription, schema: Json) -> ParameterContract:
    return ParameterContract(
        name=parameter.name,
        place=parameter.place,
        required=parameter.required,
        schema=schema,
        description=parameter.description,
        examples=[msgspec.to_builtins(example) for example in parameter.examples],
        http_only=parameter.http_only,
    )


def _describe_error(error: type[ServiceError]) -> ErrorContract:
    # The first paragraph is for callers; the others explain parameters to authors of actions.
    description = (inspect.getdoc(error) or "").partition("\n\n")[0]
    return ErrorContract(error.code, error.message, description.replace("\n", " "))


def _to_json(value: Json) -> Json:
    return msgspec.to_builtins(value, str_keys=True)


def _without_fields(docstring: str) -> str:
    """Return a docstring up to its fields and directives, which are for readers of the code."""
    text = inspect.cleandoc(docstring)
    return re.split(r"\n(?::|\.\. )", f"\n{text}", maxsplit=1)[0].strip()


def _sort_defaults(schema: JsonObject, components: JsonObject) -> None:
    """Sort the sets among the defaults of a struct's fields, in place."""
    fields = schema.get("properties", {}).values() or schema.get("prefixItems", [])
    for field in fields:
        if "default" in field:
            field["default"] = _sort_sets(field["default"], field, components)


def _sort_sets(value: Json, schema: Json, components: JsonObject) -> Json:
    """Return the value with each list sorted that is a set according to the schema."""
    if not isinstance(schema, dict):  # true and false are schemas, too
        return value
    if "$ref" in schema:
        return _sort_sets(value, components.get(referenced_schema(schema)), components)
    for option in schema.get("anyOf", []):
        value = _sort_sets(value, option, components)
    if isinstance(value, dict):
        properties, others = schema.get("properties", {}), schema.get("additionalProperties")
        return {
            name: _sort_sets(field, properties.get(name, others), components) for name, field in value.items()
        }
    if isinstance(value, list | tuple):
        schemas = chain(schema.get("prefixItems", []), repeat(schema.get("items")))
        items = [
            _sort_sets(item, item_schema, components)
            for item, item_schema in zip(value, schemas, strict=False)
        ]
        return _sorted(items) if schema.get("uniqueItems") else items
    return value


def _sorted(items: list[Json]) -> list[Json]:
    try:
        return sorted(items)
    except TypeError:  # items of several types have no order
        return sorted(items, key=msgspec.json.encode)

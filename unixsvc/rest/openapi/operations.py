"""One route of a contract as an operation of OpenAPI."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec import Struct

from unixsvc.contract.model import RouteContract
from unixsvc.rest.openapi.responses import failures, success
from unixsvc.rest.openapi.schemas import Schemas, is_flat, may_be_null, without_null

__all__ = ["BEARER", "PARAMETERS", "RouteLocation", "operation"]

BEARER: Final = "bearer"
JSON: Final = "application/json"
FORM: Final = "application/x-www-form-urlencoded"

_WITH_BODY: Final = frozenset({"PATCH", "POST", "PUT"})
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_DIGITS: Final = 10**18 - 1  # what a variable of the kind "int" takes, see unixsvc.routing.table
_KINDS: Final[dict[str, dict[str, Any]]] = {
    "int": {"minimum": -_DIGITS, "maximum": _DIGITS},
    "path": {"minLength": 1},
    "str": {"minLength": 1},
}

PARAMETERS: Final[dict[str, Any]] = {
    "If-None-Match": {
        "name": "If-None-Match",
        "in": "header",
        "description": "The `ETag` of an earlier answer: where it is still the same, the answer is 304.",
        "schema": {"type": "string"},
    },
    # The gateway takes any number above 0. But programs make up requests from this, and what it says to be
    # valid should be answered, while a request that has a microsecond is 504.
    "X-Request-Timeout": {
        "name": "X-Request-Timeout",
        "in": "header",
        "description": "For how many seconds the caller waits: half of one at least.",
        "schema": {"type": "string", "pattern": r"^(0\.[5-9]|[1-9][0-9]{0,4}(\.[0-9])?)$", "examples": ["5"]},
    },
    # This is no parameter of an operation: of made-up requests, many would have the same key and different
    # data, which is 422. Operations name it under "x-headers".
    "Idempotency-Key": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "Made up by the caller for each thing to be done once. A request that is sent again "
        "with it gets the first one's answer, and is not done again.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    },
}


class RouteLocation(Struct, frozen=True):
    """Where a route stands.

    :ivar variables: of the path: by the names that they have in the document, the route's own names and the
        kinds.
    :ivar mounted: whether another service answers it.
    :ivar schemas: all that there are.
    :ivar rewrite: makes schemas of the route's contract refer to those.
    """

    variables: Mapping[str, tuple[str, str]]
    mounted: bool
    schemas: Schemas
    rewrite: Callable[[Any], Any]


def operation(
    route: RouteContract, place: RouteLocation, *, token: str, tag: str, name: str
) -> dict[str, Any]:
    """An operation object.

    :param token: who needs one: ``required`` for all operations, ``private`` for those that are not public,
        or ``off``.
    :param tag: where the route has none of its own.
    :param name: the operationId.
    """
    data = place.rewrite(route.data)
    query, body = _split(route.method, data, place.schemas)
    secured = token == "required" or (token == "private" and (place.mounted or not route.public))
    found: dict[str, Any] = {
        "operationId": name,
        "tags": list(route.tags) or [tag],
        "summary": route.title,
        "description": route.description,
        "deprecated": route.deprecated,
        "parameters": [*_path(route, place), *query, *_headers(route)],
        "requestBody": body,
        "x-headers": _keys(route),
        "responses": _success(route, place)
        | failures(
            _codes(route, place, data=data is not None, body=bool(body), secured=secured), route.errors
        ),
    }
    found = {field: value for field, value in found.items() if value}
    return found | {"security": [{BEARER: []}] if secured else []}


def _path(route: RouteContract, place: RouteLocation) -> list[dict[str, Any]]:
    found = []
    for name, (own, kind) in place.variables.items():
        schema = place.rewrite(route.path_arguments.get(own, {"type": "string"}))
        if schema.get("type") in ("integer", "string"):
            schema = _KINDS.get(kind, {}) | schema
        extra = {"description": "All that is left of the path."} if kind == "path" else {}
        found.append(extra | _parameter(name, "path", schema, required=True))
    return found


def _split(method: str, data: Any, schemas: Schemas) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
    """What an action takes: as the parameters of a query, or as a body.

    A method that has no body has its data in the query. Where something is needed that cannot stand there,
    the only way is a body all the same; where it is not needed, it is not described.
    """
    if data is None:
        return [], None
    known = schemas.resolve(data)
    fields, required = known.get("properties", {}), known.get("required", [])
    flat = {name: schema for name, schema in fields.items() if is_flat(schema, schemas)}
    if method not in _WITH_BODY and known.get("type") == "object" and flat.keys() >= set(required):
        return [_parameter(name, "query", flat[name], required=name in required) for name in flat], None
    kinds = [JSON, FORM] if known.get("type") == "object" and len(flat) == len(fields) else [JSON]
    description = "Without a body, or with an empty one, the query stands for it." if flat else ""
    body = {"description": description, "content": {kind: {"schema": data} for kind in kinds}}
    return [], {field: value for field, value in body.items() if value} | {"required": bool(required)}


def _parameter(name: str, where: str, schema: Any, *, required: bool) -> dict[str, Any]:
    found: dict[str, Any] = {"name": name, "in": where}
    if isinstance(schema, dict):
        moved = {field: schema[field] for field in ("description", "deprecated") if field in schema}
        found |= moved
        schema = {field: value for field, value in schema.items() if field not in moved}
    return found | {"required": required, "schema": schema}


def _headers(route: RouteContract) -> list[dict[str, Any]]:
    names = ["X-Request-Timeout"]
    if route.method == "GET" and not (route.stream or route.created):
        names.append("If-None-Match")
    return [{"$ref": f"#/components/parameters/{name}"} for name in names]


def _keys(route: RouteContract) -> list[dict[str, Any]]:
    if route.method in _SAFE or route.stream:
        return []
    return [{"$ref": "#/components/parameters/Idempotency-Key"}]


def _success(route: RouteContract, place: RouteLocation) -> dict[str, Any]:
    result = place.rewrite(route.result)
    if route.stream:
        return success(route.method, result, null=False, stream=True, created=False)
    null = may_be_null(result, place.schemas)
    rest = without_null(result)
    return success(route.method, rest, null=null, stream=False, created=route.created)


def _codes(route: RouteContract, place: RouteLocation, *, data: bool, body: bool, secured: bool) -> set[int]:
    """The failures that the framework itself may answer with."""
    keyed = route.method not in _SAFE
    refined = any(place.rewrite(each) not in _PLAIN for each in route.path_arguments.values())
    when = {
        400: True,  # X-Request-Timeout
        401: secured,
        404: bool(place.variables),
        409: keyed and not route.stream,
        413: body,
        415: body,
        422: data or keyed or refined,
        500: True,
        502: place.mounted,
        503: True,
        504: True,
    }
    return {code for code, may in when.items() if may}


_PLAIN: Final = (
    {"type": "integer"},
    {"type": "number"},
    {"type": "string"},
    {"type": "string", "format": "uuid"},
)

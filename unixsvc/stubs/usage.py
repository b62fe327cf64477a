"""How the routes of a contract use its schemas."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from unixsvc.contract.model import Contract, RouteContract, referenced_schema
from unixsvc.domain.body_spec import BodyKind
from unixsvc.domain.json import JsonObject
from unixsvc.stubs.python_types import mapping
from unixsvc.stubs.types import references

__all__ = ["argument_schema", "argument_schemas", "request_schemas"]

_WHOLE: Final = (BodyKind.ANY_JSON.value, BodyKind.RAW.value)


def argument_schema(contract: Contract, route: RouteContract) -> JsonObject | None:
    """Return the schema whose fields are the parameters of the action.

    Its title is the method and the path of the route; no class can have such a name.

    :returns: None if one parameter takes the whole data, or if the action takes no data.
    """
    if route.body is not None and route.body.kind in _WHOLE:
        return None
    schema = mapping(route.data)
    name = referenced_schema(schema)
    schema = mapping(contract.schemas.get(name)) if name else schema
    if "properties" not in schema:
        return None
    return schema if not name or str(schema.get("title")).startswith(f"{route.method}.") else None


def argument_schemas(contract: Contract) -> set[str]:
    """Return the names of the schemas that only describe the parameters of an action."""
    routes = contract.application_routes
    found = {
        referenced_schema(route.data) for route in routes if argument_schema(contract, route) is not None
    }
    return found - set(references([contract.schemas, [route.result for route in routes]]))


def request_schemas(contract: Contract) -> set[str]:
    """Return the names of the schemas that occur in requests only, never in results."""
    routes = contract.application_routes
    requests = _reachable(contract, (route.data for route in routes))
    return requests - _reachable(contract, (route.result for route in routes))


def _reachable(contract: Contract, schemas: Iterable[object]) -> set[str]:
    found: set[str] = set()
    pending = list(references(list(schemas)))
    while pending:
        name = pending.pop()
        if name not in found:
            found.add(name)
            pending += references(contract.schemas.get(name))
    return found

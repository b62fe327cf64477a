"""OpenAPI 3.1 documents from the contracts of a service and its mounts. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from unixsvc.contract.model import Contract, UnavailableContract
from unixsvc.domain.json import Json, JsonObject
from unixsvc.rest.openapi.operations import PARAMETERS, RouteLocation, operation
from unixsvc.rest.openapi.paths import OTHER_METHODS, PathItems, default_tag
from unixsvc.rest.openapi.responses import HEADERS, PROBLEMS, problem_responses
from unixsvc.rest.openapi.schemas import Schemas, merge, reachable
from unixsvc.rest.openapi.security import security_schemes

__all__ = ["VERSION", "describe"]

VERSION: Final = "3.1.0"

_COMPONENTS: Final = "#/components/"
# Relative to the document: it may be below a prefix that a reverse proxy strips.
_SERVERS: Final[list[Json]] = [{"url": "."}]
_DESCRIPTION: Final = """\
Errors are `application/problem+json` (RFC 9457). Every request may have these headers:

- `X-Request-Id` identifies the request in the log, and is returned in the response; so is `traceparent`.
- `X-Request-Timeout` is the number of seconds for which the client waits.
- `Idempotency-Key`, for methods other than GET, HEAD and OPTIONS: a request that is repeated with the same \
key is not executed again; the response is that of the first request.
"""
_UNAVAILABLE: Final = (
    "The routes below `%s` are not known now: the service that is mounted there is not available.\n"
)


def describe(
    contracts: Sequence[Contract | UnavailableContract],
    *,
    token: str,
    title: str = "",
    version: str = "",
    description: str = "",
) -> JsonObject:
    """The document; for the same contracts always the same bytes.

    :param contracts: with their paths in this service. The first is the contract of the service itself, the
        others are those of its mounts. If two contracts have the same route, the first one is described. The
        reserved routes of mounted services (``/-/``) are not reachable and are left out.
    :param token: the operations that require a token: ``required`` for all, ``private`` for those that are
        not public (those of mounted services never are), or ``off`` for none.
    :param title: of the API; if empty, that of the first contract, or of the only mount if that has none.
    :param version: of the API; if empty, that of the same contract.
    :param description: in CommonMark; if empty, a text about all operations.
    """
    known = [contract for contract in contracts if isinstance(contract, Contract)]
    first = known[0] if known else Contract(routes=[])
    named = known[1] if len(contracts) == len(known) == 2 and not (first.title or first.version) else first
    schemas, rewrites = merge(
        [
            ("unixsvc", PROBLEMS),
            *((contract.title, contract.schemas) for contract in known),
        ]
    )
    paths = PathItems()
    for number, (contract, rewrite) in enumerate(zip(known, rewrites[1:], strict=True)):
        for route in contract.application_routes if number else contract.routes:
            if number and route.http_only:  # a mount cannot forward it
                continue
            slot = paths.add_route(route)
            if slot is not None:
                location = RouteLocation(slot.variables, bool(number), schemas, rewrite)
                tag = default_tag(route.path) or contract.title or "default"
                slot.fill(
                    operation(route, location, token=token, tag=tag, operation_id=paths.operation_id(route))
                )
    document: JsonObject = {
        "openapi": VERSION,
        "info": {
            "title": title or named.title or "API",
            "version": version or named.version or "0",
            "description": (description or _DESCRIPTION) + _unavailable_notice(contracts),
        },
        "servers": _SERVERS,
        "tags": [{"name": tag} for tag in dict.fromkeys(_tags(paths.items))],
        "paths": paths.items,
    }
    schemes = security_schemes(first, token=token)
    return document | {"components": _components(document, schemas, schemes)}


def _unavailable_notice(contracts: Sequence[Contract | UnavailableContract]) -> str:
    missing = [contract.prefix for contract in contracts if isinstance(contract, UnavailableContract)]
    return "".join(f"\n{_UNAVAILABLE % prefix}" for prefix in missing)


def _tags(items: Mapping[str, JsonObject]) -> Iterator[str]:
    for item in items.values():
        for name, value in item.items():
            for found in value.values() if name == OTHER_METHODS else [value]:
                yield from found["tags"]


def _components(document: JsonObject, schemas: Schemas, schemes: JsonObject) -> JsonObject:
    """The components that the document refers to, directly or through other components; and the schemes."""
    groups = {"responses": problem_responses(), "parameters": PARAMETERS, "headers": HEADERS}
    used = set(_references(document))
    for group, entries in groups.items():
        groups[group] = {
            name: entry for name, entry in entries.items() if f"{_COMPONENTS}{group}/{name}" in used
        }
        used |= set(_references(groups[group]))
    found = reachable(iter(used), schemas)
    components: JsonObject = {"schemas": found, **groups, "securitySchemes": schemes}
    return {name: entries for name, entries in components.items() if entries}


def _references(value: Json) -> Iterator[str]:
    """Every ``$ref``. One in example data counts too, and keeps a component that is not needed."""
    if isinstance(value, dict):
        for name, member in value.items():
            if name == "$ref" and isinstance(member, str):
                yield member
            else:
                yield from _references(member)
    elif isinstance(value, list):
        for item in value:
            yield from _references(item)

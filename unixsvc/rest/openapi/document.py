"""OpenAPI 3.1 from the contracts of the services that are answered for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from msgspec import Struct

from unixsvc.contract.model import Contract, RouteContract, UnavailableContract
from unixsvc.rest.openapi.operations import BEARER, PARAMETERS, RouteLocation, operation
from unixsvc.rest.openapi.responses import HEADERS, PROBLEMS, problem_responses
from unixsvc.rest.openapi.schemas import Schemas, merge, reachable

__all__ = ["VERSION", "describe"]

VERSION: Final = "3.1.0"

_VARIABLE: Final = re.compile(r"\{([^{}:]*)(?::([^{}]*))?\}")
_SAFE: Final = "!$&'()*+,;=:@~"  # what a segment may have beside letters, digits and -._
_METHODS: Final = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"})
_RESERVED: Final = "/-/"
_REFERENCE: Final = "#/components/"
_DESCRIPTION: Final = """\
Failures are `application/problem+json`, RFC 9457. Every request may have these headers:

- `X-Request-Id` names it in the log, and comes back; so does `traceparent`.
- `X-Request-Timeout` says for how many seconds the caller waits.
- `Idempotency-Key`, with what is not GET, HEAD or OPTIONS: a request that is sent again with the same key \
is not done again, but gets the first answer.
"""


# What is said of a mount whose service cannot be asked.
_UNTOLD: Final = "What there is below `%s` is not known now: the service behind it cannot be asked.\n"


def describe(
    contracts: Sequence[Contract | UnavailableContract],
    *,
    token: str,
    title: str = "",
    version: str = "",
    description: str = "",
) -> dict[str, Any]:
    """The document. The same for the same contracts, byte for byte.

    :param contracts: with their paths in this service. The first is the contract of the service itself, the
        others are those of its mounts. If two contracts have the same route, the first one is described. The
        reserved routes of mounted services (``/-/``) are not reachable and are left out.
    :param token: who needs one: ``required`` for all operations, ``private`` for those that are not public
        (those of mounted services never are), or ``off``.
    :param title: of the API; else the first contract's, and so is the version.
    :param description: in CommonMark; else a word on what holds for all operations.
    """
    known = [each for each in contracts if isinstance(each, Contract)]
    first = known[0] if known else Contract(routes=[])
    schemas, rewrites = merge([("unixsvc", PROBLEMS), *((each.title, each.schemas) for each in known)])
    paths = _Paths()
    for number, (contract, rewrite) in enumerate(zip(known, rewrites[1:], strict=True)):
        for route in contract.routes:
            if number and route.path.startswith(_RESERVED):
                continue
            at = paths.take(route)
            if at is not None:
                place = RouteLocation(at.variables, bool(number), schemas, rewrite)
                tag = _tag_of(route.path) or contract.title or "default"
                at.add(operation(route, place, token=token, tag=tag, name=paths.name_for(route)))
    document: dict[str, Any] = {
        "openapi": VERSION,
        "info": {
            "title": title or first.title or "API",
            "version": version or first.version or "0",
            "description": (description or _DESCRIPTION) + _untold_in(contracts),
        },
        "tags": [{"name": each} for each in dict.fromkeys(_tags_in(paths.items))],
        "paths": paths.items,
    }
    return document | {"components": _components(document, schemas, secured=token != "off")}


def _untold_in(contracts: Sequence[Contract | UnavailableContract]) -> str:
    return "".join(
        f"\n{_UNTOLD % each.prefix}" for each in contracts if isinstance(each, UnavailableContract)
    )


class _At(Struct, frozen=True):
    """A free place for an operation."""

    item: dict[str, Any]
    method: str
    variables: dict[str, tuple[str, str]]

    def add(self, found: dict[str, Any]) -> None:
        if self.method in _METHODS:
            self.item[self.method.lower()] = found
        else:  # as OpenAPI 3.2 says it
            self.item.setdefault("x-additionalOperations", {})[self.method] = found


class _Paths:
    """The path items, and who is in them.

    OpenAPI knows a path by its shape, the names of its variables aside, so routes of one shape share an item,
    and the first one's names. Where the kinds of variables tell two routes of one method apart, as in
    ``/{id:int}`` and ``/{name}``, it has no words for that: each then has an item, under names of its own.
    """

    def __init__(self) -> None:
        self.items: dict[str, dict[str, Any]] = {}
        self._routes: set[tuple[str, str]] = set()
        self._shapes: dict[str, list[tuple[str, list[str], set[str]]]] = {}
        self._names: set[str] = set()

    def take(self, route: RouteContract) -> _At | None:
        """A place for a route; None if there is the same route already."""
        segments = route.path.split("/")[1:]
        found = [_VARIABLE.fullmatch(each) for each in segments]
        own = [(each[1], each[2] or "str") for each in found if each]
        shape = "/" + "/".join(
            "{}" if each else quote(text, safe=_SAFE) for text, each in zip(segments, found, strict=True)
        )
        kinds = iter(own)
        exact = re.sub(r"\{\}", lambda _: f"{{:{next(kinds)[1]}}}", shape)
        if (route.method, exact) in self._routes:
            return None
        self._routes.add((route.method, exact))
        key, names = self._item_for(route.method, shape, own)
        variables = dict(zip(names, own, strict=True))
        return _At(self.items.setdefault(key, {}), route.method, variables)

    def name_for(self, route: RouteContract) -> str:
        """An operationId that no other has."""
        words = [route.method.lower()]
        for segment in route.path.split("/")[1:]:
            variable = _VARIABLE.fullmatch(segment)
            words.append(
                f"by_{variable[1]}" if variable else re.sub(r"[^A-Za-z0-9]+", "_", segment).strip("_")
            )
        stem = "_".join(filter(None, words))
        name, number = stem, 2
        while name in self._names:
            name, number = f"{stem}_{number}", number + 1
        self._names.add(name)
        return name

    def _item_for(self, method: str, shape: str, own: list[tuple[str, str]]) -> tuple[str, list[str]]:
        items = self._shapes.setdefault(shape, [])
        for key, names, methods in items:
            if method not in methods:
                methods.add(method)
                return key, names
        taken = {key for key, _, _ in items}
        names = [name for name, _ in own]
        number = 2
        while (key := _filled(shape, names)) in taken:
            names = [f"{name}_{kind}" if number == 2 else f"{name}_{kind}_{number}" for name, kind in own]
            number += 1
        items.append((key, names, {method}))
        return key, names


def _filled(shape: str, names: list[str]) -> str:
    left = iter(names)
    return re.sub(r"\{\}", lambda _: f"{{{next(left)}}}", shape)


def _tag_of(path: str) -> str:
    first = path.split("/")[1]
    return "" if _VARIABLE.fullmatch(first) else first


def _operations_in(items: Mapping[str, Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    for item in items.values():
        for name, each in item.items():
            if name == "x-additionalOperations":
                yield from each.values()
            else:
                yield each


def _tags_in(items: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for each in _operations_in(items):
        yield from each["tags"]


def _components(document: Any, schemas: Schemas, *, secured: bool) -> dict[str, Any]:
    """What the document refers to, and what that refers to."""
    groups = {"responses": problem_responses(), "parameters": PARAMETERS, "headers": HEADERS}
    used = set(_references_in(document))
    for group, entries in groups.items():
        groups[group] = {
            name: each for name, each in entries.items() if f"{_REFERENCE}{group}/{name}" in used
        }
        used |= set(_references_in(groups[group]))
    found: dict[str, Any] = {"schemas": reachable(iter(used), schemas), **groups}
    if secured:
        words = "The token of the service, as `Authorization: Bearer …`."
        found["securitySchemes"] = {BEARER: {"type": "http", "scheme": "bearer", "description": words}}
    return {name: each for name, each in found.items() if each}


def _references_in(value: Any) -> Iterator[str]:
    """All that looks like a reference: what is only data that looks so keeps a component too many."""
    if isinstance(value, dict):
        for name, each in value.items():
            if name == "$ref" and isinstance(each, str):
                yield each
            else:
                yield from _references_in(each)
    elif isinstance(value, list):
        for each in value:
            yield from _references_in(each)

"""Security Requirement Objects of operations, and the schemes that they name. Pure."""

from __future__ import annotations

from typing import Final, TypeAlias

from unixsvc.contract.model import Contract, RouteContract
from unixsvc.domain.json import JsonObject

__all__ = ["BEARER", "Alternatives", "is_secured", "operation_security", "security_schemes"]

Alternatives: TypeAlias = list[dict[str, list[str]]]
"""The ways to be admitted. One of them has to be met; an empty one is for anonymous clients."""

BEARER: Final = "bearer"
"""The scheme of the token of the service."""

_TOKEN: Final[JsonObject] = {
    "type": "http",
    "scheme": "bearer",
    "description": "The token of the service, as `Authorization: Bearer …`.",
}


def operation_security(route: RouteContract, *, token: str, mounted: bool) -> Alternatives:
    """Return how a request to a route is admitted.

    :param token: the policy of the gateway: ``required``, ``private`` or ``off``.
    :param mounted: whether the route is one of a mounted service: the gateway demands its own token.
    """
    if mounted or route.security is None:
        needs_token = token == "required" or (token == "private" and (mounted or not route.public))
        return [{BEARER: []}] if needs_token else []
    if token == "required":
        return [{BEARER: [], **each} for each in route.security]
    found = [each for each in route.security if token != "off" or BEARER not in each]
    return [] if found == [{}] else found


def is_secured(alternatives: Alternatives) -> bool:
    """Return whether an anonymous client is refused."""
    return bool(alternatives) and {} not in alternatives


def security_schemes(contract: Contract, *, token: str) -> JsonObject:
    """Return the schemes of a document.

    :param contract: of the service itself.
    """
    return ({} if token == "off" else {BEARER: _TOKEN}) | contract.security_schemes

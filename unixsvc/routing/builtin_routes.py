"""The paths that every service has: ``/-/ping``, ``/-/health``, ``/-/routes``, ``/-/stats``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
import svcs
from msgspec import Struct

from unixsvc.contract.model import BUILTIN_PREFIX, Contract
from unixsvc.routing.route import GET, Group

__all__ = ["HEALTH", "PREFIX", "ROUTES", "BuiltinRoutes", "builtin_group"]

PREFIX: Final = BUILTIN_PREFIX
HEALTH: Final = f"{PREFIX}/health"
ROUTES: Final = f"{PREFIX}/routes"


class BuiltinRoutes(Struct, frozen=True):
    """What the reserved paths answer with, beside the contract.

    :ivar health: is given a container of the application's.
    """

    health: Callable[[svcs.Container], Awaitable[dict[str, Any]]]
    stats: Callable[[], dict[str, Any]]


def builtin_group(reserved: BuiltinRoutes, contract: Callable[[], Contract]) -> Group:
    """Routes as any others, but that no application can define."""

    def ping() -> str:
        return "pong"

    async def health(container: svcs.Container) -> dict[str, Any]:
        return await reserved.health(container)

    def stats() -> dict[str, Any]:
        return reserved.stats()

    def routes() -> dict[str, Any]:
        return msgspec.to_builtins(contract())  # type: ignore[no-any-return]

    return Group(
        PREFIX,
        None,
        [
            GET("/ping", ping, public=True, title="Whether somebody listens"),
            GET("/health", health, public=True, title="Whether the service can do its work"),
            GET("/routes", routes, title="The contract: routes and JSON Schemas"),
            GET("/stats", stats, title="Figures of the worker that answers"),
        ],
    )

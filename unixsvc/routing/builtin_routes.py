"""The routes of every service: ``/-/ping``, ``/-/health``, ``/-/routes`` and ``/-/stats``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
import svcs
from msgspec import Struct

from unixsvc.contract.model import Contract
from unixsvc.domain.json import JsonObject
from unixsvc.domain.path_prefix import BUILTIN_PREFIX
from unixsvc.routing.route import GET, Group

__all__ = ["HEALTH", "PREFIX", "ROUTES", "BuiltinRoutes", "builtin_group"]

PREFIX: Final = BUILTIN_PREFIX
HEALTH: Final = f"{PREFIX}/health"
ROUTES: Final = f"{PREFIX}/routes"


class BuiltinRoutes(Struct, frozen=True):
    """The functions behind the built-in routes.

    :ivar health: checks the health of the application with a container of its own.
    :ivar stats: returns the metrics of the worker.
    """

    health: Callable[[svcs.Container], Awaitable[JsonObject]]
    stats: Callable[[], JsonObject]


def builtin_group(builtin: BuiltinRoutes, contract: Callable[[], Contract]) -> Group:
    """Return the group of the built-in routes.

    :param contract: returns the contract of the service.
    """

    def ping() -> str:
        return "pong"

    async def health(container: svcs.Container) -> JsonObject:
        return await builtin.health(container)

    def stats() -> JsonObject:
        return builtin.stats()

    def routes() -> JsonObject:
        # The contract of this route says "object": its result must not depend on the release.
        return msgspec.structs.asdict(contract())

    return Group(
        PREFIX,
        None,
        [
            GET("/ping", ping, public=True, title="Answers if the service listens"),
            GET("/health", health, public=True, title="Health of the service"),
            GET("/routes", routes, title="The contract: routes and JSON Schemas"),
            GET("/stats", stats, title="Metrics of the worker that answers"),
        ],
    )

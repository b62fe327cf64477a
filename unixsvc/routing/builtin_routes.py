"""The routes of every service, below ``/-/``: probes, the contract, and metrics."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
import svcs
from msgspec import Struct

from unixsvc.contract.model import Contract
from unixsvc.domain.json import JsonObject
from unixsvc.domain.message import Request
from unixsvc.domain.path_prefix import BUILTIN_PREFIX, HEALTH, LIVE, READY
from unixsvc.routing.route import GET, Group

__all__ = ["HEALTH", "LIVE", "PREFIX", "READY", "ROUTES", "BuiltinRoutes", "builtin_group"]

PREFIX: Final = BUILTIN_PREFIX
ROUTES: Final = f"{PREFIX}/routes"


class BuiltinRoutes(Struct, frozen=True):
    """The functions behind the built-in routes.

    :ivar health: checks the health of the application with a container of its own.
    :ivar stats: returns the metrics of the worker.
    :ivar ready: tells whether clients should send requests here.
    """

    health: Callable[[svcs.Container], Awaitable[JsonObject]]
    stats: Callable[[], JsonObject]
    ready: Callable[[Request, svcs.Container], Awaitable[JsonObject]]


def builtin_group(builtin: BuiltinRoutes, contract: Callable[[], Contract]) -> Group:
    """Return the group of the built-in routes.

    :param contract: returns the contract of the service.
    """

    def ping() -> str:
        return "pong"

    def live() -> JsonObject:
        return {"state": "live"}

    async def ready(request: Request, container: svcs.Container) -> JsonObject:
        return await builtin.ready(request, container)

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
            GET("/live", live, public=True, title="Answers if the event loop of the worker runs"),
            GET("/ready", ready, public=True, title="Whether clients should send requests here"),
            GET("/health", health, public=True, title="Health of the service"),
            GET("/routes", routes, title="The contract: routes and JSON Schemas"),
            GET("/stats", stats, title="Metrics of the worker that answers"),
        ],
    )

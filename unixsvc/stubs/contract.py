"""A contract as ``/-/routes`` tells it, and what of it a client has to know."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from unixsvc.stubs.kinds import mapping
from unixsvc.stubs.types import references, referred

__all__ = ["Contract", "ContractRoute"]

_RESERVED = "/-/"


class ContractRoute(Struct, frozen=True):
    """One route.

    :ivar result: of a stream, what each of its items is.
    """

    method: str
    path: str
    title: str = ""
    description: str = ""
    path_arguments: dict[str, Any] = {}
    data: Any = None
    result: Any = {}
    stream: bool = False


class Contract(Struct, frozen=True):
    """All that a service says of itself; of other services than ours, it may say anything."""

    routes: list[ContractRoute]
    title: str = ""
    version: str = ""
    schemas: dict[str, Any] = {}

    @property
    def own_routes(self) -> list[ContractRoute]:
        """Those that are the application's."""
        return [each for each in self.routes if not each.path.startswith(_RESERVED)]

    def arguments(self, route: ContractRoute) -> dict[str, Any] | None:
        """The schema whose fields are the action's parameters; None if it takes all in one, or nothing.

        Such a schema is named after the route, as no class can be.
        """
        schema = mapping(route.data)
        name = referred(schema)
        schema = mapping(self.schemas.get(name)) if name else schema
        if "properties" not in schema:
            return None
        return schema if not name or str(schema.get("title")).startswith(f"{route.method}.") else None

    @property
    def hidden(self) -> set[str]:
        """The schemas that are only what some method's parameters are made from."""
        found = {referred(each.data) for each in self.own_routes if self.arguments(each) is not None}
        elsewhere = [self.schemas, [each.result for each in self.own_routes]]
        return found - set(references(elsewhere))

    @property
    def only_sent(self) -> set[str]:
        """The schemas of what services are told and never tell."""
        routes = self.own_routes
        return self._reached(each.data for each in routes) - self._reached(each.result for each in routes)

    def _reached(self, schemas: Iterable[Any]) -> set[str]:
        found: set[str] = set()
        waiting = list(references(list(schemas)))
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting += references(self.schemas.get(name))
        return found

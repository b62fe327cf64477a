"""What operators can do on the page: routes of the control API."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from unixsvc.errors import ConfigError, Conflict, Invalid
from unixsvc.orchestrator.interfaces import IOrchestrator
from unixsvc.telemetry.log_levels import LevelRule

__all__ = ["ACTIONS", "Action", "Order"]


class Order(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a request.

    :ivar service: empty for all.
    """

    service: str = ""
    workers: Annotated[int, Meta(ge=1, le=1024)] = 1
    level: Literal["debug", "info", "warn", "error", "default"] = "info"
    id: str = ""


class Action(Struct, frozen=True):
    """An action.

    :ivar method: of the route of the control API that does the same; tokens may be limited to routes.
    :ivar needs: the fields of the order that it needs.
    """

    method: str
    path: str
    needs: tuple[str, ...]
    run: Callable[[IOrchestrator, Order], Awaitable[object]]

    async def carry_out(self, orchestrator: IOrchestrator, body: bytes) -> Order:
        """Carry it out; done when it is complete.

        :raises Invalid: if the body is wrong.
        :raises Conflict: if the services cannot do it.
        """
        try:
            order = msgspec.json.decode(body, type=Order)
            given = msgspec.json.decode(body, type=dict[str, object])
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Invalid(str(error)) from None
        if missing := [each for each in self.needs if not given.get(each)]:
            raise Invalid(f"{missing[0]} is missing")
        try:
            await self.run(orchestrator, order)
        except ConfigError as error:
            raise Conflict(str(error)) from None
        return order


async def _set_level(orchestrator: IOrchestrator, order: Order) -> None:
    orchestrator.set_log_level(order.level, LevelRule(order.level, service=order.service))


ACTIONS: Final[dict[str, Action]] = {
    "reload": Action("POST", "/reload", (), lambda target, order: target.reload(order.service)),
    "restart": Action("POST", "/restart", (), lambda target, order: target.restart(order.service)),
    "scale": Action(
        "POST", "/scale", ("service", "workers"),
        lambda target, order: target.scale(order.service, order.workers),
    ),
    "log-level": Action("PUT", "/log/level", ("level",), _set_level),
    "cancel": Action(
        "POST", "/requests/cancel", ("id",),
        lambda target, order: target.inspector.cancel(order.id, order.service),
    ),
}  # fmt: skip
"""The actions, by the last segments of their paths."""

"""A datasource behind a gate: a mount whose requests are admitted by their user."""

from __future__ import annotations

from collections.abc import Awaitable

from zope.interface import implementer

from unixsvc.datasource.custom import CustomDatasource
from unixsvc.datasource.unix import UnixDatasource
from unixsvc.domain.interfaces import IRouterDatasource
from unixsvc.domain.message import Reply, Request
from unixsvc.routing.gates import Gate
from unixsvc.routing.router import Router

__all__ = ["GatedDatasource", "behind_gate"]


@implementer(IRouterDatasource)
class GatedDatasource:
    """Passes the requests on that the gate lets pass.

    :param router: has the runner of the application's functions.
    """

    def __init__(self, datasource: IRouterDatasource, gate: Gate, router: Router) -> None:
        self._handle = datasource.handle
        self._gate = gate
        self._router = router

    def handle(self, request: Request) -> Reply | Awaitable[Reply]:
        """Return the reply of the datasource."""
        waiting = self._gate(request)
        return self._handle(request) if waiting is None else self._handle_later(waiting, request)

    async def _handle_later(self, waiting: Awaitable[None], request: Request) -> Reply:
        await self._router.runner.run(waiting)
        answer = self._handle(request)
        return answer if isinstance(answer, Reply) else await answer


def behind_gate(source: IRouterDatasource, gate: Gate | None, router: Router) -> IRouterDatasource:
    """Return the datasource of a mount, behind its gate if it has one."""
    if not isinstance(source, UnixDatasource):
        source = CustomDatasource(source, router)
    return source if gate is None else GatedDatasource(source, gate, router)

"""A datasource of the application: its coroutines may await asyncio and Deferreds, as actions do."""

from __future__ import annotations

from collections.abc import Awaitable

from msgspec.structs import replace
from zope.interface import implementer

from unixsvc.domain.interfaces import IRouterDatasource
from unixsvc.domain.message import Reply, Request
from unixsvc.routing.router import Router

__all__ = ["CustomDatasource"]


@implementer(IRouterDatasource)
class CustomDatasource:
    """Runs a datasource as actions are run.

    :param router: has the runner of actions.
    """

    def __init__(self, datasource: IRouterDatasource, router: Router) -> None:
        self._handle = datasource.handle
        self._router = router

    def handle(self, request: Request) -> Reply | Awaitable[Reply]:
        """Return the reply of the datasource."""
        answer = self._handle(request)
        return self._with_task(answer) if isinstance(answer, Reply) else self._wait(answer)

    async def _wait(self, answer: Awaitable[Reply]) -> Reply:
        return self._with_task(await self._router.runner.run(answer))

    def _with_task(self, reply: Reply) -> Reply:
        if reply.items is None:
            return reply
        return replace(reply, items=self._router.runner.stream(reply.items))

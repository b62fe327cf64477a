"""A router in memory."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec
import svcs
from twisted.internet.defer import Deferred
from zope.interface import implementer

from unixsvc.config.settings import ServiceSettings
from unixsvc.domain.action_runner import PlainRunner
from unixsvc.domain.coroutine import run_without_waiting
from unixsvc.domain.interfaces import IBlockingRunner
from unixsvc.domain.message import EMPTY, Caller, Reply, Request
from unixsvc.domain.route_series import UNCOUNTED, RouteSeries
from unixsvc.routing.app import App
from unixsvc.routing.builtin_routes import BuiltinRoutes
from unixsvc.routing.container import ServiceContext
from unixsvc.routing.gates import GateFactory
from unixsvc.routing.route import Group, Route
from unixsvc.routing.router import Router
from unixsvc.service.application import start_application

__all__ = ["Runner", "Serving", "dispatched", "make_router"]


@implementer(IBlockingRunner)
class Runner:
    """Calls nothing before the test says so.

    :ivar waiting: the functions, and what waits for them.
    """

    def __init__(self) -> None:
        self.waiting: list[tuple[Callable[[], Any], Deferred[Any]]] = []

    def run(self, function: Callable[[], Any]) -> Deferred[Any]:
        """Store the function."""
        self.waiting.append((function, Deferred()))
        return self.waiting[-1][1]

    def call_next(self) -> None:
        """Call the oldest function."""
        function, deferred = self.waiting.pop(0)
        try:
            deferred.callback(function())
        except Exception as error:
            deferred.errback(error)


class Serving:
    """A service's router, with what it needs.

    :param routes: of its application.
    :param container: of its application.
    """

    def __init__(
        self,
        *routes: Group | Route,
        container: Callable[[svcs.Registry, ServiceContext], None] | None = None,
        values: Mapping[Any, object] | None = None,
        gates: Sequence[GateFactory] = (),
        series: Callable[[str], RouteSeries] = lambda route: UNCOUNTED,
    ) -> None:
        self.runner = Runner()
        app = App(routes, container, "Shop", "1.0")
        settings = ServiceSettings("shop:app", options={"colour": "red"})
        self.router = make_router(
            app,
            ServiceContext("shop", "/srv", settings),
            self.runner,
            BuiltinRoutes(_healthy, lambda: {"requests": 7}, _ready),
            values,
            gates,
            series,
        )

    def start(
        self,
        method: str,
        path: str,
        *,
        trusted: bool = True,
        data: Any = None,
        meta: dict[str, str] | None = None,
    ) -> Deferred[Any]:
        """Send a request; fires with code and result, or fails with the exception."""
        path, _, query = path.partition("?")
        raw = EMPTY if data is None else msgspec.Raw(json.dumps(data).encode())
        caller = Caller(trusted=trusted)
        request = Request(method, path, raw, query, meta=meta or {}, caller=caller)
        deferred: Deferred[Any] = dispatched(self.router.dispatch, request)
        return deferred.addCallback(lambda reply: (reply.code, json.loads(reply.body)))


def make_router(
    app: App,
    context: ServiceContext,
    blocking: IBlockingRunner,
    builtin: BuiltinRoutes,
    values: Mapping[Any, object] | None = None,
    gates: Sequence[GateFactory] = (),
    series: Callable[[str], RouteSeries] = lambda route: UNCOUNTED,
) -> Router:
    """The router of an application, without an event loop."""
    making = start_application(app, context, values or {}, PlainRunner(), lambda error: None)
    application = run_without_waiting(making)
    return Router(
        app,
        application.container,
        application.controllers,
        blocking=blocking,
        builtin=builtin,
        gates=gates,
        series=series,
    )


def dispatched(dispatch: Callable[[Request], Reply | Awaitable[Reply]], request: Request) -> Deferred[Reply]:
    """The reply of a dispatch function or datasource, as a Deferred."""

    async def answered() -> Reply:
        answer = dispatch(request)
        return answer if isinstance(answer, Reply) else await answer

    return Deferred.fromCoroutine(answered())


async def _healthy(container: svcs.Container) -> dict[str, Any]:
    return {"status": "ok"}


async def _ready(request: Request, container: svcs.Container) -> dict[str, Any]:
    return {"state": "ready"}

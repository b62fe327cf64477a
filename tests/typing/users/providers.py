"""Classes with the methods of an interface, which they do not declare."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, assert_type

import svcs
from twisted.application.service import Service

from unixsvc import (
    App,
    IDescribesRoutes,
    IHandleMessage,
    IOrchestratorWatcher,
    IRequestHandler,
    IReviewsCallers,
    IRouterDatasource,
    IServices,
    NotFound,
)
from unixsvc.config.settings import Settings
from unixsvc.contract.model import Contract
from unixsvc.domain.message import Caller, Reply, Request
from unixsvc.orchestrator.orchestrator import Orchestrator
from unixsvc.server.context import HandlerContext
from unixsvc.testing import MemoryService, NoServices


class Documents:
    """A datasource that replies at once, and has a contract."""

    def handle(self, request: Request) -> Reply:
        if request.method != "GET":
            raise NotFound(request.path)
        return Reply(200, b"null")

    async def contract(self) -> Contract:
        return Contract(routes=[])


class Cached:
    """A datasource that waits for another."""

    def __init__(self, behind: IRouterDatasource) -> None:
        self._behind = behind

    async def handle(self, request: Request) -> Reply:
        reply = self._behind.handle(request)
        assert_type(reply, Reply | Awaitable[Reply])
        return reply if isinstance(reply, Reply) else await reply


class Broken:
    """No datasource."""

    def handle(self, request: str) -> Reply:
        return Reply(200, request.encode())


app = App([], mounts={"/documents": Documents(), "/cached": Cached(Documents()), "/users": "user"})
described: IDescribesRoutes = Documents()
App([], mounts={"/documents": Broken()})  # error: Broken
Cached(Broken())  # error: Broken
Cached("user")  # error: IRouterDatasource


class Handler(Service):
    """A request handler."""

    def __init__(self, context: HandlerContext) -> None:
        self._context = context

    async def probe(self) -> None:
        handle = self._context.handle
        assert_type(handle, IHandleMessage)
        assert_type(handle.seconds_for(Request("GET", "/")), float)
        handle("GET /")  # error: Request

    async def listen(self) -> None: ...

    async def close(self) -> None: ...

    async def drain(self, wait_for_idle: bool = False) -> None: ...

    def abort(self) -> None: ...

    def connections(self) -> int:
        return 0

    def review_callers(self, review: Callable[[Caller], bool]) -> None: ...


def check_handler(context: HandlerContext) -> tuple[IRequestHandler, IReviewsCallers]:
    wrong: IRequestHandler = Service()  # error: Service
    return wrong, Handler(context)


class Watcher:
    """Observes an orchestrator."""

    def reloading(self) -> None: ...

    def reloaded(self, error: str) -> None: ...

    def aborted(self, name: str, reason: str) -> None: ...


def start(settings: Settings, reactor: Any) -> None:
    watcher: IOrchestratorWatcher = Watcher()
    Orchestrator(settings, reactor, watcher=watcher)
    Orchestrator(settings, reactor, watcher=Documents())  # error: Documents


class FakeServices(NoServices):
    """Replaces the other services in a test."""

    async def get(self, service: str, path: str, /, *, type: Any = Any, **data: object) -> Any:
        return [service, path, data]


class Fake:
    """Not all of IServices."""

    async def get(self, service: str, path: str, /, *, type: Any = Any, **data: object) -> Any:
        return [service, path, data]


MemoryService(app, services=FakeServices())
MemoryService(app, services={"user": MemoryService(app)})
MemoryService(app, services=Fake())  # error: Fake


def register(registry: svcs.Registry, container: svcs.Container) -> None:
    registry.register_value(IServices, FakeServices())
    assert_type(container.get(IServices), IServices)
    services: IServices = container.get_abstract(IServices)
    services.gte("user", "/")  # error: gte

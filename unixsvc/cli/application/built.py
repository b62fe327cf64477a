"""An application that is built, but does not run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

import svcs
from msgspec import Struct
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Clock
from zope.interface import implementer

from unixsvc.config.access import rules_about
from unixsvc.config.http import Http
from unixsvc.config.settings import ServiceSettings, Settings
from unixsvc.datasource.service_clients import NoServices
from unixsvc.datasource.unix import mounted
from unixsvc.domain.coroutine import SuspendedCoroutine, start
from unixsvc.domain.interfaces import IBlockingRunner, IRouterDatasource, IServices
from unixsvc.domain.json import JsonObject
from unixsvc.domain.message import Request
from unixsvc.routing.app import App, load_app
from unixsvc.routing.builtin_routes import BuiltinRoutes
from unixsvc.routing.container import ServiceContainer, ServiceContext
from unixsvc.routing.route import Group
from unixsvc.routing.router import Router
from unixsvc.service.application import make_controllers, make_interceptors
from unixsvc.service.gates import make_user_gates, start_schemes, user_gate_factory

__all__ = ["BuiltApplication", "built_application"]

T = TypeVar("T")


class BuiltApplication(Struct, frozen=True):
    """An application with its routes.

    :ivar mounts: by path prefix: those of the application, and those of the configuration.
    """

    app: App
    router: Router
    container: ServiceContainer
    mounts: Mapping[str, IRouterDatasource]


@contextmanager
def built_application(
    settings: Settings, name: str, service: ServiceSettings, services: IServices | None = None
) -> Iterator[BuiltApplication]:
    """Build the application of a service as a worker does; its container is closed at the end.

    :param services: called by mounts for their contracts; None if nothing calls them.
    :raises unixsvc.errors.ConfigError: if it cannot work.
    """
    app = load_app(service.app)
    if name in settings.gateways:
        from unixsvc.rest.websocket.support import require_library  # which imports the gateway

        require_library(app.routes)
    known = services or NoServices()
    context = ServiceContext(name, settings.folder, service)
    schemes = start_schemes(app, context)
    own = {type(each): each for each in schemes}
    container = ServiceContainer({IReactorTime: Clock(), IServices: known, **own})  # as in a worker
    users = make_user_gates(app, rules_about(settings.access, name), schemes, container)
    try:
        router = Router(
            app,
            container,
            _controllers(app, container, context),
            blocking=_NoRunner(),
            builtin=BuiltinRoutes(_no_metrics, dict, _no_probes),
            gates=[user_gate_factory(users)],
            security_schemes=users.descriptions if users else {},
        )
        http = settings.gateways.get(name, Http())
        mounts = mounted({**app.mounts, **http.mounts}, name, router.paths, known)
        yield BuiltApplication(app, router, container, mounts)
    finally:
        start(container.close())  # without an event loop, it cannot wait


def _controllers(app: App, container: ServiceContainer, context: ServiceContext) -> Mapping[type, object]:
    """Make the controllers, but bare ones where that would need the event loop of a worker.

    A check does not enter the lifespan of an application: it may connect to a database. So the values of the
    lifespan are missing in the container.
    """
    if app.lifespan is None:
        if app.container is not None:
            app.container(container.registry, context)
        interceptors = start(make_interceptors(app, container))
        if isinstance(interceptors, SuspendedCoroutine):
            interceptors.coroutine.close()
        made = start(make_controllers(app, container))
        if not isinstance(made, SuspendedCoroutine):
            return made
        made.coroutine.close()
    classes = [entry.controller for entry in app.routes if isinstance(entry, Group) and entry.controller]
    return {controller: object.__new__(controller) for controller in classes}


async def _no_metrics(container: svcs.Container) -> JsonObject:
    return {}


async def _no_probes(request: Request, container: svcs.Container) -> JsonObject:
    return {}


@implementer(IBlockingRunner)
class _NoRunner:
    """Runs nothing, as a router that is only checked serves no request."""

    def run(self, function: Callable[[], T]) -> Awaitable[T]:
        """Not called."""
        raise NotImplementedError

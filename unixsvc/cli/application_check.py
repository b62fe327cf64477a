"""Checks whether the application of a service can work."""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

import msgspec
import svcs
from msgspec import Struct
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Clock
from zope.interface import implementer

from unixsvc.config.http import Http
from unixsvc.config.settings import HTTP_SERVICE, ServiceSettings, Settings
from unixsvc.datasource.service_clients import NoServices
from unixsvc.datasource.unix import mounted
from unixsvc.domain.coroutine import SuspendedCoroutine, start
from unixsvc.domain.interfaces import IBlockingRunner, IServices
from unixsvc.domain.json import JsonObject
from unixsvc.domain.providers import can_implement
from unixsvc.errors import ConfigError
from unixsvc.orchestrator.worker.environment import import_path, initial_environment
from unixsvc.orchestrator.worker.privileges import drop, find_privileges, import_framework_handler
from unixsvc.routing.app import App, load_app, load_object
from unixsvc.routing.builtin_routes import BuiltinRoutes
from unixsvc.routing.container import ServiceContainer, ServiceContext
from unixsvc.routing.route import Group
from unixsvc.routing.router import Router
from unixsvc.server.interfaces import IRequestHandler
from unixsvc.service.application import make_controllers
from unixsvc.service.jobs import make_jobs
from unixsvc.service.load_failure import load_failure
from unixsvc.service.spec import Privileges

__all__ = ["RouteCounts", "check_service"]

T = TypeVar("T")


class RouteCounts(Struct, frozen=True):
    """How much a service serves.

    :ivar routes: the number of routes of its application.
    :ivar mounts: the number of mounts, of the application and of the configuration.
    :ivar schedules: the number of its schedules.
    """

    routes: int
    mounts: int
    schedules: int = 0

    def __str__(self) -> str:
        counts = {"route": self.routes, "mount": self.mounts, "schedule": self.schedules}
        texts = [f"{count} {noun}{'' if count == 1 else 's'}" for noun, count in counts.items() if count]
        return ", ".join(texts) or "0 routes"


def check_service(settings: Settings, name: str, service: ServiceSettings) -> RouteCounts:
    """Build the routes of a service as a worker would, without running it, and as the user of its workers.

    :returns: the number of its routes and mounts.
    :raises ConfigError: if it cannot work.
    """
    if os.geteuid() == 0:
        privileges = find_privileges(service, f"services.{name}", 0)
        if privileges.is_other_user:
            import_framework_handler(service.handler)
            environment = initial_environment(os.environ, service, privileges)
            return _run_as(privileges, environment, lambda: _count_routes(settings, name, service))
    return _count_routes(settings, name, service)


def _count_routes(settings: Settings, name: str, service: ServiceSettings) -> RouteCounts:
    with _worker_environment(settings.folder, service):
        _check_handler(service.handler, load_object(service.handler))
        app = load_app(service.app)
        values: dict[type, object] = {IReactorTime: Clock(), IServices: NoServices()}  # as in a worker
        container = ServiceContainer(values)
        try:
            router = Router(
                app,
                container,
                _controllers(app, container, ServiceContext(name, settings.folder, service)),
                blocking=_NoRunner(),
                builtin=BuiltinRoutes(_no_metrics, dict),
            )
            http = settings.http if settings.http and name == HTTP_SERVICE else Http()
            mounts = mounted({**app.mounts, **http.mounts}, name, router.paths, NoServices())
            schedules = () if app.lifespan is not None else make_jobs(app.schedules, container)
            return RouteCounts(len(router.contract().application_routes), len(mounts), len(schedules))
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
        made = start(make_controllers(app, container))
        if not isinstance(made, SuspendedCoroutine):
            return made
        made.coroutine.close()
    classes = [entry.controller for entry in app.routes if isinstance(entry, Group) and entry.controller]
    return {controller: object.__new__(controller) for controller in classes}


def _check_handler(spec: str, handler: object) -> None:
    # The result of a factory function is not known without calling it.
    if not callable(handler) or (isinstance(handler, type) and not can_implement(IRequestHandler, handler)):
        raise ConfigError(spec, "is not a request handler", "give it the methods of unixsvc.IRequestHandler")


@contextmanager
def _worker_environment(folder: str, service: ServiceSettings) -> Iterator[None]:
    """Set the import path and the environment of a worker; turn what an application raises into one line."""
    path, environ = list(sys.path), dict(os.environ)
    sys.path += [*import_path(service.environment), folder]
    os.environ.update(service.environment)
    try:
        yield
    except ConfigError:
        raise
    except (Exception, SystemExit) as error:  # an application may raise anything while it is imported
        raise load_failure(error) from None
    finally:
        sys.path[:] = path
        os.environ.clear()
        os.environ.update(environ)


def _run_as(
    privileges: Privileges, environment: Mapping[str, str], check: Callable[[], RouteCounts]
) -> RouteCounts:
    """Run a check in a child process that drops its privileges, as it executes code of an application."""
    reading, writing = os.pipe()
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        try:
            os.environ.clear()
            os.environ.update(environment)
            os.write(writing, msgspec.json.encode(_outcome_as(privileges, check)))
            sys.stdout.flush()
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:
        reply = pipe.read()
    _, status = os.waitpid(pid, 0)
    try:
        outcome = msgspec.json.decode(reply, type=RouteCounts | tuple[str, str, str])
    except (msgspec.DecodeError, UnicodeDecodeError):  # the application can write to the pipe as well
        raise ConfigError(
            "the check",
            f"ended early, with status {status}",
            "see what the application does when it is imported",
        ) from None
    if isinstance(outcome, tuple):
        raise ConfigError(*outcome)
    return outcome


def _outcome_as(
    privileges: Privileges, check: Callable[[], RouteCounts]
) -> RouteCounts | tuple[str, str, str]:
    try:
        drop(privileges)
        return check()
    except ConfigError as error:
        return error.where, error.problem, error.remedy


async def _no_metrics(container: svcs.Container) -> JsonObject:
    return {}


@implementer(IBlockingRunner)
class _NoRunner:
    """Runs nothing, as a router that is only checked serves no request."""

    def run(self, function: Callable[[], T]) -> Awaitable[T]:
        """Not called."""
        raise NotImplementedError

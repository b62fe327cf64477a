"""Checks whether the application of a service can work."""

from __future__ import annotations

from msgspec import Struct

from unixsvc.cli.application.built import built_application
from unixsvc.cli.application.isolation import look_as_worker
from unixsvc.config.settings import ServiceSettings, Settings
from unixsvc.domain.providers import can_implement
from unixsvc.errors import ConfigError
from unixsvc.routing.app import load_object
from unixsvc.server.interfaces import IRequestHandler
from unixsvc.service.jobs import make_jobs

__all__ = ["RouteCounts", "check_service"]


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

    def count() -> RouteCounts:
        _check_handler(service.handler, load_object(service.handler))
        with built_application(settings, name, service) as built:
            app = built.app
            schedules = () if app.lifespan is not None else make_jobs(app.schedules, built.container)
            routes = built.router.contract().application_routes
            return RouteCounts(len(routes), len(built.mounts), len(schedules))

    return look_as_worker(settings, name, service, count, RouteCounts)


def _check_handler(spec: str, handler: object) -> None:
    # The result of a factory function is not known without calling it.
    if not callable(handler) or (isinstance(handler, type) and not can_implement(IRequestHandler, handler)):
        raise ConfigError(spec, "is not a request handler", "give it the methods of unixsvc.IRequestHandler")

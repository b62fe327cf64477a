"""Parts that few services have: mounts, jobs, an access log, probes, traces. They are imported only then."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING

import svcs
from twisted.internet.interfaces import IReactorTime

from unixsvc.domain.interfaces import IBlockingRunner, IRouterDatasource, IServices
from unixsvc.domain.json import JsonObject
from unixsvc.domain.message import Request
from unixsvc.routing.app import Mount
from unixsvc.routing.router import Router
from unixsvc.service.application import RunningApplication
from unixsvc.service.health import HealthCheck
from unixsvc.service.spec import WorkerConfig
from unixsvc.telemetry.failure_log import FailureLog

if TYPE_CHECKING:
    from unixsvc.security.user_gate import UserGates
    from unixsvc.service.cluster import ServiceCluster
    from unixsvc.service.jobs import JobRunner
    from unixsvc.service.readiness import Readiness
    from unixsvc.service.tracing import ServiceTracing
    from unixsvc.telemetry.access.log import AccessLog, Journal

__all__ = ["access_log", "cluster_of", "gated", "make_job_runner", "mounted", "readiness", "traces"]


def mounted(
    mounts: Mapping[str, Mount], service: str, router: Router, services: IServices
) -> dict[str, IRouterDatasource]:
    """Return the datasources of a service's mounts, by prefix.

    :raises unixsvc.errors.ConfigError: for a mount that can never work.
    """
    if not mounts:
        return {}
    from unixsvc.datasource import unix

    return unix.mounted(mounts, service, router.paths, services)


def gated(
    mounts: Mapping[str, IRouterDatasource], users: UserGates | None, router: Router
) -> dict[str, IRouterDatasource]:
    """Return the mounts behind the gates that admit users."""
    if not mounts:
        return {}
    from unixsvc.datasource.gated import behind_gate

    return {
        prefix: behind_gate(mount, users.for_mount(prefix) if users else None, router)
        for prefix, mount in mounts.items()
    }


def make_job_runner(
    application: RunningApplication,
    blocking: IBlockingRunner,
    router: Router,
    reactor: IReactorTime,
    now: Callable[[], float],
    failures: FailureLog,
    service: str,
    tracing: ServiceTracing | None,
) -> JobRunner | None:
    """Return what runs the jobs of an application; None if it has no schedules.

    :raises unixsvc.errors.ConfigError: for a job that can never run.
    """
    if not application.app.schedules:
        return None
    from unixsvc.service.jobs import JobRunner, make_jobs

    found = make_jobs(application.app.schedules, application.container)
    return JobRunner(
        found,
        application.container,
        blocking,
        router.runner,
        reactor,
        now,
        failures,
        service,
        None if tracing is None else tracing.start_job,
    )


def access_log(config: WorkerConfig, journal: Journal | None) -> AccessLog | None:
    """Return what records requests; None if there is no access log."""
    access = config.log.access
    if access == "off":
        return None
    from unixsvc.telemetry.access.log import AccessLog

    return AccessLog(config.service, access, slot=config.slot, journal=journal)


def cluster_of(config: WorkerConfig, reactor: IReactorTime) -> ServiceCluster | None:
    """Return the part of a service in the cluster of hosts; None without one.

    :raises unixsvc.errors.ConfigError: if the extra ``nats`` is not installed.
    """
    if config.nats is None:
        return None
    from unixsvc.service.cluster import make_cluster

    return make_cluster(config, config.nats, reactor)


def readiness(
    health: HealthCheck,
    mounts: Iterable[Mount],
    services: Callable[[], IServices],
    reactor: IReactorTime,
    seconds: float,
    make_room: Callable[[int], object],
) -> Callable[[Request, svcs.Container], Awaitable[JsonObject]]:
    """Return the action of ``/-/ready``.

    :param mounts: those that are names of services are checked.
    :param services: returns what calls them.
    :param seconds: how long a check may take.
    :param make_room: as in :class:`~unixsvc.service.readiness.Readiness`.
    """
    names = [mount.partition(":")[0] for mount in mounts if isinstance(mount, str)]

    @cache
    def made() -> Readiness:
        # Late: many services get no probes.
        from unixsvc.service.readiness import Readiness

        return Readiness(health, names, services(), reactor, seconds, make_room)

    async def ready(request: Request, container: svcs.Container) -> JsonObject:
        return await made().check(request, container.registry)

    return ready


def traces(
    config: WorkerConfig, now: Callable[[], float], *, whole_process: bool = False
) -> ServiceTracing | None:
    """Return what makes the spans of a service; None if it has no traces.

    :param whole_process: as of :func:`unixsvc.service.tracing.start_tracing`.
    :raises unixsvc.errors.ConfigError: if the extra ``otel`` is not installed.
    """
    if config.tracing.exporter == "off":
        return None
    from unixsvc.service.tracing import start_tracing

    return start_tracing(config, now, whole_process=whole_process)

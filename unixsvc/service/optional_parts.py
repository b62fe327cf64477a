"""Parts that few services have: mounts, jobs, an access log, traces. Their modules are imported only then."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from twisted.internet.interfaces import IReactorTime

from unixsvc.domain.handle_message import HandleMessage
from unixsvc.domain.interfaces import IBlockingRunner, IRouterDatasource, IServices
from unixsvc.routing.app import Mount
from unixsvc.routing.router import Router
from unixsvc.service.application import RunningApplication
from unixsvc.service.spec import WorkerConfig
from unixsvc.telemetry.failure_log import FailureLog

if TYPE_CHECKING:
    from unixsvc.security.user_gate import UserGates
    from unixsvc.service.calls.access import LoggedHandle
    from unixsvc.service.jobs import JobRunner
    from unixsvc.service.tracing import ServiceTracing

__all__ = ["gated", "logged", "make_job_runner", "mounted", "traces"]


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
) -> JobRunner | None:
    """Return what runs the jobs of an application; None if it has no schedules.

    :raises unixsvc.errors.ConfigError: for a job that can never run.
    """
    if not application.app.schedules:
        return None
    from unixsvc.service.jobs import JobRunner, make_jobs

    found = make_jobs(application.app.schedules, application.container)
    return JobRunner(found, application.container, blocking, router.runner, reactor, now, failures, service)


def logged(
    handle: HandleMessage, config: WorkerConfig, router: Router, now: Callable[[], float]
) -> LoggedHandle | None:
    """Return what answers requests with an access log; None if there is none."""
    access = config.log.access
    if access == "off":
        return None
    from unixsvc.service.calls.access import LoggedHandle
    from unixsvc.telemetry.access_log import AccessLog

    return LoggedHandle(handle, AccessLog(config.service, access, router.route_of), now)


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

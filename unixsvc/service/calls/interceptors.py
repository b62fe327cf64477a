"""The interceptors of an application around its datasources, and around its calls to other services."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from unixsvc.domain.action_runner import ActionRunner
from unixsvc.domain.interfaces import IRouterRepository, IServices
from unixsvc.routing.router import Router
from unixsvc.service.application import RunningApplication

if TYPE_CHECKING:
    from unixsvc.interception.call import Interceptor
    from unixsvc.interception.pages import PageInterceptors

__all__ = ["around_pages", "intercept", "with_interceptors"]


def intercept(
    repository: IRouterRepository,
    service: str,
    application: RunningApplication,
    router: Router,
    now: Callable[[], float],
) -> IRouterRepository:
    """Return a repository with the interceptors of an application; the same one if it has none."""
    if not application.interceptors:
        return repository
    # Late, as below: few services have interceptors.
    from unixsvc.interception.repository import InterceptingRepository

    return InterceptingRepository(
        service, application.interceptors, repository, router.route_of, router.runner, now
    )


def around_pages(
    service: str, application: RunningApplication, now: Callable[[], float]
) -> PageInterceptors | None:
    """Return what calls the interceptors of an application around its pages; None if it has none."""
    if not application.interceptors:
        return None
    from unixsvc.interception.pages import PageInterceptors

    return PageInterceptors(service, application.interceptors, now)


def with_interceptors(
    services: IServices, interceptors: Sequence[Interceptor], runner: ActionRunner
) -> IServices:
    """Return what calls other services through interceptors; the same object if there are none.

    :raises unixsvc.errors.ConfigError: if one of them cannot be called.
    """
    if not interceptors:
        return services
    from unixsvc.datasource.intercepted_services import InterceptedServices

    return InterceptedServices(services, interceptors, runner)

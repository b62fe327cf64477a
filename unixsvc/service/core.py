"""One service of this process without its transport."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct
from twisted.internet.interfaces import IReactorTime

from unixsvc.datasource.idempotency.store import IdempotencyStore
from unixsvc.datasource.repository import RouterRepository
from unixsvc.datasource.service_clients import ServiceClients
from unixsvc.domain.body_spec import BodySpec
from unixsvc.domain.handle_message import HandleMessage
from unixsvc.domain.interfaces import IGuard
from unixsvc.execution.background import Tasks
from unixsvc.execution.shared_result import SharedResult
from unixsvc.execution.threads import ThreadRunner
from unixsvc.routing.router import Router
from unixsvc.service.application import RunningApplication
from unixsvc.service.calls.limits import ServiceLimits
from unixsvc.service.contracts import ServiceContracts
from unixsvc.service.health import HealthCheck
from unixsvc.service.spec import WorkerConfig
from unixsvc.service.statistics import ServiceStatistics
from unixsvc.telemetry.failure_log import FailureLog

if TYPE_CHECKING:
    from unixsvc.interception.pages import PageInterceptors
    from unixsvc.security.user_gate import UserGates
    from unixsvc.service.cluster import ServiceCluster
    from unixsvc.service.jobs import JobRunner
    from unixsvc.service.tracing import ServiceTracing

__all__ = ["ServiceCore"]


class ServiceCore(Struct, frozen=True):
    """The parts that serve requests, whatever transport the requests come from.

    :ivar application: the application, which has started.
    :ivar ended: done when the lifespan of the application has ended by itself, which is a failure.
    :ivar tasks: the tasks beside the requests.
    :ivar router: the routes of the application.
    :ivar repository: chooses between the router and the mounts.
    :ivar handle: turns each request into a reply.
    :ivar traced: the same with spans; None without tracing.
    :ivar users: makes gates; None if the service has neither users nor rules about them.
    :ivar limits: the rate limits.
    :ivar failures: logs the exceptions that peers must not see.
    :ivar store: keeps replies by idempotency key.
    :ivar clients: the clients of other services.
    :ivar guard: authenticates callers.
    :ivar threads: run blocking actions; None if something else runs them.
    :ivar jobs: run the jobs of schedules; None if there are no schedules.
    :ivar page_interceptors: are called around pages; None without any.
    :ivar tracing: makes the spans; None without tracing.
    :ivar reactor: of the service.
    :ivar cluster: its part in the cluster; None without one.
    """

    config: WorkerConfig
    application: RunningApplication
    ended: SharedResult[None]
    tasks: Tasks
    router: Router
    repository: RouterRepository
    handle: HandleMessage
    limits: ServiceLimits
    users: UserGates | None
    failures: FailureLog
    store: IdempotencyStore
    clients: ServiceClients
    health: HealthCheck
    statistics: ServiceStatistics
    contracts: ServiceContracts
    guard: IGuard
    threads: ThreadRunner | None = None
    jobs: JobRunner | None = None
    page_interceptors: PageInterceptors | None = None
    traced: Any = None  # a function with attributes, or None
    tracing: ServiceTracing | None = None
    reactor: IReactorTime | None = None
    cluster: ServiceCluster | None = None

    @property
    def outer_handle(self) -> Any:  # as traced
        """What transports call (IHandleMessage)."""
        return self.traced or self.handle

    def has_path(self, path: str) -> bool:
        """Whether a path belongs to the application or to a mount, for any method."""
        return self.repository.is_mounted(path) or self.router.has_path(path)

    def has_get_only(self, path: str) -> bool:
        """Whether a path of the application has a route for GET, and none for HEAD."""
        return not self.repository.is_mounted(path) and self.router.has_get_only(path)

    def body_spec(self, method: str, path: str) -> BodySpec | None:
        """How the route of a request takes the body; None for a JSON object, and for a mount."""
        return None if self.repository.is_mounted(path) else self.router.body_spec(method, path)

    async def close(self) -> None:
        """End the application, and release the clients that it may need for that, and the store."""
        try:
            await self.application.close()
        finally:
            if self.tracing is not None:
                await self.tracing.close(self.reactor)
            self.clients.close()
            self.store.close()
            if self.cluster is not None:
                self.cluster.stop()

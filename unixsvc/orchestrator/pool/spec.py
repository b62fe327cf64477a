"""The specification of the workers of a service."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IStreamServerEndpoint

from unixsvc.config.http import Http, Listen
from unixsvc.config.settings import Limits, Security, ServiceSettings
from unixsvc.orchestrator.pool.model import Recycling, SupervisionPolicy
from unixsvc.orchestrator.pool.process import InheritedFds, WorkerOwner, WorkerProcess
from unixsvc.service.host import ServiceHost

__all__ = ["WorkerSpec"]


class WorkerSpec(Struct, frozen=True):
    """What the workers of a service run, until the next reload.

    :ivar number: the generation; later specs have higher numbers.
    :ivar wanted: the number of workers.
    :ivar make: makes the process for a slot, not started yet.
    :ivar host: makes the service itself, for a service in the orchestrator's own process, which listens on an
        endpoint.
    :ivar limits: the limits of the service, with the general ones where it has none of its own.
    :ivar http: the HTTP settings of the gateway; None for other services.
    :ivar listen: the addresses of the gateway.
    """

    number: int
    settings: ServiceSettings
    wanted: int
    policy: SupervisionPolicy
    recycling: Recycling
    make: Callable[[int, InheritedFds, WorkerOwner], WorkerProcess]
    host: Callable[[IStreamServerEndpoint], Deferred[ServiceHost]]
    limits: Limits = Limits()
    security: Security = Security()
    http: Http | None = None
    listen: tuple[Listen, ...] = ()

    def same_settings(self, other: WorkerSpec) -> bool:
        """Whether two specs differ only in their code and their number of workers."""
        ours, theirs = ((spec.settings, spec.limits, spec.security, spec.http) for spec in (self, other))
        return ours == theirs

"""The gateway without an orchestrator, for any site of twisted.web."""

from __future__ import annotations

import os
from collections.abc import Coroutine, Mapping
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IListeningPort, IProtocolFactory, IStreamServerEndpoint
from zope.interface import implementer

from unixsvc.client.discovery.location import find_location
from unixsvc.config.http import Http
from unixsvc.config.settings import Limits, Log, Security, ServiceSettings
from unixsvc.domain.coroutine import SuspendedCoroutine, start
from unixsvc.errors import ConfigError
from unixsvc.rest.gateway import Gateway
from unixsvc.rest.resource import GatewayResource
from unixsvc.routing.app import App
from unixsvc.server.interfaces import IRequestHandler
from unixsvc.service.core import ServiceCore
from unixsvc.service.factory import handler_context, make_core
from unixsvc.service.host import ServiceHost
from unixsvc.service.spec import WorkerConfig

__all__ = ["resource"]


def resource(
    app: App,
    *,
    token: str | None = None,
    socket_dir: str | None = None,
    http: Http | None = None,
    limits: Limits | None = None,
    options: Mapping[str, Any] | None = None,
    folder: str = ".",
    reactor: Any = None,
) -> GatewayResource:
    """The gateway of an application, as a resource for a site of twisted.web.

    ``twistd -n web --class=shop.site.root`` serves it, where ``shop/site.py`` has a function ``root`` that
    returns ``unixsvc.rest.resource(app)``. It starts and stops with the reactor. Time-outs and limits of
    connections are those of the site.

    :param app: the application.
    :param token: that clients must show, and that is sent to mounted services; if None, it is found as
        clients find it.
    :param socket_dir: of mounted services; if None, it is found as clients find it.
    :param http: the settings ``mounts``, ``token``, ``docs``, ``cors`` and ``gzip_over``.
    :param limits: the limits of requests.
    :param options: for the application's container.
    :param folder: of the configuration, for the application's container.
    :param reactor: the installed one if None.
    :raises ConfigError: if the application is not valid, or there is no token.
    """
    if reactor is None:
        from twisted.internet import reactor  # late: the program installs its own first
    location = find_location(socket_dir, token)
    settings = ServiceSettings("unixsvc.rest:resource", options=dict(options or {}))
    worker_config = WorkerConfig(
        service="http",
        slot=1,
        folder=os.path.abspath(folder),
        settings=settings,
        limits=limits or Limits(),
        security=Security(),
        log=Log(),
        token=location.token or "",
        socket_dir=location.socket_dir,
        http=http or Http(),
    )
    core = _started(make_core(worker_config, app, reactor))
    gateway = Gateway(handler_context(core, app, _SiteEndpoint(), reactor))
    service_host = ServiceHost(core, _SiteHandler(gateway), reactor)
    reactor.callWhenRunning(service_host.startService)
    reactor.addSystemEventTrigger("before", "shutdown", service_host.drain)
    return GatewayResource(gateway)


def _started(making: Coroutine[Any, Any, ServiceCore]) -> ServiceCore:
    core = start(making)
    if isinstance(core, SuspendedCoroutine):
        making.close()
        raise ConfigError("the application", "waits in its lifespan", "serve it with twistd unixsvc")
    return core


@implementer(IStreamServerEndpoint)
class _SiteEndpoint:
    """The endpoint of a gateway that never listens itself."""

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        """Fail: the site listens."""
        return fail(RuntimeError("the site listens for the gateway"))


@implementer(IRequestHandler)
class _SiteHandler(Service):
    """The request handler of a gateway whose connections belong to a site of twisted.web."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def probe(self) -> None:
        """Do nothing: there is no orchestrator to report to."""

    async def listen(self) -> None:
        """Do nothing: the site listens."""

    async def close(self) -> None:
        """Do nothing: the site closes its port."""

    async def drain(self, wait_for_idle: bool = False) -> None:
        """Answer pending requests with 503, as the reactor is about to stop."""
        self._gateway.abort()

    def abort(self) -> None:
        """Answer pending requests with 503."""
        self._gateway.abort()

    def connections(self) -> int:
        """Always 0: the site has the connections."""
        return 0

"""A service as a Klein application, without an orchestrator, for any site of twisted.web."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, Final

from klein import Klein
from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred, fail
from twisted.internet.interfaces import IListeningPort, IProtocolFactory, IStreamServerEndpoint
from zope.interface import implementer

from unixsvc.client.discovery.location import find_location
from unixsvc.config.http import Http
from unixsvc.config.settings import Limits, Log, Security, ServiceSettings
from unixsvc.domain.coroutine import SuspendedCoroutine, await_result, start
from unixsvc.domain.handle_message import error_to_reply
from unixsvc.domain.message import Request
from unixsvc.errors import Unavailable
from unixsvc.rest.encode import ResponseBuilder, ResponseContext
from unixsvc.rest.gateway import Gateway
from unixsvc.rest.response import Response
from unixsvc.rest.server.interfaces import RequestConnection
from unixsvc.rest.server.request_head import Head
from unixsvc.rest.web.klein_app import ServiceKlein
from unixsvc.routing.app import App
from unixsvc.server.interfaces import IRequestHandler
from unixsvc.service.core import ServiceCore
from unixsvc.service.factory import handler_context, make_core
from unixsvc.service.host import ServiceHost
from unixsvc.service.spec import WorkerConfig
from unixsvc.telemetry.limited_logger import LimitedLogger

__all__ = ["klein"]

_log: Final = LimitedLogger(__name__)


def klein(
    app: App,
    *,
    token: str | None = None,
    socket_dir: str | None = None,
    http: Http | None = None,
    limits: Limits | None = None,
    options: Mapping[str, Any] | None = None,
    folder: str = ".",
    reactor: Any = None,
) -> Klein:
    """The application as a Klein application: its routes, its mounts and its pages are routes of Klein.

    ``twistd -n web --class=shop.site.root`` serves it, where ``shop/site.py`` has a function ``root`` that
    returns ``unixsvc.rest.klein(app).resource()``. It starts and stops with the reactor; until the lifespan
    of the application has started, requests are 503. Time-outs and limits of connections are those of the
    site.

    :param app: the application.
    :param token: that clients must show, and that is sent to mounted services; if None, it is found as
        clients find it.
    :param socket_dir: of mounted services; if None, it is found as clients find it.
    :param http: the settings ``mounts``, ``token``, ``docs``, ``cors`` and ``gzip_over``.
    :param limits: the limits of requests.
    :param options: for the application's container.
    :param folder: of the configuration, for the application's container.
    :param reactor: the installed one if None.
    :raises ConfigError: if the application is not valid, or there is no token. The error of an application
        that waits in its lifespan is logged instead.
    """
    if reactor is None:
        from twisted.internet import reactor  # late: the program installs its own first
    location = find_location(socket_dir, token)
    http = http or Http()
    worker_config = WorkerConfig(
        service="http",
        slot=1,
        folder=os.path.abspath(folder),
        settings=ServiceSettings("unixsvc.rest:klein", options=dict(options or {})),
        limits=limits or Limits(),
        security=Security(),
        log=Log(),
        token=location.token or "",
        socket_dir=location.socket_dir,
        http=http,
    )
    web = ServiceKlein(app.routes, (*app.mounts, *http.mounts))
    web.dispatch.gateway = _StartingGateway(http)

    def serve(core: ServiceCore) -> None:
        gateway = Gateway(handler_context(core, app, _SiteEndpoint(), reactor), web)
        service_host = ServiceHost(core, _SiteHandler(gateway), reactor)
        reactor.callWhenRunning(service_host.startService)
        reactor.addSystemEventTrigger("before", "shutdown", service_host.drain)

    made = start(make_core(worker_config, app, reactor))
    if isinstance(made, SuspendedCoroutine):
        starting = Deferred.fromCoroutine(_serve_later(made, serve))
        reactor.addSystemEventTrigger("before", "shutdown", starting.cancel)
    else:
        serve(made)
    return web


async def _serve_later(making: SuspendedCoroutine[ServiceCore], serve: Callable[[ServiceCore], None]) -> None:
    try:
        serve(await await_result(making))
    except CancelledError:
        pass  # the reactor stops
    except Exception as error:
        _log.failure("the application has not started: all requests are 503", error)


class _StartingGateway:
    """The gateway until the lifespan of the application has started."""

    def __init__(self, http: Http) -> None:
        self._builder = ResponseBuilder(http)

    def answer(self, head: Head, body: bytes, connection: RequestConnection, page: bool | None) -> Response:
        """Respond with 503."""
        facts = self._builder.read_headers(head.fields)
        message = Request(head.method.decode("latin-1"), "/", meta=facts.meta)
        context = ResponseContext(head.method, facts, message.request_id)
        return self._builder.from_reply(error_to_reply(Unavailable()), context)


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

"""What a request handler is given."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct, field
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime, IStreamServerEndpoint

from unixsvc.config.http import Http
from unixsvc.config.settings import Limits, Security
from unixsvc.contract.model import Contract, UnavailableContract
from unixsvc.domain.body_spec import BodyKind, BodySpec
from unixsvc.domain.interfaces import IFailureLog
from unixsvc.domain.message import Caller, Request
from unixsvc.domain.route_info import RouteInfo
from unixsvc.errors import ServiceError
from unixsvc.routing.route import Group, Route
from unixsvc.security.peer_rules import PeerRules
from unixsvc.transport.traffic import Traffic
from unixsvc.typing import IHandleMessage

if TYPE_CHECKING:
    from unixsvc.interception.pages import PageInterceptors
    from unixsvc.limiting.limiter import Limiter
    from unixsvc.security.user_gate import UserGates

__all__ = ["Admission", "HandlerContext", "HttpOptions", "OpensCircuits"]

Admission = Callable[[Caller, object], ServiceError | None]
"""Decides about a new connection: returns the error to refuse it with, or None.

The arguments are the caller, with its ``peer``, and the transport.
"""


class HttpOptions(Struct, frozen=True):
    """What only a handler that speaks HTTP needs.

    :ivar settings: the section ``[http]`` of the configuration.
    :ivar add_routes: adds the application's own routes to the handler's Klein application; None without any.
    :ivar routes: those of the table, for the Klein application.
    :ivar mounts: the prefixes of the mounts, for the same.
    :ivar run: returns an awaitable that runs a coroutine of the application with a task of its own, and
        yields Deferreds only; None if it has to do so itself.
    :ivar has_get_only: whether a path has a route for GET, which answers HEAD as well.
    :ivar limit_page: applies the rate limit of the service to a request for one of the handler's own routes;
        None if there is no limit.
    :ivar limiter: returns what applies the rate limits of those routes; None if that is not possible.
    :ivar users: makes the gates of those routes; None if the service has neither users nor rules about them.
    :ivar interceptors: are called around those routes; None without any.
    :ivar add_pages: is given what finds the handler's own route of a request, for the access log.
    """

    settings: Http = Http()
    add_routes: Callable[[object], object] | None = None
    routes: Sequence[Group | Route] = ()
    mounts: Sequence[str] = ()
    run: Callable[[Awaitable[object]], Awaitable[object]] | None = None
    has_get_only: Callable[[str], bool] | None = None
    limit_page: Callable[[Request], None] | None = None
    limiter: Callable[[], Limiter] | None = None
    users: UserGates | None = None
    interceptors: PageInterceptors | None = None
    add_pages: Callable[[Callable[[Request], RouteInfo | None]], None] | None = None


class OpensCircuits(Protocol):
    """Opens connections to services of other hosts.

    :ivar socket_dir: the directory of the sockets of this host.
    """

    socket_dir: str

    def open(self, service: str, host: str = "") -> Deferred[Any]:
        """Open a connection; fires with its transport.

        :param host: the host; empty for any that has the service.
        """


class HandlerContext(Struct, frozen=True):
    """All that a request handler needs to serve one service, over any transport.

    :ivar service: its name.
    :ivar handle: the use case: answers a request.
    :ivar endpoint: where the handler listens.
    :ivar limits: of connections, messages and times.
    :ivar security: the token policy, and the users who may connect.
    :ivar reactor: for timers.
    :ivar token: the shared token, for the handler's own health check.
    :ivar has_path: True if a path belongs to the service or to a mount of it, with any method.
    :ivar contracts: returns the contract of the service, then those of its mounts, with their paths in
        this service.
    :ivar http: for handlers that speak HTTP.
    :ivar admission: decides which processes may connect; None for the rules of ``security``.
    :ivar owner: the uid of the orchestrator.
    :ivar failures: logs exceptions of the handler's own routes; None for a log of its own.
    :ivar is_mounted: True if a path belongs to a mount.
    :ivar cluster: opens connections to services of other hosts; None without a cluster.
    :ivar body_spec: how the route of a method and a path takes the body, None for a JSON object; None if all
        routes take that.
    :ivar on_refused: called with a request that never reaches ``handle``, the code and the size of the
        response; what is not known of its method and path is ``-``. None without an access log.
    :ivar traffic: counts the bytes that clients send and receive.
    """

    service: str
    handle: IHandleMessage
    endpoint: IStreamServerEndpoint
    limits: Limits
    security: Security
    reactor: IReactorTime
    token: str = ""
    has_path: Callable[[str], bool] = bool
    contracts: Callable[[], Awaitable[list[Contract | UnavailableContract]]] | None = None
    http: HttpOptions = HttpOptions()
    admission: Admission | None = None
    owner: int = 0
    failures: IFailureLog | None = None
    body_spec: Callable[[str, str], BodySpec | None] | None = None
    on_refused: Callable[[Request, int, int], object] | None = None
    is_mounted: Callable[[str], bool] = lambda path: False
    traffic: Traffic = field(default_factory=Traffic)
    cluster: OpensCircuits | None = None

    @property
    def peer_rule(self) -> Admission | None:
        """Decides about new connections: ``admission``, or the rules of ``security``; None to serve all."""
        if self.admission is not None:
            return self.admission
        rules = PeerRules(self.security.allow_uids, self.security.allow_gids, os.getpid())
        return rules.connect if rules else None

    def accepts_any(self, method: str, path: str) -> bool:
        """Return whether a route accepts data that is no object; of a mount, the mounted service decides."""
        if self.is_mounted(path):
            return True
        spec = None if self.body_spec is None else self.body_spec(method, path)
        return spec is not None and spec.kind in (BodyKind.ANY_JSON, BodyKind.RAW)

    def __repr__(self) -> str:
        # The generated repr would show the token, and a repr ends up in logs.
        return f"<HandlerContext {self.service}>"

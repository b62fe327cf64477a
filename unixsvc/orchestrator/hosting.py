"""One service in one process: from its application to something that listens."""

from __future__ import annotations

from typing import Any

import msgspec
from twisted.application.service import MultiService
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime, IStreamServerEndpoint
from zope.interface.verify import verifyObject

from unixsvc.datasource.library import LibraryDatasource
from unixsvc.datasource.repository import RouterRepository
from unixsvc.domain.handle import HandleMessage
from unixsvc.domain.interfaces import IBlockingRunner, IRequestHandler
from unixsvc.errors import ConfigError
from unixsvc.orchestrator.messages import Orders, Status
from unixsvc.routing.app import App, load_object
from unixsvc.routing.reserved import Reserved
from unixsvc.routing.router import Router
from unixsvc.running.threads import ThreadRunner
from unixsvc.socket.security import TokenGuard
from unixsvc.socket.server import Handling
from unixsvc.telemetry.logs import FailureLog
from unixsvc.telemetry.metrics import Figures

__all__ = ["Hosted"]


class Hosted(MultiService):
    """A service of this process: its threads and its handler are its children.

    :param orders: what it is to be.
    :param endpoint: where it listens.
    :param blocking: runs the actions that block; threads of its own if None.
    :raises ConfigError: for an application or a handler that cannot work.
    """

    def __init__(
        self,
        orders: Orders,
        app: App,
        endpoint: IStreamServerEndpoint,
        reactor: Any,
        blocking: IBlockingRunner | None = None,
    ) -> None:
        super().__init__()
        self.setName(orders.service)
        self._service = orders.service
        self._figures = Figures()
        if blocking is None:
            blocking = threads = ThreadRunner(reactor, orders.settings.threads)
            threads.setServiceParent(self)
        self._router = Router(
            app,
            orders.settings,
            folder=orders.folder,
            name=orders.service,
            blocking=blocking,
            reserved=Reserved(self._health, self._stats),
            values={IReactorTime: reactor},
        )
        self._handle = HandleMessage(
            RouterRepository(LibraryDatasource(self._router)),
            TokenGuard(orders.security.token, [orders.token]),
            self._figures,
            FailureLog(orders.service),
            max_inflight=orders.limits.max_inflight,
            request_timeout=orders.limits.request_timeout,
        )
        handling = Handling(orders.service, self._handle, endpoint, orders.limits, orders.security, reactor)
        self._handler: Any = _handler_for(orders.settings.handler, handling)
        self._handler.setServiceParent(self)

    def listen(self) -> Deferred[None]:
        """Begin to serve; fires when clients can connect."""
        self.startService()
        return Deferred.fromCoroutine(self._handler.listen())

    def drain(self) -> Deferred[None]:
        """Answer what was asked, and end; fires when that is done."""
        return Deferred.fromCoroutine(self._drain())

    def abort(self) -> None:
        """Close every connection now."""
        self._handler.abort()

    def status(self) -> Status:
        """The figures of now."""
        return Status(self._figures.snapshot(), self._handler.connections(), self._handle.inflight)

    async def _drain(self) -> None:
        await self._handler.drain()
        await self.stopService()
        self._router.close()

    def _health(self) -> dict[str, Any]:
        return {"status": "ok", "service": self._service}

    def _stats(self) -> dict[str, Any]:
        status: dict[str, Any] = msgspec.to_builtins(self.status(), str_keys=True)
        snapshot: dict[str, Any] = status.pop("snapshot")
        return snapshot | status


def _handler_for(spec: str, handling: Handling) -> Any:
    handler = load_object(spec)(handling)
    if not IRequestHandler.providedBy(handler):
        raise ConfigError(spec, "is no request handler", "declare it with @implementer(IRequestHandler)")
    verifyObject(IRequestHandler, handler)
    return handler

"""One service in one process: from its application to something that listens."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import msgspec
import svcs
from msgspec.structs import replace
from twisted.application.service import MultiService
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime, IStreamServerEndpoint
from twisted.internet.task import deferLater
from twisted.logger import Logger
from zope.interface.verify import verifyObject

from unixsvc.config.http import Http
from unixsvc.datasource.idempotency.datasource import IdempotentDatasource
from unixsvc.datasource.idempotency.store import IdempotencyStore, store_path
from unixsvc.datasource.library import LibraryDatasource
from unixsvc.datasource.repository import RouterRepository
from unixsvc.datasource.service_clients import ServiceClients
from unixsvc.datasource.unix import mounted
from unixsvc.domain.handle_message import HandleMessage
from unixsvc.domain.interfaces import IBlockingRunner, IDescribesRoutes, IRequestHandler, IServices
from unixsvc.errors import (
    BadGateway,
    Cancelled,
    ConfigError,
    DeadlineExceeded,
    ServiceError,
    Unavailable,
)
from unixsvc.execution.threads import ThreadRunner
from unixsvc.routing.app import App, load_object
from unixsvc.routing.builtin_routes import HEALTH, PREFIX, BuiltinRoutes
from unixsvc.routing.router import Router
from unixsvc.security.tokens import TokenGuard
from unixsvc.server.handler import HandlerContext
from unixsvc.service.spec import StatsReport, WorkerConfig
from unixsvc.telemetry.logs import FailureLog
from unixsvc.telemetry.memory import ResidentMemory
from unixsvc.telemetry.metrics import ServiceMetrics

__all__ = ["ServiceHost"]

_memory: Final = ResidentMemory()
# Why a service cannot tell its contract now.
_ABSENT: Final = (Unavailable, DeadlineExceeded, BadGateway)
# How often is looked whether actions have ended that nobody waits for; in seconds.
_LOOK: Final = 0.05


class ServiceHost(MultiService):
    """A service of this process: its threads and its handler are its children.

    :param config: what it is to be.
    :param endpoint: where it listens.
    :param blocking: runs the actions that block; threads of its own if None.
    :param services: asks others; the real ones if None.
    :param now: the clock by which requests have their time, in seconds.
    :ivar handler: what listens, as the settings name it.
    :raises ConfigError: for an application or a handler that cannot work.
    """

    def __init__(
        self,
        config: WorkerConfig,
        app: App,
        endpoint: IStreamServerEndpoint,
        reactor: Any,
        blocking: IBlockingRunner | None = None,
        services: IServices | None = None,
        now: Callable[[], float] = time.perf_counter,
    ) -> None:
        super().__init__()
        self.setName(config.service)
        self._service = config.service
        self._illness = ""
        self._log = Logger(namespace=config.service)
        self._metrics = ServiceMetrics()
        self._memory = _memory
        if blocking is None:
            blocking = threads = ThreadRunner(reactor, config.settings.threads)
            threads.setServiceParent(self)
        self._reactor = reactor
        self._aborted = False
        self._leaving = False
        self._own_services = ServiceClients(config.socket_dir, config.token, reactor, now)
        services = self._own_services if services is None else services
        self._router = Router(
            app,
            config.settings,
            folder=config.folder,
            name=config.service,
            blocking=blocking,
            reserved=BuiltinRoutes(self._health, self._stats),
            values={IReactorTime: reactor, IServices: services},
        )
        self._answers = IdempotencyStore(
            store_path(config.socket_dir, config.service),
            ttl=config.settings.answer_ttl,
            most=config.settings.max_answers,
        )
        self._answers.check()
        library = LibraryDatasource(self._router)
        once = IdempotentDatasource(library, self._router.check, self._answers, reactor)
        http = config.http or Http()
        mounts = mounted({**app.mounts, **http.mounts}, config.service, self._router.paths, services)
        repository = RouterRepository(once, mounts)
        self._mounts = mounts
        self._handle = HandleMessage(
            repository,
            TokenGuard(http.token if config.http else config.security.token, [config.token]),
            self._metrics,
            FailureLog(config.service),
            max_inflight=config.limits.max_inflight,
            request_timeout=config.limits.request_timeout,
            now=now,
            keep_current=bool(mounts) or self._router.may_use(IServices),
        )
        context = HandlerContext(
            service=config.service,
            handle=self._handle,
            endpoint=endpoint,
            limits=config.limits,
            security=config.security,
            reactor=reactor,
            token=config.token,
            http=http,
            answers=lambda path: repository.is_mounted(path) or self._router.answers(path),
            contracts=self._contracts,
            web=None if app.web is None else partial(self._router.provide, app.web),
        )
        self.handler: Any = _handler_for(config.settings.handler, context)
        self.handler.setServiceParent(self)

    def listen(self, *, probe: bool = True) -> Deferred[None]:
        """Begin to serve; fires when clients can connect.

        :param probe: whether to see first that we are well.
        :returns: fails with ConfigError if we are not.
        """
        self.startService()
        return Deferred.fromCoroutine(self._listen(probe))

    def drain(self, *, wait_for_idle: bool = False, closed: Callable[[], object] = bool) -> Deferred[None]:
        """Serve the clients until they have gone, and end; fires when that is done.

        :param wait_for_idle: as in :meth:`unixsvc.domain.interfaces.IRequestHandler.drain`.
        :param closed: called when nobody new can come.
        """
        return Deferred.fromCoroutine(self._drain(wait_for_idle, closed))

    def hurry(self) -> None:
        """Drain less patiently than before."""
        Deferred.fromCoroutine(self.handler.drain(False))

    def abort(self) -> None:
        """Close every connection; what is unanswered is refused."""
        self._aborted = True
        self.handler.abort()

    def status(self) -> StatsReport:
        """The figures of now."""
        snapshot = self._metrics.snapshot()
        if asked := self._own_services.asked():
            snapshot = replace(snapshot, services=asked)
        return StatsReport(snapshot, self.handler.connections(), self._handle.inflight, self._memory())

    async def _listen(self, probe: bool) -> None:
        if probe:
            await self._probe()
        if not self._leaving:  # it may have been told to end meanwhile
            await self.handler.listen()

    async def _probe(self) -> None:
        try:
            await self.handler.probe()
        except ServiceError as error:
            raise ConfigError(HEALTH, f"answers {error}", self._illness) from None
        except (ConnectionError, msgspec.DecodeError) as error:
            raise ConfigError(HEALTH, f"is not answered: {error}") from None
        self._metrics.clear()  # nobody has asked for that

    async def _drain(self, wait_for_idle: bool, closed: Callable[[], object]) -> None:
        self._leaving = True
        await self.handler.close()
        closed()
        await self.handler.drain(wait_for_idle)
        while self._router.shielded and not self._aborted:
            await deferLater(self._reactor, _LOOK)
        self._own_services.close()
        await self.stopService()
        self._router.close()
        self._answers.close()

    async def _health(self, container: svcs.Container) -> dict[str, Any]:
        for each in container.get_pings():
            try:
                await each.aping() if each.is_async else each.ping()
            except Cancelled:  # nobody waits any more
                raise
            except Exception as error:  # it is the application's, and may raise anything
                self._illness = f"{each.name}: {type(error).__name__}: {error}"
                self._log.failure("{name} is not well", name=each.name)
                raise Unavailable from None
        return {"status": "ok", "service": self._service}

    async def _contracts(self) -> list[dict[str, Any]]:
        own = self._router.contract()
        own["routes"] = [each for each in own["routes"] if not each["path"].startswith(f"{PREFIX}/")]
        return [own, *[await self._contract_of(prefix) for prefix in self._mounts]]

    async def _contract_of(self, prefix: str) -> dict[str, Any]:
        """What is promised below a prefix; only that, where it cannot be asked for, or nobody tells."""
        source: Any = self._mounts[prefix]
        try:
            if IDescribesRoutes.providedBy(source):
                found: dict[str, Any] = await source.contract()
                return found
        except _ABSENT as error:
            words = "what is mounted at {prefix} does not tell its contract: {error}"
            self._log.warn(words, prefix=prefix, error=error)
        return {"title": "", "version": "", "routes": [], "schemas": {}, "untold": prefix}

    def _stats(self) -> dict[str, Any]:
        status: dict[str, Any] = msgspec.to_builtins(self.status(), str_keys=True)
        snapshot: dict[str, Any] = status.pop("snapshot")
        return snapshot | status | {"services": self._own_services.stats()}


def _handler_for(spec: str, context: HandlerContext) -> Any:
    handler = load_object(spec)(context)
    if not IRequestHandler.providedBy(handler):
        raise ConfigError(spec, "is no request handler", "declare it with @implementer(IRequestHandler)")
    verifyObject(IRequestHandler, handler)
    return handler

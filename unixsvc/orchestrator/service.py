"""The orchestrator: one Twisted service that holds all others."""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, gatherResults
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from unixsvc.config import CONTROL_SERVICE, ServiceSettings, Settings
from unixsvc.domain.interfaces import IOrchestrator, IServicePool
from unixsvc.errors import ConfigError
from unixsvc.orchestrator.control import control_app
from unixsvc.orchestrator.hosting import Hosted
from unixsvc.orchestrator.inline import Inline
from unixsvc.orchestrator.listen import BoundSocket, DirectoryLock, bind, reclaim
from unixsvc.orchestrator.messages import Orders
from unixsvc.orchestrator.policy import Rules
from unixsvc.orchestrator.pool import Pool
from unixsvc.orchestrator.process import Owner, WorkerProcess
from unixsvc.orchestrator.status import ServiceStatus, describe
from unixsvc.routing.app import App, load_app
from unixsvc.socket.directory import prepare_directory, socket_path
from unixsvc.socket.endpoint import OwnedUNIXServerEndpoint
from unixsvc.socket.security import load_or_create_token

__all__ = ["Orchestrator"]


@implementer(IOrchestrator)
class Orchestrator(MultiService):
    """Runs services. Each that is registered is a child: a pool of workers, or one in this process.

    :param settings: all but the services; those are :meth:`register`-ed.
    """

    def __init__(self, settings: Settings, reactor: Any) -> None:
        super().__init__()
        self._settings = settings
        self._reactor = reactor
        self._services: dict[str, ServiceSettings] = {}
        self._pools: dict[str, Any] = {}
        self._sockets: dict[str, BoundSocket] = {}
        self._lock: DirectoryLock | None = None
        self._token = ""
        self._stopped: Deferred[None] | None = None
        self._log = Logger(namespace="orchestrator")

    def register(self, name: str, settings: ServiceSettings) -> None:
        """Have a service run; before the orchestrator is started."""
        self._services[name] = settings

    def claim(self) -> None:
        """Take the socket directory, and bind every socket: all that can fail because of what is there.

        A daemon does this while there still is a terminal to complain to; else :meth:`startService` does.

        :raises ConfigError: if that cannot be; then nothing is left behind.
        """
        settings = self._settings
        prepare_directory(settings.socket_dir)
        self._lock = DirectoryLock(settings.socket_dir)
        try:
            self._token = load_or_create_token(settings.token_file)
            for name, service in self._services.items():
                self._add(name, service)
            control = ServiceSettings(f"{control_app.__module__}:{control_app.__name__}", isolation="inline")
            self._add_inline(CONTROL_SERVICE, control, lambda: control_app(self))
        except ConfigError:
            self._let_go()
            raise

    def startService(self) -> None:
        """Start every service.

        :raises ConfigError: if nothing could be claimed.
        """
        if self._lock is None:
            self.claim()
        else:
            self._lock.sign()
        super().startService()

    def booted(self) -> Deferred[Any]:
        """Fires when every service is ready; fails with ConfigError if one cannot start."""
        waiting = gatherResults([each.booted() for each in self._pools.values()], consumeErrors=True)

        def ready(_: Any) -> None:
            names = ", ".join(self._services)
            self._log.info("ready: {names}, in {dir}", names=names, dir=self._settings.socket_dir)

        def failed(failure: Failure) -> Failure:
            first: Any = failure.value
            return Failure(first.subFailure.value)

        return waiting.addCallbacks(ready, failed)

    def stopService(self) -> Deferred[None]:
        """Drain every service; fires when all are gone, and nothing is left behind."""
        if self._stopped is None:
            self._stopped = Deferred.fromCoroutine(self._stop())
        return self._stopped

    def abort(self) -> None:
        """End every service now."""
        for each in self._pools.values():
            each.abort()

    async def status(self) -> dict[str, ServiceStatus]:
        """Figures of every service, as fresh as its workers answer within a second."""
        await gatherResults([self._pools[name].refresh() for name in self._services])
        stopping = self._stopped is not None
        return {
            name: describe(each.app, self._pools[name].figures(), stopping=stopping)
            for name, each in self._services.items()
        }

    async def _stop(self) -> None:
        self._log.info("stopping")
        self._close_sockets()  # first, so that nobody new comes; those who are waiting are still let in
        try:
            await super().stopService()
        finally:
            self._let_go()

    def _add(self, name: str, service: ServiceSettings) -> None:
        if service.isolation == "inline":
            if self._settings.folder not in sys.path:
                sys.path.insert(0, self._settings.folder)
            self._add_inline(name, service, partial(load_app, service.app))
            return
        path = socket_path(self._settings.socket_dir, name)
        limits = service.limits(self._settings.limits)
        bound = self._sockets[name] = bind(path, self._settings.socket_mode, limits.backlog)

        def make(slot: int, owner: Owner) -> WorkerProcess:
            return WorkerProcess(
                self._reactor, self._orders(name, service, slot), bound.socket.fileno(), owner
            )

        rules = Rules(service.boot_timeout, service.drain_timeout, service.kill_timeout)
        self._add_pool(name, Pool(name, self._reactor, make, service.worker_count, rules))

    def _add_inline(self, name: str, service: ServiceSettings, load: Any) -> None:
        path = socket_path(self._settings.socket_dir, name)
        reclaim(path)
        orders = self._orders(name, service, 1)
        mode, backlog = self._settings.socket_mode, orders.limits.backlog

        def make() -> Hosted:
            app: App = load()
            endpoint = OwnedUNIXServerEndpoint(self._reactor, path, backlog, mode)
            return Hosted(orders, app, endpoint, self._reactor)

        self._add_pool(name, Inline(name, self._reactor, make, service.drain_timeout))

    def _add_pool(self, name: str, pool: Any) -> None:
        self._pools[name] = IServicePool(pool)
        pool.setServiceParent(self)

    def _orders(self, name: str, service: ServiceSettings, slot: int) -> Orders:
        settings = self._settings
        limits = service.limits(settings.limits)
        return Orders(
            name, slot, settings.folder, service, limits, settings.security, settings.log, self._token
        )

    def _close_sockets(self) -> None:
        while self._sockets:
            self._sockets.popitem()[1].close()

    def _let_go(self) -> None:
        self._close_sockets()
        if self._lock is not None:
            self._lock.release()
            self._lock = None

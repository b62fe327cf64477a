"""The services of the orchestrator: their pools, their settings, and the changes to them."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec
from twisted.application.service import MultiService
from twisted.internet.defer import DeferredLock, gatherResults

from unixsvc.config.settings import ServiceSettings, Settings
from unixsvc.domain.validation.field_errors import shortened
from unixsvc.errors import ConfigError, Conflict, NotFound
from unixsvc.orchestrator.descendants.group import kill_worker
from unixsvc.orchestrator.figures import ServiceFigures, service_figures
from unixsvc.orchestrator.pool.interfaces import IServicePool
from unixsvc.orchestrator.pool_factory import PoolFactory
from unixsvc.orchestrator.start_order import reversed_order, run_in_order
from unixsvc.orchestrator.status import NOT_RUNNING, ServiceStatus, describe, is_healthy
from unixsvc.orchestrator.worker.messages import Command

__all__ = ["ServiceManager"]


class ServiceManager:
    """Starts, stops and changes services. Operations on one service run one after the other.

    :param factory: makes their pools.
    :param parent: the parent service of the pools.
    :param on_failed: called with the name and the reason when a service has failed.
    """

    def __init__(
        self, factory: PoolFactory, parent: MultiService, on_failed: Callable[[str, str], object]
    ) -> None:
        self.factory = factory
        self._parent = parent
        self._on_failed = on_failed
        self._settings: dict[str, ServiceSettings] = {}
        self._pools: dict[str, IServicePool] = {}
        self._locks: dict[str, DeferredLock] = {}
        self._scaled: dict[str, int] = {}
        self._shut_down = False

    @property
    def names(self) -> list[str]:
        """The names of all services."""
        return list(self._pools)

    @property
    def pools(self) -> list[IServicePool]:
        """The pools of all services."""
        return list(self._pools.values())

    def find(self, only: str = "") -> dict[str, IServicePool]:
        """The pools by name, all or that of one service.

        :raises NotFound: if there is no such service.
        """
        return {only: self._pool(only)} if only else dict(self._pools)

    @property
    def settings(self) -> dict[str, ServiceSettings]:
        """The settings of all services, by name."""
        return dict(self._settings)

    def bind(self, name: str, settings: Settings) -> None:
        """Add a service and bind its sockets; it is not started.

        :param settings: the configuration that contains the service.
        :raises ConfigError: if an address cannot be bound.
        """
        spec = self.factory.make_spec(name, settings)

        def failed(reason: str) -> None:
            self._on_failed(name, reason)

        pool = self.factory.make_pool(name, settings, spec, failed)
        pool.bind()
        self._pools[name] = pool
        self._settings[name] = settings.services[name]
        self._locks[name] = DeferredLock()
        pool.setName(name)
        pool.parent = self._parent  # setServiceParent would start it before its dependencies
        self._parent.services.append(pool)

    # Operations on all services.

    async def start_all(self) -> None:
        """Start every service that does not run, each after its dependencies are ready.

        :raises ConfigError: if one cannot start.
        """
        await run_in_order(self._dependencies(), self.start)

    async def stop_all(self) -> None:
        """Stop every service, each after its dependents."""
        await run_in_order(reversed_order(self._dependencies()), self.stop)

    async def restart_all(self) -> None:
        """Restart every service, each after its dependencies."""
        await run_in_order(self._dependencies(), self.restart)

    async def shut_down(self) -> None:
        """Stop every service, each after its dependents, and refuse to start one from now on.

        It does not wait for operations in progress.
        """
        self._shut_down = True

        async def stop(name: str) -> None:
            if name in self._pools:  # it may have been removed meanwhile
                await self._pools[name].stopService()

        await run_in_order(reversed_order(self._dependencies()), stop)

    def unbind(self) -> None:
        """Close all sockets of services that were never started."""
        for pool in self._pools.values():
            pool.stopService()

    def abort(self) -> None:
        """Stop every service now."""
        for pool in self._pools.values():
            pool.abort()

    def kill_workers(self) -> None:
        """Send KILL to every worker and its process group, without the event loop."""
        for pid in self.pids():
            kill_worker(pid)

    def send(self, command: Command, only: str = "") -> None:
        """Send a command to every worker, or to those of one service."""
        for name, pool in self._pools.items():
            if only in ("", name):
                pool.send(command)

    async def send_and_wait(self, command: Command, only: str = "") -> None:
        """Send a command as :meth:`send`; done when all workers have executed it, or after about a second."""
        self.send(command, only)
        await self._refresh(only)  # a report that is requested after a command comes after its execution

    # Operations on one service.

    async def start(self, name: str) -> None:
        """Start a service that does not run; done when it is ready.

        :raises ConfigError: if it cannot start.
        :raises NotFound: if there is no such service; so do the methods below.
        """
        async with self._locked(name) as pool:
            self._refuse_if_shut_down()
            await _start(pool)

    async def stop(self, name: str) -> None:
        """Drain and stop a service."""
        async with self._locked(name) as pool:
            await pool.stopService()

    async def restart(self, name: str) -> None:
        """Stop and start a service; clients that connect meanwhile wait in the backlog.

        :raises ConfigError: if it cannot start.
        """
        async with self._locked(name) as pool:
            self._refuse_if_shut_down()
            await (_start(pool) if pool.stats().state in NOT_RUNNING else pool.restart())

    async def scale(self, name: str, workers: int) -> None:
        """Set the number of workers, until a reload changes the configured number.

        :raises ConfigError: if they cannot start.
        :raises Conflict: if the service does not run.
        """
        async with self.running(name) as pool:
            await pool.scale(workers)
            self._scaled[name] = workers
            self.factory.record("service.scaled", name, workers=workers)

    async def reconfigure(self, name: str, settings: Settings) -> None:
        """Replace the workers of a service by workers with its current code and settings.

        A new service, or one that has failed, is started.

        :raises ConfigError: if they cannot start; the old workers stay.
        """
        if name not in self._pools:
            await self._add(name, settings)
        elif settings.services[name].isolation != self._settings[name].isolation:
            await self._replace_pool(name, settings)
        else:
            async with self._locked(name) as pool:
                self._refuse_if_shut_down()
                await self._reload(name, pool, settings)

    async def remove(self, name: str) -> None:
        """Stop a service and remove it."""
        async with self._locked(name) as pool:
            await pool.stopService()
            self._parent.services.remove(pool)
            for by_name in (self._pools, self._settings, self._locks, self._scaled):
                by_name.pop(name, None)

    # Status.

    def pids(self) -> list[int]:
        """The process ids of all workers, without those of inline services."""
        workers = [worker for pool in self._pools.values() for worker in pool.stats().workers]
        return [worker.pid for worker in workers if worker.pid not in (None, os.getpid())]

    async def status(self, *, stopping: bool) -> dict[str, ServiceStatus]:
        """The status of every service, with reports that are at most about a second old."""
        await self._refresh()
        return {
            name: describe(self._settings[name], pool.stats(), stopping=stopping)
            for name, pool in self._pools.items()
        }

    async def figures(self, *, stopping: bool) -> dict[str, ServiceFigures]:
        """The figures of every service, with reports that are at most about a second old."""
        await self._refresh()
        return {name: service_figures(pool.stats(), stopping=stopping) for name, pool in self._pools.items()}

    def figures_of(self, name: str) -> ServiceFigures:
        """The figures of a service, as of the last reports of its workers."""
        return service_figures(self._pool(name).stats(), stopping=self._shut_down)

    def is_essential(self, name: str) -> bool:
        """Whether the orchestrator exits when the service fails."""
        return self._settings[name].essential

    def healthy(self) -> bool:
        """Whether every service that is not stopped on purpose has a ready worker."""
        return all(is_healthy(pool.stats()) for pool in self._pools.values())

    def is_debugged(self, name: str) -> bool:
        """Whether a service has a debug session."""
        return name in self._pools and self._pools[name].stats().state == "debugging"

    async def _add(self, name: str, settings: Settings) -> None:
        self._refuse_if_shut_down()
        self.bind(name, settings)
        try:
            await self.start(name)
        except ConfigError:
            await self.remove(name)
            raise

    async def _replace_pool(self, name: str, settings: Settings) -> None:
        """Replace a pool by one of another isolation; put the old one back if the new one cannot start."""
        services = {**settings.services, name: self._settings[name]}
        await self.remove(name)
        try:
            await self._add(name, settings)
        except ConfigError:
            await self._add(name, msgspec.structs.replace(settings, services=services))
            raise

    async def _reload(self, name: str, pool: IServicePool, settings: Settings) -> None:
        service = settings.services[name]
        scaled = self._scaled.get(name) if service.workers == self._settings[name].workers else None
        spec = self.factory.make_spec(name, settings, wanted=scaled)
        state = pool.stats().state
        if not state:
            await pool.reload(spec)
        else:
            pool.set_spec(spec)
            if state == "failed":
                await pool.restart()
        self._settings[name] = service
        if scaled is None:
            self._scaled.pop(name, None)

    async def _refresh(self, only: str = "") -> None:
        pools = [pool for name, pool in self._pools.items() if only in ("", name)]
        await gatherResults([pool.refresh() for pool in pools], consumeErrors=True)

    @asynccontextmanager
    async def _locked(self, name: str) -> AsyncIterator[IServicePool]:
        """The pool of a service, once no other operation on it is in progress."""
        self._pool(name)
        async with self._locks[name]:
            yield self._pool(name)  # it may have been removed meanwhile

    @asynccontextmanager
    async def running(self, name: str) -> AsyncIterator[IServicePool]:
        """The pool of a service that runs, once no other operation on it is in progress.

        :raises Conflict: if it does not run, or has a debug session.
        """
        async with self._locked(name) as pool:
            if state := pool.stats().state:
                if state == "debugging":
                    raise Conflict(f"{name} is being debugged; end that session first")
                raise Conflict(f"{name} is {state}; start it first")
            yield pool

    def _pool(self, name: str) -> IServicePool:
        try:
            return self._pools[name]
        except KeyError:
            known = ", ".join(self._pools)
            raise NotFound(f"there is no service {shortened(name)!r}; there are: {known}") from None

    def _refuse_if_shut_down(self) -> None:
        if self._shut_down:
            raise ConfigError("the orchestrator", "is stopping")

    def _dependencies(self) -> dict[str, tuple[str, ...]]:
        return {name: service.depends_on for name, service in self._settings.items()}


async def _start(pool: IServicePool) -> None:
    state = pool.stats().state
    if state == "failed":
        await pool.restart()
    elif state in NOT_RUNNING:
        pool.startService()
    await pool.when_ready()

"""All services together: what runs, as what, and the changes to it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from twisted.application.service import MultiService
from twisted.internet.defer import DeferredLock, gatherResults

from unixsvc.config.settings import ServiceSettings, Settings
from unixsvc.errors import ConfigError, Conflict, NotFound
from unixsvc.orchestrator.interfaces import IServicePool
from unixsvc.orchestrator.pool_factory import PoolFactory
from unixsvc.orchestrator.start_order import reversed_order, run_in_order
from unixsvc.orchestrator.status import ServiceStatus, describe
from unixsvc.orchestrator.worker.messages import Command

__all__ = ["ServiceManager"]

_STOPPED = ("stopped", "stopping", "waiting")


class ServiceManager:
    """The services. What is done to one of them is done one after the other.

    :param parent: has their pools for children.
    :param failed: called with the name and the reason when a service has failed.
    """

    def __init__(
        self, assembly: PoolFactory, parent: MultiService, failed: Callable[[str, str], object]
    ) -> None:
        self._assembly = assembly
        self._parent = parent
        self._failed = failed
        self._settings: dict[str, ServiceSettings] = {}
        self._pools: dict[str, Any] = {}
        self._locks: dict[str, DeferredLock] = {}
        self._scaled: dict[str, int] = {}
        self._halted = False

    @property
    def names(self) -> list[str]:
        """The services that there are."""
        return list(self._pools)

    @property
    def settings(self) -> dict[str, ServiceSettings]:
        """What they are, by name."""
        return dict(self._settings)

    def bind(self, name: str, settings: Settings) -> None:
        """Have a service, and take what only one can have; it is not started.

        :param settings: in which it stands.
        :raises ConfigError: if that cannot be.
        """
        version = self._assembly.version(name, settings)

        def failed(reason: str) -> None:
            self._failed(name, reason)

        pool = self._assembly.pool(name, settings, version, failed)
        pool.bind()
        self._pools[name] = IServicePool(pool)
        self._settings[name] = settings.services[name]
        self._locks[name] = DeferredLock()
        pool.setName(name)
        pool.parent = self._parent  # not setServiceParent, as that would start it out of its turn
        self._parent.services.append(pool)

    # All.

    async def start_all(self) -> None:
        """Start every service that is not, each after those that it depends on are ready.

        :raises ConfigError: if one cannot start.
        """
        await run_in_order(self._dependencies(), self.start)

    async def stop_all(self) -> None:
        """Stop every service, each after those that depend on it."""
        await run_in_order(reversed_order(self._dependencies()), self.stop)

    async def restart_all(self) -> None:
        """Restart every service, each after those that it depends on."""
        await run_in_order(self._dependencies(), self.restart)

    async def halt(self) -> None:
        """Stop every service likewise, whatever else is being done to it; nothing is started any more."""
        self._halted = True

        async def halt(name: str) -> None:
            if name in self._pools:  # else it was removed meanwhile
                await self._pools[name].stopService()

        await run_in_order(reversed_order(self._dependencies()), halt)

    def release(self) -> None:
        """Let go of what was claimed, where nothing has been started."""
        for each in self._pools.values():
            each.stopService()

    def abort(self) -> None:
        """End every service now."""
        for each in self._pools.values():
            each.abort()

    def send(self, command: Command) -> None:
        """Tell every worker something."""
        for each in self._pools.values():
            each.send(command)

    # One.

    async def start(self, name: str) -> None:
        """Start a service that is stopped, or has failed; done when it is ready.

        :raises ConfigError: if it cannot start.
        :raises NotFound: if there is no such service; so do the others below.
        """
        async with self._turn(name) as pool:
            self._refuse_if_halted()
            await _start(pool)

    async def stop(self, name: str) -> None:
        """Drain and stop a service."""
        async with self._turn(name) as pool:
            await pool.stopService()

    async def restart(self, name: str) -> None:
        """Stop a service and start it; clients that connect meanwhile wait.

        :raises ConfigError: if it cannot start.
        """
        async with self._turn(name) as pool:
            self._refuse_if_halted()
            await (_start(pool) if pool.stats().state in _STOPPED else pool.restart())

    async def scale(self, name: str, workers: int) -> None:
        """Have another number of workers, until another one is configured.

        :raises ConfigError: if they cannot start.
        :raises Conflict: if the service does not run.
        """
        async with self._turn(name) as pool:
            if state := pool.stats().state:
                raise Conflict(f"{name} is {state}; start it first")
            await pool.scale(workers)
            self._scaled[name] = workers

    async def renew(self, name: str, settings: Settings) -> None:
        """Have a service run as it is configured now, with its present code.

        One that is new, or has failed, is started.

        :raises ConfigError: if it cannot start; then what there was stays.
        """
        if name not in self._pools:
            await self._add(name, settings)
        elif settings.services[name].isolation != self._settings[name].isolation:
            await self._exchange(name, settings)
        else:
            async with self._turn(name) as pool:
                self._refuse_if_halted()
                await self._reload(name, pool, settings)

    async def remove(self, name: str) -> None:
        """Drain a service, and forget it."""
        async with self._turn(name) as pool:
            await pool.stopService()
            self._parent.services.remove(pool)
            for each in (self._pools, self._settings, self._locks, self._scaled):
                each.pop(name, None)

    # What can be known.

    def pids(self) -> list[int]:
        """Of all workers; not of this process, where services are inline."""
        workers = [worker for each in self._pools.values() for worker in each.stats().workers]
        return [each.pid for each in workers if each.pid not in (None, os.getpid())]

    async def status(self, *, stopping: bool) -> dict[str, ServiceStatus]:
        """Figures of every service, as fresh as its workers answer within a second."""
        await gatherResults([each.refresh() for each in self._pools.values()], consumeErrors=True)
        return {
            name: describe(self._settings[name].app, each.stats(), stopping=stopping)
            for name, each in self._pools.items()
        }

    def is_essential(self, name: str) -> bool:
        """Whether the others are of no use without it."""
        return self._settings[name].essential

    def healthy(self) -> bool:
        """Whether every service that is not stopped on purpose has a worker that is ready."""
        found = [each.stats() for each in self._pools.values()]
        return all(
            each.state in _STOPPED or any(worker.phase == "ready" for worker in each.workers)
            for each in found
        )

    async def _add(self, name: str, settings: Settings) -> None:
        self._refuse_if_halted()
        self.bind(name, settings)
        try:
            await self.start(name)
        except ConfigError:
            await self.remove(name)
            raise

    async def _exchange(self, name: str, settings: Settings) -> None:
        """Have something else run a service."""
        services = {**settings.services, name: self._settings[name]}
        await self.remove(name)
        try:
            await self._add(name, settings)
        except ConfigError:
            await self._add(name, msgspec.structs.replace(settings, services=services))
            raise

    async def _reload(self, name: str, pool: Any, settings: Settings) -> None:
        service = settings.services[name]
        scaled = self._scaled.get(name) if service.workers == self._settings[name].workers else None
        version = self._assembly.version(name, settings, wanted=scaled)
        state = pool.stats().state
        if not state:
            await pool.reload(version)
        else:
            pool.set_spec(version)
            if state == "failed":
                await pool.restart()
        self._settings[name] = service
        if scaled is None:
            self._scaled.pop(name, None)

    @asynccontextmanager
    async def _turn(self, name: str) -> AsyncIterator[Any]:
        """Wait until nothing else is done to a service; its pool."""
        self._pool(name)
        async with self._locks[name]:
            yield self._pool(name)  # it may have been removed meanwhile

    def _pool(self, name: str) -> Any:
        try:
            return self._pools[name]
        except KeyError:
            raise NotFound(f"there is no service {name!r}; there are: {', '.join(self._pools)}") from None

    def _refuse_if_halted(self) -> None:
        if self._halted:
            raise ConfigError("the orchestrator", "is stopping")

    def _dependencies(self) -> dict[str, tuple[str, ...]]:
        return {name: each.depends_on for name, each in self._settings.items()}


async def _start(pool: Any) -> None:
    state = pool.stats().state
    if state == "failed":
        await pool.restart()
    elif state in _STOPPED:
        pool.startService()
    await pool.when_ready()

"""The orchestrator: one Twisted service that holds all others."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import msgspec
from twisted.application.service import MultiService, Service
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from unixsvc.config.settings import CONTROL_SERVICE, ServiceSettings, Settings, start_order
from unixsvc.errors import ConfigError, NotFound
from unixsvc.orchestrator.control import control_app, control_settings
from unixsvc.orchestrator.interfaces import IOrchestrator, IOrchestratorWatcher
from unixsvc.orchestrator.pool_factory import PoolFactory, check_handed
from unixsvc.orchestrator.reload import ReloadQueue, check_reloadable
from unixsvc.orchestrator.service_manager import ServiceManager
from unixsvc.orchestrator.shared_result import SharedResult, run_detached
from unixsvc.orchestrator.sockets.binding import DirectoryLock
from unixsvc.orchestrator.status import ServiceStatus
from unixsvc.orchestrator.worker.messages import SetLogLevel
from unixsvc.security.tokens import load_or_create_token
from unixsvc.socket_directory import prepare_directory
from unixsvc.telemetry.logs import LogLevelFilter

__all__ = ["Orchestrator"]


@implementer(IOrchestrator)
class Orchestrator(MultiService):
    """Runs services. Each that is registered is a child: a pool of workers, or one in this process.

    :param settings: all but the services; those are :meth:`register`-ed.
    :param load: reads the configuration anew when a reload is asked for; without it, services are what they
        are registered as by then.
    :param level: of the log.
    :param handed: listening sockets that somebody has handed to us, by the name of the service.
    :param watcher: is told what becomes of us.
    """

    def __init__(
        self,
        settings: Settings,
        reactor: Any,
        *,
        load: Callable[[], Settings] | None = None,
        level: LogLevelFilter | None = None,
        handed: Mapping[str, socket.socket] | None = None,
        watcher: IOrchestratorWatcher | None = None,
    ) -> None:
        super().__init__()
        self._registered = self._settings = msgspec.structs.replace(settings, services={})
        self._reactor = reactor
        self._load = load
        self._level = level or LogLevelFilter(settings.log.level)
        self._handed = handed or {}
        self.watcher = watcher
        self._fleet: ServiceManager | None = None
        self._control: Any = None
        self._lock: DirectoryLock | None = None
        self._boot = SharedResult()
        self._stopped: Deferred[None] | None = None
        self._reloads = ReloadQueue(self._reload)
        self._log = Logger(namespace="orchestrator")

    def register(self, name: str, settings: ServiceSettings) -> None:
        """Have a service run; once the orchestrator is started, from the next reload on."""
        services = {**self._registered.services, name: settings}
        self._registered = msgspec.structs.replace(self._registered, services=services)

    def bind(self) -> None:
        """Take the socket directory, and bind every socket: all that can fail because of what is there.

        A daemon does this while there still is a terminal to complain to; else :meth:`startService` does.

        :raises ConfigError: if that cannot be; then nothing is left behind.
        """
        settings = self._settings = self._registered
        check_handed(self._handed, settings)
        prepare_directory(settings.socket_dir)
        self._lock = DirectoryLock(settings.socket_dir)
        try:
            assembly = PoolFactory(
                self._reactor, load_or_create_token(settings.token_file), self._level, self._handed
            )
            self._fleet = ServiceManager(assembly, self, self._has_failed)
            for name in start_order(settings.services):
                self._fleet.bind(name, settings)
            self._control = self._make_control(assembly)
        except ConfigError:
            if self._fleet is not None:
                self._fleet.release()
            self._let_go()
            raise

    def startService(self) -> None:
        """Start every service.

        :raises ConfigError: if nothing could be claimed.
        """
        if self._lock is None:
            self.bind()
        else:
            self._lock.sign()
        Service.startService(self)
        self._control.startService()
        Deferred.fromCoroutine(self._start()).addErrback(self._boot_failed)

    def when_ready(self) -> Deferred[None]:
        """Fires when every service is ready; fails with ConfigError if one cannot start."""
        return self._boot.wait()

    def stopService(self) -> Deferred[None]:
        """Drain every service; fires when all are gone, and nothing is left behind."""
        if self._stopped is None:
            Service.stopService(self)
            self._stopped = Deferred.fromCoroutine(self._stop())
        return self._stopped

    def abort(self) -> None:
        """End every service now."""
        self._running().abort()
        self._control.abort()

    def kill_workers(self) -> None:
        """Kill every worker, with nothing but the kernel's help: for when nothing else works any more."""
        for pid in self._running().pids():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    # What can be asked of it while it runs. Who asks and goes away does not keep it from being done.

    def reload(self, name: str = "") -> Deferred[None]:
        """Read the configuration, and have the workers of all services, or of one, replaced.

        :returns: fires when the new ones serve; fails with ConfigError if they cannot, and the old ones stay.
        """
        return self._reloads.ask(name)

    def start(self, name: str = "") -> Deferred[None]:
        """Start what is stopped or has failed: all, or one."""
        fleet = self._running()
        return run_detached(fleet.start(name) if name else fleet.start_all())

    def stop(self, name: str = "") -> Deferred[None]:
        """Drain and stop all services, or one."""
        fleet = self._running()
        return run_detached(fleet.stop(name) if name else fleet.stop_all())

    def restart(self, name: str = "") -> Deferred[None]:
        """Stop, then start; clients that connect meanwhile wait."""
        fleet = self._running()
        return run_detached(fleet.restart(name) if name else fleet.restart_all())

    def scale(self, name: str, workers: int) -> Deferred[None]:
        """Have another number of workers, until another one is configured."""
        return run_detached(self._running().scale(name, workers))

    def set_log_level(self, level: str) -> None:
        """Log what is at least at this level, here and in every worker."""
        self._level.set(level)
        self._running().send(SetLogLevel(level))

    async def status(self) -> dict[str, ServiceStatus]:
        """Figures of every service, as fresh as its workers answer within a second."""
        return await self._running().status(stopping=self._stopped is not None)

    def healthy(self) -> bool:
        """Whether every service that is not stopped on purpose has a worker that is ready."""
        return self._running().healthy()

    # How it is done.

    async def _start(self) -> None:
        await self._control.when_ready()
        await self._running().start_all()
        names = ", ".join(self._settings.services)
        self._log.info("ready: {names}, in {dir}", names=names, dir=self._settings.socket_dir)
        self._boot.settle()

    def _boot_failed(self, failure: Failure) -> None:
        self._boot.settle(failure.value)

    async def _reload(self, name: str) -> None:
        if self._stopped is not None:
            raise ConfigError("the orchestrator", "is stopping")
        self._log.info("reloading {name}", name=name or "all services")
        if self.watcher is not None:
            self.watcher.reloading()
        try:
            new = self._registered if self._load is None else self._load()
            check_reloadable(self._settings, new)
            await self._renew(name, new)
        except Exception as error:
            self._log.error("the reload was given up: {error}", error=error)
            raise
        finally:
            if self.watcher is not None:
                self.watcher.reloaded()
        self._log.info("reloaded {name}", name=name or "all services")

    async def _renew(self, only: str, new: Settings) -> None:
        fleet = self._running()
        if only and only not in {*new.services, *fleet.names}:
            raise NotFound(f"there is no service {only!r}; there are: {', '.join(new.services)}")
        self._check_order(only, new)
        for name in start_order(new.services):
            if only in ("", name):
                await fleet.renew(name, new)
        for name in reversed(fleet.names):
            if name not in new.services and only in ("", name):
                await fleet.remove(name)
        if new.log.level != self._settings.log.level:
            self.set_log_level(new.log.level)
        self._settings = new

    def _check_order(self, only: str, new: Settings) -> None:
        """See that what will run after the reload of one service can be started and stopped in some order."""
        if only:
            services = {**self._running().settings, only: new.services.get(only)}
            left = {name: each for name, each in services.items() if each is not None}
            start_order(left, f"{new.source}, with the others as they run now")

    def _has_failed(self, name: str, reason: str) -> None:
        if self._running().is_essential(name) and self.watcher is not None:
            self.watcher.aborted(name, reason)

    async def _stop(self) -> None:
        self._log.info("stopping")
        self._boot.settle(ConfigError("the orchestrator", "was stopped"))
        try:
            await self._running().halt()
            await self._control.stopService()  # last, so that it can be asked how far that is
        finally:
            self._let_go()

    def _make_control(self, assembly: PoolFactory) -> Any:
        settings = msgspec.structs.replace(self._settings, services={CONTROL_SERVICE: control_settings()})
        version = assembly.version(CONTROL_SERVICE, settings, app=control_app(self))
        control = assembly.pool(CONTROL_SERVICE, settings, version, lambda reason: None)
        control.setServiceParent(self)
        return control

    def _running(self) -> ServiceManager:
        if self._fleet is None:
            raise ConfigError("the orchestrator", "is not started")
        return self._fleet

    def _let_go(self) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None

"""The orchestrator: the parent service of all pools."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Callable
from typing import Final

import msgspec
from twisted.application.service import MultiService, Service
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from unixsvc.config.settings import CONTROL_SERVICE, ServiceSettings, Settings, start_order
from unixsvc.domain.validation.field_errors import shortened
from unixsvc.errors import ConfigError, NotFound
from unixsvc.execution.shared_result import SharedResult, run_detached
from unixsvc.listen.fd_limits import START_FDS, DescriptorReserve
from unixsvc.orchestrator.certificates.keeper import CertificateKeeper
from unixsvc.orchestrator.control_service import ControlService
from unixsvc.orchestrator.debugging.start import DebugSession, LentTerminal, start_session
from unixsvc.orchestrator.events.configured import ConfiguredHooks
from unixsvc.orchestrator.events.log import EventLog
from unixsvc.orchestrator.figures import ServiceFigures
from unixsvc.orchestrator.inspection.inspector import Inspector
from unixsvc.orchestrator.interfaces import IOrchestrator
from unixsvc.orchestrator.metrics_endpoint import MetricsKeeper
from unixsvc.orchestrator.pool.interfaces import IServicePool
from unixsvc.orchestrator.pool_factory import PoolFactory, socket_directories
from unixsvc.orchestrator.reactor import IPoolReactor
from unixsvc.orchestrator.reload import ReloadQueue, check_reloadable, check_start_order
from unixsvc.orchestrator.service_manager import ServiceManager
from unixsvc.orchestrator.sockets.binding import is_served
from unixsvc.orchestrator.sockets.directory_lock import DirectoryLock, another_orchestrator
from unixsvc.orchestrator.sockets.passed import PassedSockets, check_passed_gateways, check_passed_sockets
from unixsvc.orchestrator.sockets.path_supervisor import PathSupervisor
from unixsvc.orchestrator.status import ServiceStatus
from unixsvc.orchestrator.tokens.keeper import TokenKeeper
from unixsvc.orchestrator.worker.import_path import log_unsafe_places
from unixsvc.orchestrator.worker.messages import SetLogLevel
from unixsvc.security.control_guard import find_rules
from unixsvc.socket_directory import prepare_directory, socket_path
from unixsvc.telemetry.log_levels import LevelRule
from unixsvc.telemetry.log_query import LogBatch, LogQuery
from unixsvc.telemetry.log_sink import LogSink
from unixsvc.telemetry.logs import LogLevelFilter
from unixsvc.typing import IOrchestratorWatcher

__all__ = ["Orchestrator"]

# How long the last events may take to be delivered to hooks, in seconds.
_LAST_HOOKS: Final = 2.0


@implementer(IOrchestrator)
class Orchestrator(MultiService):
    """Runs services. Each registered service has a pool, which is a child of this service.

    :param settings: the configuration without its services, which are registered with :meth:`register`.
    :param load: reads the configuration at a reload; None to use the services that are registered by then.
    :param level: the log level, which reloads and the control API change.
    :param passed_sockets: listening sockets that systemd has passed, by service.
    :param watcher: observes this orchestrator.
    :param log: the log of this process; None if something else observes its events.
    :ivar tokens: the tokens of the services.
    :ivar events: what has happened to them.
    :ivar inspector: asks their workers what they do.
    :ivar followers: called with the configuration of each reload; one that raises ConfigError ends it.
    """

    def __init__(
        self,
        settings: Settings,
        reactor: IPoolReactor,
        *,
        load: Callable[[], Settings] | None = None,
        level: LogLevelFilter | None = None,
        passed_sockets: PassedSockets | None = None,
        watcher: IOrchestratorWatcher | None = None,
        log: LogSink | None = None,
    ) -> None:
        super().__init__()
        self._registered = self._settings = msgspec.structs.replace(settings, services={})
        self._reactor = reactor
        self._load = load
        self._level = level or LogLevelFilter(settings.log.level, settings.log.loggers)
        self._passed_sockets = passed_sockets or {}
        self.watcher = watcher
        self._manager: ServiceManager | None = None
        self._control: ControlService | None = None
        self._paths: PathSupervisor | None = None
        self._lock: DirectoryLock | None = None
        self._reserve = DescriptorReserve(START_FDS)
        self.events = EventLog()
        self._hooks = ConfiguredHooks(reactor, self.events)
        record = self.events.record
        self.tokens = TokenKeeper(reactor, self._settings, record=record)
        self.inspector = Inspector(lambda name: self._running().find(name))
        self.followers: list[Callable[[Settings], object]] = []
        self._certificates = CertificateKeeper(reactor, self._settings, record=record)
        self._metrics = MetricsKeeper(reactor, self._running)
        self._boot: SharedResult[None] = SharedResult()
        self._stopped: Deferred[None] | None = None
        self._reloads = ReloadQueue(self._reload)
        self._sink = log
        self._log = Logger(namespace="orchestrator")

    def register(self, name: str, settings: ServiceSettings) -> None:
        """Add a service, or change its settings; a running orchestrator applies this at its next reload."""
        services = {**self._registered.services, name: settings}
        self._registered = msgspec.structs.replace(self._registered, services=services)

    def bind(self) -> None:
        """Lock the socket directory and bind every socket: all steps that can fail on this machine.

        A daemon calls this while it still has a terminal for errors; otherwise :meth:`startService` does.

        :raises ConfigError: if a step fails; then all sockets are closed and the lock is released.
        """
        settings = self._settings = self._registered
        check_passed_sockets(self._passed_sockets, settings)
        prepare_directory(settings.socket_dir, settings.directory_mode)
        self._lock = DirectoryLock(settings.socket_dir, settings.directory_mode)
        try:
            if is_served(socket_path(settings.socket_dir, CONTROL_SERVICE)):
                raise another_orchestrator(settings.socket_dir)  # whose lock file was removed
            self.tokens.load(settings)
            self._certificates.load(settings)
            factory = PoolFactory(
                self._reactor,
                self.tokens.current,
                self._level,
                self._passed_sockets,
                self._reserve,
                self._lock.renew,
                self._certificates.current,
                None if self._sink is None else self._sink.add_entries,
                self.events.record,
            )
            self._reserve.fill()
            self._manager = ServiceManager(factory, self, self._service_failed)
            for name in start_order(settings.services):
                self._manager.bind(name, settings)
            self._control = ControlService(self, settings, factory)
            self._control.pool.bind()
            self._control.pool.setServiceParent(self)
            self._metrics.prepare(settings)
            self._paths = PathSupervisor(
                self._reactor,
                self._lock,
                lambda: socket_directories(self._settings),
                lambda: [*self._running().pools, self._control_pool()],
            )
        except ConfigError:
            if self._manager is not None:
                self._manager.unbind()
            self._release_lock()
            raise

    def startService(self) -> None:
        """Start every service.

        :raises ConfigError: as :meth:`bind` does.
        """
        if self._lock is None:
            self.bind()
        else:
            self._lock.write_pid()
        Service.startService(self)
        self.tokens.start(self._running().send_and_wait)
        self._certificates.start(self._running().send_and_wait)
        self._hooks.use(self._settings)
        self._metrics.commit()
        log_unsafe_places(self._log, self._settings)
        self._control_pool().startService()
        if self._paths is not None:
            self._paths.startService()
        Deferred.fromCoroutine(self._start()).addErrback(self._boot_failed)

    def when_ready(self) -> Deferred[None]:
        """Fires when every service is ready; fails with ConfigError if one cannot start."""
        return self._boot.wait()

    def stopService(self) -> Deferred[None]:
        """Drain every service; fires when all workers have ended and the lock is released."""
        if self._stopped is None:
            Service.stopService(self)
            self._stopped = Deferred.fromCoroutine(self._stop())
        return self._stopped

    def abort(self) -> None:
        """Stop every service now."""
        self._running().abort()
        self._control_pool().abort()

    def kill_workers(self) -> None:
        """Send KILL to every worker without the event loop: for when it is blocked."""
        self._running().kill_workers()

    def worker_pids(self) -> list[int]:
        """The process ids of all workers."""
        return self._running().pids()

    # Operations of the control API. A caller that disconnects does not cancel them.

    def reload(self, name: str = "") -> Deferred[None]:
        """Read the configuration, and replace the workers of all services, or of one.

        :returns: fires when the new workers serve; fails with ConfigError if they cannot start, and the old
            ones stay.
        """
        return self._reloads.request(name)

    def start(self, name: str = "") -> Deferred[None]:
        """Start all services that are stopped or have failed, or one."""
        manager = self._running()
        return run_detached(manager.start(name) if name else manager.start_all())

    def stop(self, name: str = "") -> Deferred[None]:
        """Drain and stop all services, or one."""
        manager = self._running()
        return run_detached(manager.stop(name) if name else manager.stop_all())

    def restart(self, name: str = "") -> Deferred[None]:
        """Stop and start all services, or one; clients that connect meanwhile wait in the backlog."""
        manager = self._running()
        return run_detached(manager.restart(name) if name else manager.restart_all())

    def scale(self, name: str, workers: int) -> Deferred[None]:
        """Set the number of workers of a service, until a reload changes the configured number."""
        return run_detached(self._running().scale(name, workers))

    async def debug(self, name: str, terminal: LentTerminal) -> DebugSession:
        """Replace the workers of a service by one with a terminal, until the session is closed."""
        return await start_session(self._running(), self._settings, name, terminal)

    def is_debugged(self, name: str) -> bool:
        """Whether a service has a debug session."""
        return self._running().is_debugged(name)

    async def logs(self, query: LogQuery) -> AsyncGenerator[LogBatch, None]:
        """Return the last events of the log, and those that come if the query follows."""
        from unixsvc.orchestrator.log_feed import feed  # late: most events are not read here

        if self._sink is None or self._sink.ring is None:
            raise ConfigError("the orchestrator", "keeps no events of the log", "set ring_bytes in [log]")
        return feed(self._sink.ring, query, self._reactor)

    def set_log_level(self, level: str, about: LevelRule | None = None) -> None:
        """Set the lowest level that is logged, here and in every worker."""
        manager = self._running()
        if about is None or not any(about.key):
            configured = self._settings.log.level
            self._level.set(
                configured if level == "default" else level, rules=() if level == "default" else None
            )
        elif about.service and about.service not in manager.names:
            raise NotFound(f"there is no service {shortened(about.service)!r}")
        else:
            rule = None if level == "default" else msgspec.structs.replace(about, level=level)
            self._level.set_rule(rule, about.key)
        manager.send(SetLogLevel(self._level.name, {**self._level.loggers}, tuple(self._level.rules)))

    async def status(self) -> dict[str, ServiceStatus]:
        """The status of every service, with reports that are at most about a second old."""
        return await self._running().status(stopping=self._stopped is not None)

    async def figures(self) -> dict[str, ServiceFigures]:
        """The figures of every service, with reports that are at most about a second old."""
        return await self._running().figures(stopping=self._stopped is not None)

    def healthy(self) -> bool:
        """Whether every service that is not stopped on purpose has a ready worker."""
        return self._running().healthy()

    # Implementation.

    async def _start(self) -> None:
        await self._control_pool().when_ready()
        await self._running().start_all()
        names = ", ".join(self._settings.services)
        self._log.info("ready: {names}, in {dir}", names=names, dir=self._settings.socket_dir)
        self.events.record("orchestrator.ready", pid=os.getpid())
        self._boot.succeed(None)

    def _boot_failed(self, failure: Failure) -> None:
        error = failure.value
        self._boot.fail(error if isinstance(error, Exception) else RuntimeError(str(error)))

    async def _reload(self, name: str) -> None:
        if self._stopped is not None:
            raise ConfigError("the orchestrator", "is stopping")
        self._log.info("reloading {name}", name=name or "all services")
        self.events.record("reload.started", name)
        if self.watcher is not None:
            self.watcher.reloading()
        failure = ""
        try:
            if self._paths is not None:
                self._paths.check()  # new workers get the present sockets
            new = self._registered if self._load is None else self._load()
            check_reloadable(self._settings, new)
            await self._reconfigure(name, new)
        except Exception as error:
            failure = str(error)
            self._log.error("the reload has failed: {error}", error=failure)
            self.events.record("reload.failed", name, reason=failure)
            raise
        finally:
            self._metrics.cancel()
            if self.watcher is not None:
                self.watcher.reloaded(failure)
        self._log.info("reloaded {name}", name=name or "all services")
        self.events.record("reload.done", name)

    async def _reconfigure(self, only: str, new: Settings) -> None:
        """Apply a configuration.

        :param only: the service to reload; empty for all.
        """
        manager = self._running()
        if only and only not in {*new.services, *manager.names}:
            raise NotFound(f"there is no service {shortened(only)!r}; there are: {', '.join(new.services)}")
        check_start_order(only, manager.settings, new)
        control_rules = find_rules(new.control, new.source)
        check_passed_gateways(self._passed_sockets, new)
        self._metrics.prepare(new)
        self._certificates.load(new, only)
        await self.tokens.reload(new)
        for follow in self.followers:
            follow(new)
        for name in start_order(new.services):
            if only in ("", name):
                await manager.reconfigure(name, new)
        for name in reversed(manager.names):
            if name not in new.services and only in ("", name):
                await manager.remove(name)
        if self._control is not None:
            self._control.set_rules(control_rules)
        self._metrics.commit()
        log, before = new.log, self._settings.log
        if (log.level, log.loggers) != (before.level, before.loggers):
            self._level.set(self._level.name, log.loggers)
            # A level that was set meanwhile stays until the configuration has another one.
            self.set_log_level(self._level.name if log.level == before.level else log.level)
        self._settings = new
        self._hooks.use(new)
        log_unsafe_places(self._log, new)

    def _service_failed(self, name: str, reason: str) -> None:
        if self._running().is_essential(name) and self.watcher is not None:
            self.watcher.aborted(name, reason)

    async def _stop(self) -> None:
        self._log.info("stopping")
        self.events.record("orchestrator.stopping")
        self.tokens.stop()
        self._certificates.stop()
        self._boot.fail(ConfigError("the orchestrator", "was stopped"))
        if self._paths is not None:
            self._paths.stopService()
        try:
            await self._running().shut_down()
            self.events.close()
            if self._sink is not None and self._sink.ring is not None:
                self._sink.ring.closed = True  # or the control API would wait for its readers
            await self._control_pool().stopService()  # last, so that the status can be requested meanwhile
            await self._hooks.finish(_LAST_HOOKS)
        finally:
            self._metrics.stop()
            self._release_lock()

    def _running(self) -> ServiceManager:
        if self._manager is None:
            raise ConfigError("the orchestrator", "is not started")
        return self._manager

    def _control_pool(self) -> IServicePool:
        if self._control is None:
            raise ConfigError("the orchestrator", "is not started")
        return self._control.pool

    def _release_lock(self) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None
        self._reserve.close()

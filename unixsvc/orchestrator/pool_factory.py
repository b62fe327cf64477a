"""Makes pools and worker specs from the configuration."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import msgspec
from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IStreamServerEndpoint

from unixsvc.config.access import rules_about
from unixsvc.config.http import parse_listen
from unixsvc.config.nats import NatsAccess, read_nats_access
from unixsvc.config.settings import CONTROL_SERVICE, ServiceSettings, Settings
from unixsvc.config.tracing import Tracing
from unixsvc.datasource.idempotency.directory import directory_path, make_directory
from unixsvc.listen.certificates import ServerCertificate
from unixsvc.listen.fd_limits import DescriptorReserve
from unixsvc.orchestrator.events.log import Record, ignore
from unixsvc.orchestrator.interpreter import find_interpreter
from unixsvc.orchestrator.pool.inline import InlinePool
from unixsvc.orchestrator.pool.interfaces import IServicePool
from unixsvc.orchestrator.pool.model import Recycling, SupervisionPolicy
from unixsvc.orchestrator.pool.pool import Pool
from unixsvc.orchestrator.pool.process import InheritedFds, WorkerOwner, WorkerProcess
from unixsvc.orchestrator.pool.spec import WorkerSpec
from unixsvc.orchestrator.reactor import IPoolReactor
from unixsvc.orchestrator.sockets.http_listener import HttpListener
from unixsvc.orchestrator.sockets.interfaces import IListener
from unixsvc.orchestrator.sockets.passed import PassedSockets
from unixsvc.orchestrator.sockets.unix_listener import UnixListener
from unixsvc.orchestrator.worker.messages import SetTokens
from unixsvc.orchestrator.worker.privileges import find_privileges
from unixsvc.routing.app import App, load_app
from unixsvc.security.control_guard import ControlGuard
from unixsvc.service.factory import make_service_host
from unixsvc.service.host import ServiceHost
from unixsvc.service.spec import WorkerConfig
from unixsvc.socket_directory import socket_path
from unixsvc.telemetry.logs import LogLevelFilter

__all__ = ["PoolFactory", "socket_directories"]

S = TypeVar("S", bound=Struct)


def _no_certificates(service: str) -> dict[str, ServerCertificate]:
    return {}


@dataclass
class PoolFactory:
    """Makes pools, and the specs of their workers.

    :param tokens: returns the valid tokens, for a worker that starts.
    :param level: the log level, read when a worker starts.
    :param passed_sockets: listening sockets that systemd has passed, by service.
    :param reserve: is released for the start of a worker.
    :param claim: raises ConfigError if another orchestrator serves the socket directory.
    :param certificates: returns those of a service by endpoint string, for a worker that starts.
    :param on_access: as in :class:`~unixsvc.orchestrator.pool.process.WorkerProcess`.
    :param record: records what happens to services.
    """

    reactor: IPoolReactor
    tokens: Callable[[], SetTokens]
    level: LogLevelFilter
    passed_sockets: PassedSockets
    reserve: DescriptorReserve | None = None
    claim: Callable[[], object] = bool
    certificates: Callable[[str], dict[str, ServerCertificate]] = _no_certificates
    on_access: Callable[[bytes, int, str, int], bool] | None = None
    record: Record = ignore
    _specs: int = field(default=0, init=False)  # that were made

    def make_pool(
        self, name: str, settings: Settings, spec: WorkerSpec, on_failed: Callable[[str], object]
    ) -> IServicePool:
        """Make the pool of a service; it is not started yet.

        :param on_failed: as in :class:`~unixsvc.orchestrator.pool.pool.Pool`.
        """
        listener = self._make_listener(name, settings, spec)
        if spec.settings.isolation == "inline":
            if settings.folder not in sys.path:
                sys.path.append(settings.folder)  # last, as in a worker
            return InlinePool(name, self.reactor, spec, listener)
        return Pool(name, self.reactor, spec, listener, on_failed, reserve=self.reserve, record=self.record)

    def make_control(
        self, settings: Settings, app: App, guard: ControlGuard
    ) -> tuple[IServicePool, UnixListener]:
        """Make the pool of the control API, in this process; it is not started yet.

        :param settings: a configuration with this service only, see
            :func:`~unixsvc.orchestrator.control.control_settings`.
        :param guard: decides who may use it.
        :returns: the pool and its listening socket.
        """
        [name] = settings.services
        config = self._worker_config(name, settings, settings.services[name])
        host = partial(self._make_host, config, app, guard)
        spec = msgspec.structs.replace(self.make_spec(name, settings), host=host)
        path, backlog = socket_path(settings.socket_dir, name), spec.limits.backlog
        listener = UnixListener(path, settings.socket_mode, backlog, claim=self.claim)
        return InlinePool(name, self.reactor, spec, listener), listener

    def make_spec(
        self, name: str, settings: Settings, *, wanted: int | None = None, terminal: int | None = None
    ) -> WorkerSpec:
        """Make the spec of a service.

        :param settings: the configuration that contains the service.
        :param wanted: the number of workers, if not the configured one.
        :param terminal: the terminal of the worker, for a debug session.
        :raises ConfigError: if the settings do not fit this machine.
        """
        service = settings.services[name]
        config = self._worker_config(name, settings, service)
        _make_answers_directory(config)
        self._specs += 1
        return WorkerSpec(
            number=self._specs,
            settings=service,
            wanted=wanted or service.worker_count,
            policy=_from_settings(SupervisionPolicy, service),
            recycling=_from_settings(Recycling, service),
            make=partial(self._make_process, config, find_interpreter(settings), terminal),
            host=partial(self._make_host, config, None, None),
            limits=config.limits,
            security=settings.security,
            http=config.http,
            listen=tuple(
                parse_listen(each, settings.folder) for each in (config.http.listen if config.http else ())
            ),
        )

    def _make_listener(self, name: str, settings: Settings, spec: WorkerSpec) -> IListener:
        backlog = spec.limits.backlog
        passed = self.passed_sockets.get(name, ())
        if spec.http is not None:
            return HttpListener(name, spec.listen, backlog, passed)
        path = socket_path(settings.socket_dir, name)
        return UnixListener(path, settings.socket_mode, backlog, next(iter(passed), None), claim=self.claim)

    def _make_process(
        self,
        config: WorkerConfig,
        interpreter: str,
        terminal: int | None,
        slot: int,
        fds: InheritedFds,
        owner: WorkerOwner,
    ) -> WorkerProcess:
        log = msgspec.structs.replace(config.log, level=self.level.name, loggers={**self.level.loggers})
        debugged = terminal is not None
        config = self._with_tokens(
            config,
            slot=slot,
            log=log,
            log_rules=tuple(self.level.rules),
            counts_slot=fds.counts_slot,
            debugged=debugged,
        )
        if config.http is not None:
            known = self.certificates(config.service)
            own = {each: known[each] for each in config.http.listen if each in known}
            config = msgspec.structs.replace(config, certificates=own)
        return WorkerProcess(
            self.reactor,
            config,
            fds,
            owner,
            interpreter=interpreter,
            terminal=terminal,
            on_access=self.on_access,
        )

    def _make_host(
        self,
        config: WorkerConfig,
        app: App | None,
        guard: ControlGuard | None,
        endpoint: IStreamServerEndpoint,
    ) -> Deferred[ServiceHost]:
        making = make_service_host(
            self._with_tokens(config),
            app or load_app(config.settings.app),
            endpoint,
            self.reactor,
            guard=guard,
            admission=None if guard is None else guard.connect,
        )
        return Deferred.fromCoroutine(making)

    def _with_tokens(self, config: WorkerConfig, **changes: object) -> WorkerConfig:
        """The configuration with the tokens that are valid now."""
        current = self.tokens()
        return msgspec.structs.replace(config, token=current.token, tokens=current.tokens, **changes)

    def _worker_config(self, name: str, settings: Settings, service: ServiceSettings) -> WorkerConfig:
        return WorkerConfig(
            service=name,
            slot=1,
            folder=settings.folder,
            settings=service,
            limits=service.limits(settings.limits),
            security=settings.security,
            log=settings.log,
            token="",
            privileges=find_privileges(service, f"services.{name}", os.geteuid()),
            owner=os.geteuid(),
            socket_dir=settings.socket_dir,
            http=settings.gateways.get(name),
            access=rules_about(settings.access, name),
            tracing=Tracing() if name == CONTROL_SERVICE else settings.tracing,
            nats=_nats_access(name, settings),
        )


def _nats_access(name: str, settings: Settings) -> NatsAccess | None:
    """How the workers of a service log in to the cluster; None if there is none."""
    if not settings.nats.servers or name == CONTROL_SERVICE:
        return None
    return read_nats_access(settings.nats)


def _make_answers_directory(config: WorkerConfig) -> None:
    """Make the directory of idempotency keys for workers of another user, who may not make it."""
    uid, gid = config.privileges.uid, config.privileges.gid
    if uid is None or gid is None:
        return
    if uid != os.geteuid():
        make_directory(directory_path(config.socket_dir, config.service), uid, gid)


def socket_directories(settings: Settings) -> set[str]:
    """The directories that have the paths of listening sockets."""
    addresses = [address for http in settings.gateways.values() for address in http.listen]
    paths = [parse_listen(address, settings.folder).path for address in addresses]
    return {settings.socket_dir, *(os.path.dirname(path) for path in paths if path)}


def _from_settings(kind: type[S], service: ServiceSettings) -> S:
    """A struct of the settings that have the names of its fields."""
    names = set(kind.__struct_fields__) & set(service.__struct_fields__)
    return kind(**{name: getattr(service, name) for name in names})

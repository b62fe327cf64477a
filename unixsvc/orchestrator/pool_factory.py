"""From what is configured to what runs."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import msgspec

from unixsvc.config.http import parse_listen
from unixsvc.config.settings import HTTP_SERVICE, ServiceSettings, Settings
from unixsvc.errors import ConfigError
from unixsvc.listen.endpoint import OwnedUNIXServerEndpoint
from unixsvc.orchestrator.pool.inline import InlinePool
from unixsvc.orchestrator.pool.policy import SupervisionPolicy
from unixsvc.orchestrator.pool.pool import Pool
from unixsvc.orchestrator.pool.process import InheritedFds, WorkerOwner, WorkerProcess
from unixsvc.orchestrator.pool.worker_record import Recycling, WorkerSpec
from unixsvc.orchestrator.sockets.binding import Listener, remove_stale_sockets
from unixsvc.orchestrator.sockets.http_listener import HttpListener
from unixsvc.orchestrator.worker.privileges import find_privileges
from unixsvc.routing.app import App, load_app
from unixsvc.service.factory import make_service_host
from unixsvc.service.host import ServiceHost
from unixsvc.service.spec import WorkerConfig
from unixsvc.socket_directory import socket_path
from unixsvc.telemetry.logs import LogLevelFilter

__all__ = ["PoolFactory", "check_handed"]


class PoolFactory:
    """Makes pools, and the versions that they run.

    :param token: that clients must show.
    :param level: of the log, as it is when a worker starts.
    :param handed: listening sockets that somebody has handed to us, by the name of the service.
    """

    def __init__(
        self, reactor: Any, token: str, level: LogLevelFilter, handed: Mapping[str, socket.socket]
    ) -> None:
        self._reactor = reactor
        self._token = token
        self._level = level
        self._handed = handed
        self._versions = 0

    def pool(
        self, name: str, settings: Settings, version: WorkerSpec, has_failed: Callable[[str], object]
    ) -> Any:
        """What runs a service, an IServicePool; it is not started yet.

        :param has_failed: as in :class:`~unixsvc.orchestrator.pool.pool.Pool`.
        """
        if version.settings.isolation == "inline":
            if settings.folder not in sys.path:
                sys.path.insert(0, settings.folder)
            return InlinePool(name, self._reactor, version)
        backlog = version.settings.limits(settings.limits).backlog
        door: Any
        if settings.http is not None and name == HTTP_SERVICE:
            door = HttpListener(
                [parse_listen(each, settings.folder) for each in settings.http.listen], backlog
            )
        else:
            path = socket_path(settings.socket_dir, name)
            door = Listener(path, settings.socket_mode, backlog, self._handed.get(name))
        return Pool(name, self._reactor, version, door, has_failed)

    def version(
        self, name: str, settings: Settings, *, wanted: int | None = None, app: App | None = None
    ) -> WorkerSpec:
        """What a service is to be.

        :param settings: in which it stands.
        :param wanted: how many workers, if not as many as are configured.
        :param app: its application, if that is not to be imported.
        :raises ConfigError: if it cannot be that on this machine.
        """
        service = settings.services[name]
        self._versions += 1
        return WorkerSpec(
            number=self._versions,
            settings=service,
            wanted=wanted or service.worker_count,
            rules=_common(SupervisionPolicy, service),
            recycling=_common(Recycling, service),
            make=partial(self._make, self._config(name, settings, service)),
            host=partial(self._host, name, settings, service, app),
            limits=service.limits(settings.limits),
            security=settings.security,
            http=settings.http if name == HTTP_SERVICE else None,
        )

    def _make(self, config: WorkerConfig, slot: int, seat: InheritedFds, owner: WorkerOwner) -> WorkerProcess:
        log = msgspec.structs.replace(config.log, level=self._level.name)
        config = msgspec.structs.replace(config, slot=slot, log=log, place=seat.place)
        return WorkerProcess(self._reactor, config, seat, owner)

    def _host(self, name: str, settings: Settings, service: ServiceSettings, app: App | None) -> ServiceHost:
        path = socket_path(settings.socket_dir, name)
        remove_stale_sockets(path)
        config = self._config(name, settings, service)
        endpoint = OwnedUNIXServerEndpoint(self._reactor, path, config.limits.backlog, settings.socket_mode)
        return make_service_host(config, app or load_app(service.app), endpoint, self._reactor)

    def _config(self, name: str, settings: Settings, service: ServiceSettings) -> WorkerConfig:
        return WorkerConfig(
            name,
            1,
            settings.folder,
            service,
            service.limits(settings.limits),
            settings.security,
            settings.log,
            self._token,
            find_privileges(service, f"services.{name}", os.geteuid()),
            settings.socket_dir,
            http=settings.http if name == HTTP_SERVICE else None,
        )


def check_handed(handed: Mapping[str, socket.socket], settings: Settings) -> None:
    """See that sockets which were handed to us are where clients look for services.

    :raises ConfigError: naming one that is not.
    """
    for name, each in handed.items():
        where = f"the socket {name!r} that was handed to us"
        service = settings.services.get(name)
        if service is None or service.isolation == "inline" or (settings.http and name == HTTP_SERVICE):
            known = ", ".join(each for each in settings.services if each != name)
            remedy = f"name it as one of: {known}"
            raise ConfigError(where, "is for no service that has a Unix socket here", remedy)
        path = socket_path(settings.socket_dir, name)
        if each.getsockname() != path:
            raise ConfigError(where, f"listens on {each.getsockname()}", f"clients look for it at {path}")


def _common(kind: Any, service: ServiceSettings) -> Any:
    """Those of the settings that a struct has fields for."""
    names = set(kind.__struct_fields__) & set(service.__struct_fields__)
    return kind(**{name: getattr(service, name) for name in names})

"""Listens for scrapes, and changes that at a reload."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import Any, Final

from twisted.internet.interfaces import IListeningPort, IReactorSocket, IReactorTime

from unixsvc.config.http import Listen, parse_listen
from unixsvc.config.metrics import MetricsEndpoint
from unixsvc.config.settings import Settings
from unixsvc.errors import ConfigError
from unixsvc.orchestrator.exporter.families import ServiceLimits
from unixsvc.orchestrator.exporter.scrape import Scraper, open_files_limit
from unixsvc.orchestrator.exporter.web import Access, MetricsResource, make_site
from unixsvc.orchestrator.figures import ServiceFigures
from unixsvc.orchestrator.service_manager import ServiceManager
from unixsvc.orchestrator.sockets.http_listener import HttpListener
from unixsvc.orchestrator.worker.messages import ReportAppMetrics
from unixsvc.security.hosts import HostRules
from unixsvc.telemetry.exposition.application import AppSnapshot

__all__ = ["MetricsExporter"]

_REMEDY: Final = "choose another with [metrics] listen, or stop what listens there"
_BACKLOG: Final = 64
_MAX_TOKEN: Final = 4096  # bytes


class _Reactor(IReactorTime, IReactorSocket):
    """A reactor that can listen on a socket that is there already."""


class MetricsExporter:
    """Serves metrics at one address.

    :param manager: returns the manager of the services.
    :param settings: the whole configuration; the table ``[metrics]`` has an address.
    :raises ConfigError: if the address cannot be bound, or the token cannot be read.
    """

    def __init__(self, reactor: Any, manager: Callable[[], ServiceManager], settings: Settings) -> None:
        self._reactor: _Reactor = reactor
        self._source = ManagerSource(manager, settings)
        self._scraper = Scraper(self._source, reactor, settings.metrics)
        self._resource = MetricsResource(self._scraper.scrape, _access(settings.metrics))
        self._site = make_site(self._resource, reactor)
        self._address = _address(settings)
        self._listener = HttpListener("metrics", [self._address], _BACKLOG, remedy=_REMEDY)
        self._listener.open()
        self._port: IListeningPort | None = None

    def start(self) -> None:
        """Accept connections, unless that is done."""
        if self._port is None:
            [descriptor] = self._listener.descriptors()
            with socket.socket(fileno=os.dup(descriptor)) as listening:
                family = listening.family
            self._port = self._reactor.adoptStreamPort(descriptor, family, self._site)

    def stop(self) -> None:
        """Close the socket; scrapes in progress go on."""
        if self._port is not None:
            self._port.stopListening()
        self._listener.close()

    def has_address(self, settings: Settings) -> bool:
        """Whether this is the address of a configuration."""
        return self._address == _address(settings)

    def change(self, settings: Settings) -> Callable[[], None]:
        """Prepare to use other settings, with the same address.

        :returns: uses them.
        :raises ConfigError: if the token cannot be read.
        """
        access = _access(settings.metrics)

        def use() -> None:
            self._resource.access = access
            self._scraper.settings = settings.metrics
            self._source.settings = settings

        return use


class ManagerSource:
    """The figures that the manager of the services has.

    :ivar settings: the whole configuration.
    """

    def __init__(self, manager: Callable[[], ServiceManager], settings: Settings) -> None:
        self._manager = manager
        self.settings = settings

    def names(self) -> list[str]:
        """The services."""
        return self._manager().names

    async def refresh(self) -> None:
        """Request reports from all workers; done when they are there, or after about a second."""
        await self._manager().send_and_wait(ReportAppMetrics())

    def figures(self, name: str) -> ServiceFigures:
        """The figures of a service."""
        return self._manager().figures_of(name)

    def app_metrics(self, name: str) -> AppSnapshot:
        """The metrics of the application of a service."""
        return self._manager().find(name)[name].app_metrics()

    def limits(self, name: str) -> ServiceLimits:
        """The limits of each worker of a service."""
        service = self._manager().settings[name]
        limits = service.limits(self.settings.limits)
        descriptors = service.rlimits.open_files or open_files_limit()
        return ServiceLimits(limits.max_inflight, limits.max_connections, descriptors)


def _address(settings: Settings) -> Listen:
    return parse_listen(settings.metrics.listen, settings.folder)


def _access(settings: MetricsEndpoint) -> Access:
    return Access(HostRules(settings.allowed_hosts), _token(settings.token_file))


def _token(path: str) -> bytes:
    if not path:
        return b""
    try:
        with open(path, "rb") as file:
            token = file.read(_MAX_TOKEN).strip()
    except OSError as error:
        raise ConfigError(path, f"cannot be read: {error.strerror}", "correct [metrics] token_file") from None
    if not token:
        raise ConfigError(path, "has no token", "write one, as 'openssl rand -hex 32' prints it")
    return token

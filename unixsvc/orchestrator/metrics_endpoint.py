"""The endpoint for Prometheus, as ``[metrics]`` has it: it is opened, changed and closed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from unixsvc.config.settings import Settings
from unixsvc.orchestrator.reactor import IPoolReactor
from unixsvc.orchestrator.service_manager import ServiceManager

if TYPE_CHECKING:
    from unixsvc.orchestrator.exporter.exporter import MetricsExporter

__all__ = ["MetricsKeeper"]


class MetricsKeeper:
    """Has an exporter while the configuration has one.

    A change has two steps, so that a reload which fails changes nothing.

    :param manager: returns the manager of the services.
    """

    def __init__(self, reactor: IPoolReactor, manager: Callable[[], ServiceManager]) -> None:
        self._reactor = reactor
        self._manager = manager
        self._exporter: MetricsExporter | None = None
        self._prepared: MetricsExporter | None = None
        self._use: Callable[[], object] = bool

    def prepare(self, settings: Settings) -> None:
        """Prepare to follow a configuration: bind its address, and read its token.

        :raises ConfigError: if that is not possible.
        """
        self.cancel()
        if not settings.metrics.listen:
            self._use = self._close
        elif self._exporter is not None and self._exporter.has_address(settings):
            self._use = self._exporter.change(settings)
        else:
            # Late: it needs the server of twisted.web, and few systems have one.
            from unixsvc.orchestrator.exporter.exporter import MetricsExporter

            self._prepared = MetricsExporter(self._reactor, self._manager, settings)
            self._use = self._replace

    def commit(self) -> None:
        """Follow the prepared configuration."""
        self._use()
        self._use = bool

    def cancel(self) -> None:
        """Stay as before."""
        if self._prepared is not None:
            self._prepared.stop()
        self._prepared, self._use = None, bool

    def stop(self) -> None:
        """Close the endpoint."""
        self.cancel()
        self._close()

    def _replace(self) -> None:
        self._close()
        self._exporter, self._prepared = self._prepared, None
        if self._exporter is not None:
            self._exporter.start()

    def _close(self) -> None:
        if self._exporter is not None:
            self._exporter.stop()
        self._exporter = None

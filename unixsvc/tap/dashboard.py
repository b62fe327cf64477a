"""The live page as a part of the tree; its modules are imported when it is configured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred

from unixsvc.config.settings import Settings
from unixsvc.orchestrator.orchestrator import Orchestrator

if TYPE_CHECKING:
    from unixsvc.dashboard.server import DashboardServer

__all__ = ["DashboardService"]


class DashboardService(Service):
    """Serves the page of an orchestrator if its configuration has an address for it.

    :param reactor: as that of :class:`~unixsvc.dashboard.server.DashboardServer`.
    """

    def __init__(self, orchestrator: Orchestrator, reactor: Any) -> None:
        self._orchestrator = orchestrator
        self._reactor = reactor
        self._server: DashboardServer | None = None
        orchestrator.followers.append(self.use)

    def use(self, settings: Settings) -> None:
        """Use a configuration from now on.

        :raises ConfigError: if it cannot be used; then the page stays as it was.
        """
        server = self._server
        if not settings.dashboard.listen:
            self._server = None
            if server is not None:
                server.stop()
        elif server is not None:
            server.use(settings)
        else:
            # Late: few orchestrators have the page, and twisted.web takes some MiB.
            from unixsvc.dashboard.server import DashboardServer

            self._server = DashboardServer(self._orchestrator, self._reactor, settings)
            if self.running:
                self._server.start()

    def startService(self) -> None:
        """Begin to accept."""
        super().startService()
        if self._server is not None:
            self._server.start()

    def stopService(self) -> Deferred[object] | None:
        """Stop to accept, and end all open pages."""
        super().stopService()
        server, self._server = self._server, None
        return None if server is None else server.stop()

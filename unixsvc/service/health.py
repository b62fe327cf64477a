"""The health check of a service: ``/-/health``."""

from __future__ import annotations

import svcs
from twisted.logger import Logger

from unixsvc.errors import Cancelled, Unavailable

__all__ = ["HealthCheck"]


class HealthCheck:
    """Runs the health checks that the application has registered with svcs.

    :param service: the name of the service.
    :ivar problem: the check that failed last, with its error; empty if none has failed. It may hold internal
        details and is not for clients.
    """

    def __init__(self, service: str) -> None:
        self._service = service
        self._log = Logger(namespace=service)
        self.problem = ""

    async def check(self, container: svcs.Container) -> dict[str, str]:
        """Ping every dependency in turn.

        :returns: the result of ``/-/health``.
        :raises Unavailable: if one of them fails.
        """
        for dependency in container.get_pings():
            try:
                await dependency.aping() if dependency.is_async else dependency.ping()
            except Cancelled:  # the caller has disconnected
                raise
            except Exception as error:  # a check is application code and may raise anything
                self.problem = f"{dependency.name}: {type(error).__name__}: {error}"
                self._log.failure("health check {name} failed", name=dependency.name)
                raise Unavailable from None
        return {"status": "ok", "service": self._service}

"""The contracts of a service and of the services that it mounts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec.structs import replace

from unixsvc.contract.interfaces import IDescribesRoutes
from unixsvc.contract.model import Contract, UnavailableContract
from unixsvc.domain.interfaces import IRouterDatasource
from unixsvc.domain.providers import as_provider
from unixsvc.errors import BadGateway, DeadlineExceeded, Unavailable
from unixsvc.routing.router import Router
from unixsvc.telemetry.limited_logger import LimitedLogger

__all__ = ["ServiceContracts"]

# A mounted service that fails in one of these ways may answer later.
_TEMPORARY: Final = (Unavailable, DeadlineExceeded, BadGateway)


class ServiceContracts:
    """Collects the contracts below the paths of one service.

    :param service: the name of the service.
    :param router: its own routes.
    :param mounts: what it mounts, by path prefix.
    """

    def __init__(self, service: str, router: Router, mounts: Mapping[str, IRouterDatasource]) -> None:
        self._router = router
        self._mounts = mounts
        self._log = LimitedLogger(service)

    async def collect(self) -> list[Contract | UnavailableContract]:
        """The contract of the service without its built-in routes, then one contract for each mount."""
        contract = self._router.contract()
        own = replace(contract, routes=contract.application_routes)
        return [own, *[await self._contract_of(prefix) for prefix in self._mounts]]

    async def _contract_of(self, prefix: str) -> Contract | UnavailableContract:
        """The contract of a mount; only its prefix if the mount has no contract or cannot be reached."""
        source = self._mounts[prefix]
        try:
            if (described := as_provider(IDescribesRoutes, source)) is not None:
                return await described.contract()
        except _TEMPORARY as error:
            message = "the contract of the service mounted at {prefix} is not available: {error}"
            self._log.emit("warn", f"no contract of {prefix}", message, prefix=prefix, error=error)
        return UnavailableContract(prefix)

"""The contracts of a service and its mounts, from the applications alone."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Any, Unpack

from msgspec import Struct
from twisted.internet.defer import Deferred, fail, succeed

from unixsvc.cli.application.built import built_application
from unixsvc.cli.application.isolation import look_as_worker
from unixsvc.config.settings import ServiceSettings, Settings
from unixsvc.contract.model import Contract, UnavailableContract
from unixsvc.datasource.service_clients import NoServices
from unixsvc.domain.call_options import CallOptions, ResultT, ResultType
from unixsvc.domain.coroutine import SuspendedCoroutine, start
from unixsvc.domain.json import Json
from unixsvc.errors import Unavailable
from unixsvc.service.contracts import ServiceContracts

__all__ = ["find_contracts"]


class _Contracts(Struct, frozen=True):
    """What a child process passes on.

    :ivar missing: the prefixes of mounts without a contract.
    """

    known: list[Contract]
    missing: list[str]


class _KnownServices(NoServices):
    """Services that answer with their contracts.

    :param contracts: by the names of the services.
    """

    def __init__(self, contracts: Mapping[str, Contract]) -> None:
        super().__init__()
        self._contracts = contracts

    def call(
        self,
        service: str,
        method: str,
        path: str,
        data: object = None,
        *,
        type: ResultType[ResultT] = Json,
        **options: Unpack[CallOptions],
    ) -> Awaitable[ResultT]:
        """The contract, whatever the path."""
        found: Any = self._contracts.get(service)
        answer: Deferred[ResultT] = fail(Unavailable()) if found is None else succeed(found)
        return answer


def find_contracts(settings: Settings, name: str) -> list[Contract | UnavailableContract]:
    """Return the contract of a service without its built-in routes, then one contract for each mount.

    :raises unixsvc.errors.ConfigError: if an application cannot work.
    """
    mounted = {}
    if name in settings.gateways and not settings.gateways[name].socket_dir:
        services = settings.services.items()
        others = {other: service for other, service in services if other not in settings.gateways}
        mounted = {other: _own_contract(settings, other, service) for other, service in others.items()}

    def look() -> _Contracts:
        with built_application(settings, name, settings.services[name], _KnownServices(mounted)) as built:
            collecting = start(ServiceContracts(name, built.router, built.mounts).collect())
            if isinstance(collecting, SuspendedCoroutine):  # a datasource of the application waits
                collecting.coroutine.close()
                return _Contracts([built.router.contract()], list(built.mounts))
            known = [each for each in collecting if isinstance(each, Contract)]
            return _Contracts(
                known, [each.prefix for each in collecting if isinstance(each, UnavailableContract)]
            )

    found = look_as_worker(settings, name, settings.services[name], look, _Contracts)
    return [*found.known, *map(UnavailableContract, found.missing)]


def _own_contract(settings: Settings, name: str, service: ServiceSettings) -> Contract:
    def look() -> Contract:
        with built_application(settings, name, service) as built:
            return built.router.contract()

    return look_as_worker(settings, name, service, look, Contract)

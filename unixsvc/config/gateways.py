"""The HTTP gateways: the table ``[http]`` and the tables ``[http.NAME]`` as services."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping

from msgspec import Struct
from msgspec.structs import replace

from unixsvc.config.checks import check_http, check_name
from unixsvc.config.file import NO_APP, ConfigFile, HttpTable, gateway_service, http_tables
from unixsvc.config.http import Http, StaticFolder, parse_listen
from unixsvc.config.settings import ServiceSettings
from unixsvc.errors import ConfigError

__all__ = ["Gateways", "gateway_table", "make_gateways", "table_of"]


class Gateways(Struct, frozen=True):
    """The services of the gateways, and their HTTP settings, both by the names of the services."""

    services: dict[str, ServiceSettings] = {}
    http: dict[str, Http] = {}


def gateway_table(service: str) -> str:
    """The table of a gateway: ``http`` for the service ``http``, ``http.NAME`` for ``http-NAME``."""
    return service.replace("-", ".", 1)


def table_of(service: str, gateways: Mapping[str, Http]) -> str:
    """The table that configures a service.

    :param gateways: the HTTP settings by service.
    """
    return gateway_table(service) if service in gateways else f"services.{service}"


def make_gateways(file: ConfigFile, source: str, folder: str, listen: tuple[str, ...] | None) -> Gateways:
    """Check the tables of the gateways, and make services of them.

    :param source: the files, for messages.
    :param folder: the base of relative paths.
    :param listen: the addresses of ``[http]`` instead of the configured ones; empty for no gateways at all.
    :raises ConfigError: naming the key that is wrong.
    """
    tables = http_tables(file)
    if listen and "" not in tables:
        remedy = "add it, with an app, mounts, or both"
        raise ConfigError("--http", f"{source} has no table [http]", remedy)
    found = Gateways()
    for name, table in tables.items() if listen != () else ():
        service = gateway_service(name)
        where = f"{source}: {gateway_table(service)}"
        check_name(service, where)
        if service in file.services:
            problem = f"has the name of the table [{gateway_table(service)}]"
            raise ConfigError(f"{source}: services.{service}", problem, "rename it")
        http = _http(table, folder, "" if name else listen)
        if table.app == NO_APP and not (http.mounts or http.static):
            raise ConfigError(where, "has neither an app nor mounts nor static folders", "add one of them")
        check_http(http, where, folder, file.services)
        static = {prefix: _with_absolute(each, folder) for prefix, each in http.static.items()}
        found.services[service], found.http[service] = table.service(), replace(http, static=static)
    _check_addresses(found.http, source, folder)
    for service in found.services:
        _depend_on_mounts(service, found, file.services)
    return found


def _depend_on_mounts(gateway: str, found: Gateways, services: Mapping[str, ServiceSettings]) -> None:
    """Make a gateway depend on the services that it mounts.

    They stop after it, so that requests that it has accepted by then still reach them. A service that depends
    on the gateway is left out: what the file says comes first.
    """
    http, settings = found.http[gateway], found.services[gateway]
    if http.socket_dir:
        return  # another orchestrator runs them
    before = {name: each.depends_on for name, each in {**services, **found.services}.items()}
    mounted = [target.partition(":")[0] for target in http.mounts.values()]
    names = [*settings.depends_on, *(each for each in mounted if not _leads_to(each, gateway, before))]
    found.services[gateway] = replace(settings, depends_on=tuple(dict.fromkeys(names)))


def _leads_to(start: str, goal: str, dependencies: Mapping[str, Collection[str]]) -> bool:
    """Whether a service depends on another one, also through others."""
    seen: set[str] = set()
    left = [start]
    while left:
        name = left.pop()
        if name == goal:
            return True
        if name not in seen:
            seen.add(name)
            left += dependencies.get(name, ())
    return False


def _http(table: HttpTable, folder: str, listen: tuple[str, ...] | str | None) -> Http:
    http = table.http()
    if listen:
        http = replace(http, listen=tuple(listen))
    paths = {name: getattr(http, name) for name in ("socket_dir", "upload_dir")}
    absolute = {name: os.path.normpath(os.path.join(folder, path)) for name, path in paths.items() if path}
    return replace(http, **absolute)


def _with_absolute(static: StaticFolder, folder: str) -> StaticFolder:
    return replace(static, folder=os.path.normpath(os.path.join(folder, static.folder)))


def _check_addresses(gateways: Mapping[str, Http], source: str, folder: str) -> None:
    """Check that no two gateways listen on one address."""
    owners: dict[object, str] = {}
    for service, http in gateways.items():
        table = gateway_table(service)
        for endpoint in http.listen:
            address = parse_listen(endpoint, folder).address
            owner = table if address is None else owners.setdefault(address, table)
            if owner != table:
                problem = f"{endpoint!r} is an address of [{owner}] too"
                raise ConfigError(f"{source}: {table}.listen", problem, "choose another for one of them")

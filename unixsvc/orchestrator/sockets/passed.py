"""The listening sockets that systemd has passed, and whether they have the configured addresses."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

from unixsvc.config.gateways import gateway_table
from unixsvc.config.http import Listen, parse_listen
from unixsvc.config.settings import Settings
from unixsvc.errors import ConfigError
from unixsvc.socket_directory import socket_path

__all__ = ["PassedSockets", "check_passed_gateways", "check_passed_sockets", "index_of"]

PassedSockets: TypeAlias = Mapping[str, Sequence[socket.socket]]
"""The sockets by service; a gateway may have several."""

_WHERE: Final = "the socket {!r} passed by systemd"


def check_passed_sockets(passed: PassedSockets, settings: Settings) -> None:
    """Check that sockets that systemd has passed have the addresses that clients connect to.

    :raises ConfigError: naming the first one that is wrong.
    """
    check_passed_gateways(passed, settings)
    for name, sockets in passed.items():
        if name in settings.gateways:
            continue
        where = _WHERE.format(name)
        service = settings.services.get(name)
        if service is None or service.isolation == "inline":
            known = ", ".join(other for other in settings.services if other != name)
            remedy = f"name it as one of: {known}"
            raise ConfigError(where, "is for no service that has a Unix socket here", remedy)
        path = socket_path(settings.socket_dir, name)
        for listening in sockets:
            if listening.getsockname() != path:
                problem = f"listens on {_address(listening)}"
                raise ConfigError(where, problem, f"clients connect to {path}")


def check_passed_gateways(passed: PassedSockets, settings: Settings) -> None:
    """The same for those of gateways only, whose addresses a reload can change.

    :raises ConfigError: as above.
    """
    for name, http in settings.gateways.items():
        addresses = [parse_listen(endpoint, settings.folder) for endpoint in http.listen]
        for listening in passed.get(name, ()):
            if index_of(listening, addresses) is None:
                problem = f"listens on {_address(listening)}"
                remedy = f"listen of [{gateway_table(name)}] has {', '.join(http.listen)}"
                raise ConfigError(_WHERE.format(name), problem, remedy)


def index_of(listening: socket.socket, addresses: Sequence[Listen]) -> int | None:
    """Which of the addresses a listening socket has; None if it has another one."""
    name = listening.getsockname()
    for index, address in enumerate(addresses):
        if listening.family == socket.AF_UNIX:
            found = address.kind == "unix" and address.path == name
        else:
            every = "::" if listening.family == socket.AF_INET6 else "0.0.0.0"  # noqa: S104  # if configured
            host = address.interface or every
            found = address.kind != "unix" and (host, address.port) == name[:2]
        if found:
            return index
    return None


def _address(listening: socket.socket) -> str:
    name = listening.getsockname()
    return name if isinstance(name, str) else "{}:{}".format(*name[:2])

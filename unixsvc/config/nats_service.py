"""The service that the table ``[nats]`` makes."""

from __future__ import annotations

from collections.abc import Container

from unixsvc.config.nats import Nats
from unixsvc.config.settings import NATS_SERVICE, ServiceSettings
from unixsvc.errors import ConfigError

__all__ = ["nats_service"]


def nats_service(table: Nats, services: Container[str], source: str) -> dict[str, ServiceSettings]:
    """The service that connects programs of this host to services of other hosts, by its name.

    :param services: the other services.
    :param source: the file, for messages.
    :raises ConfigError: if one of them has its name.
    """
    if NATS_SERVICE in services:
        raise ConfigError(
            f"{source}: services.{NATS_SERVICE}", "has the name of the table [nats]", "rename it"
        )
    made = ServiceSettings(
        "unixsvc.bus.relay:app", handler="unixsvc.bus.relay:handler", workers=table.workers
    )
    return {NATS_SERVICE: made}

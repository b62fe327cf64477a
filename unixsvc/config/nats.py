"""The table ``[nats]``: the cluster that makes services of other hosts reachable."""

# Annotations are not postponed: see unixsvc.config.settings.

import os
import re
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from msgspec import Meta, Struct
from msgspec.structs import replace

from unixsvc.config.types import Count
from unixsvc.errors import ConfigError

__all__ = ["ANY_SERVICE", "OWN_SERVICE", "Nats", "NatsAccess", "check_nats", "read_nats_access"]

ANY_SERVICE: Final = "*"
OWN_SERVICE: Final = "nats"
_SCHEMES: Final = ("nats", "tls", "ws", "wss")
_PREFIX: Final = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]+")
_FILES: Final = ("credentials", "nkey_file", "password_file", "token_file", "tls_ca", "tls_cert", "tls_key")
_LOGINS: Final = ("credentials", "nkey_file", "user", "token_file")


class Nats(Struct, frozen=True, forbid_unknown_fields=True):
    """The cluster: the table ``[nats]``.

    :ivar servers: the URLs of some NATS servers; empty for no cluster.
    :ivar credentials: a file with a JWT and its nkey, as ``nsc`` makes them.
    :ivar nkey_file: a file with the seed of an nkey.
    :ivar user: the name of a user, with ``password_file``.
    :ivar password_file: a file with the password of that user.
    :ivar token_file: a file with a token of the NATS server.
    :ivar tls_ca: a file with the authorities of the servers; those of the system without it.
    :ivar tls_cert: a file with the certificate of this host, with ``tls_key``.
    :ivar tls_key: a file with its private key.
    :ivar tls_first: whether the TLS handshake comes before anything else, as the servers demand it.
    :ivar prefix: the first part of all subjects; hosts with different ones do not see each other.
    :ivar host: the name of this host, which no other one has; the host name by default.
    :ivar export: the services that other hosts may call; ``*`` for all.
    :ivar prefer: ``local`` calls other hosts while the service of this one cannot be reached, ``only-local``
        never, ``any`` both alike.
    :ivar insecure: whether a server without authentication on another machine may be used.
    :ivar required: whether a worker fails to start without a connection to a server.
    :ivar ping_interval: a host or server that owes an answer gets a ping after this time, and counts as dead
        after twice as long, in seconds.
    :ivar circuits: the most connections of a worker to a service of other hosts.
    :ivar workers: the number of processes that connect local programs to services of other hosts.
    """

    servers: tuple[str, ...] = ()
    credentials: str = ""
    nkey_file: str = ""
    user: str = ""
    password_file: str = ""
    token_file: str = ""
    tls_ca: str = ""
    tls_cert: str = ""
    tls_key: str = ""
    tls_first: bool = False
    prefix: str = "unixsvc"
    host: str = ""
    export: tuple[str, ...] = ()
    prefer: Literal["local", "only-local", "any"] = "local"
    insecure: bool = False
    required: bool = False
    ping_interval: Annotated[float, Meta(ge=0.05, le=60)] = 0.5
    circuits: Annotated[int, Meta(ge=1, le=64)] = 4
    workers: Count = 1

    def exports(self, service: str) -> bool:
        """Whether other hosts may call a service; the one that the table makes is for this host."""
        return service != OWN_SERVICE and (ANY_SERVICE in self.export or service in self.export)


class NatsAccess(Struct, frozen=True):
    """How a process logs in to the servers: what the files of the table contain.

    The orchestrator reads them, as a worker may run as another user.

    :ivar settings: the table.
    """

    settings: Nats
    credentials: str = ""
    nkey: str = ""
    password: str = ""
    token: str = ""
    authorities: str = ""
    certificate: str = ""
    private_key: str = ""

    def __repr__(self) -> str:
        # The generated one would show secrets, and a repr ends up in logs.
        return f"<NatsAccess {', '.join(self.settings.servers)}>"


def check_nats(table: Nats, services: frozenset[str], source: str, folder: str) -> Nats:
    """Check the table; the paths of its files are absolute in the result, and the host has a name.

    :param services: the names of all services.
    :param source: the file, for messages.
    :param folder: the base of relative paths.
    :raises ConfigError: naming the key that is wrong.
    """
    where = f"{source}: nats"
    if not table.servers:
        if table != Nats():
            raise ConfigError(f"{where}.servers", "is missing", 'add it, as servers = ["tls://nats-1:4222"]')
        return table
    for url in table.servers:
        _check_url(url, f"{where}.servers")
    _check_login(table, where)
    if not _PREFIX.fullmatch(table.prefix):
        raise ConfigError(f"{where}.prefix", "is no subject", "use letters, digits, '-', '_' and dots")
    unknown = [each for each in table.export if each not in services and each != ANY_SERVICE]
    if unknown:
        problem = f"there is no service {unknown[0]!r}"
        raise ConfigError(f"{where}.export", problem, f"there are: {', '.join(sorted(services))}")
    paths = {name: os.path.join(folder, getattr(table, name)) for name in _FILES if getattr(table, name)}
    return replace(table, host=_host_of(table, f"{where}.host"), **paths)


def read_nats_access(table: Nats) -> NatsAccess:
    """Read the files of the table.

    :raises ConfigError: naming the file that cannot be read.
    """
    return NatsAccess(
        table,
        _read(table.credentials),
        _read(table.nkey_file).strip(),
        _read(table.password_file).strip(),
        _read(table.token_file).strip(),
        _read(table.tls_ca),
        _read(table.tls_cert),
        _read(table.tls_key),
    )


def _check_url(url: str, where: str) -> None:
    try:
        parts = urlsplit(url)
        valid = parts.scheme in _SCHEMES and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        valid = False
    if not valid:
        raise ConfigError(where, f"{url!r} is not the URL of a NATS server", "write it as tls://nats-1:4222")
    if parts.username is not None or parts.password is not None:
        remedy = "use credentials, nkey_file, user with password_file, or token_file"
        raise ConfigError(where, "has a secret, which ends up in logs", remedy)


def _check_login(table: Nats, where: str) -> None:
    given = [name for name in _LOGINS if getattr(table, name)]
    if len(given) > 1:
        raise ConfigError(f"{where}.{given[1]}", f"excludes {given[0]}", "keep one of them")
    for one, other in (("user", "password_file"), ("tls_cert", "tls_key")):
        if bool(getattr(table, one)) != bool(getattr(table, other)):
            missing = other if getattr(table, one) else one
            raise ConfigError(f"{where}.{missing}", "is missing", f"{one} and {other} belong together")


def _host_of(table: Nats, where: str) -> str:
    if table.host and not _TOKEN.fullmatch(table.host):
        raise ConfigError(where, f"{table.host!r} is no name", "use letters, digits, '-' and '_'")
    found = table.host or re.sub(r"[^A-Za-z0-9_-]+", "-", os.uname().nodename).strip("-")
    if not found:
        raise ConfigError(where, "is missing, and this machine has no host name", "add it")
    return found


def _read(path: str) -> str:
    if not path:
        return ""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ConfigError(path, f"cannot be read: {reason}", "see the table [nats]") from None

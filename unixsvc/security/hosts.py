"""The host names that a server answers to: ``[http] allowed_hosts``. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import ip_address
from typing import Final

from unixsvc.errors import ServiceError

__all__ = ["HostRules", "Misdirected"]

_ANY: Final = "*"
_LOCALHOST: Final = "localhost"
_WILDCARD: Final = "*."
_MAX_REMEMBERED: Final = 256  # a wildcard allows any number of names


class Misdirected(ServiceError, code=421, message="Misdirected request"):
    """The ``Host`` of a request is not a name of this server."""

    def __init__(self) -> None:
        super().__init__("this server has no such host name; its names are listed as allowed_hosts in [http]")


class HostRules:
    """Rejects requests whose ``Host`` is not allowed.

    A page of another site can give its own host name the address 127.0.0.1 (DNS rebinding). To the browser
    its requests to this server then have the same origin, so CORS does not apply; but ``Host`` is that name.

    Ports are ignored, as in ``server_name`` of nginx. A request without a host, as HTTP/1.0 allows, is not
    from a browser, and is allowed.

    :param allowed: names, addresses, ``*.example.org`` for all names below ``example.org``, ``*`` for any. If
        empty, only the names of the loopback interface are allowed there, and any host elsewhere.
    :ivar accepted: hosts that were allowed, with the address at which each was last.
    """

    def __init__(self, allowed: Sequence[str]) -> None:
        self._any = _ANY in allowed
        self._loopback_only = not allowed
        self._names = frozenset(_normalized(name) for name in allowed if not name.startswith(_WILDCARD))
        self._endings = tuple(name.lower()[1:] for name in allowed if name.startswith(_WILDCARD))
        self.accepted: dict[bytes, object] = {}

    def check(self, host: bytes, address: object) -> None:
        """Check the ``Host`` of a request.

        :param address: on which the server listens, as Twisted has it.
        :raises Misdirected: if the host is not allowed.
        """
        if not (self._any or self._allows(_name_of(host), address)):
            raise Misdirected
        if len(self.accepted) >= _MAX_REMEMBERED:
            self.accepted.clear()
        self.accepted[host] = address

    def lists(self, host: str) -> bool:
        """Return whether a host is one of the names that are listed.

        A reverse proxy may forward a host that the client itself has chosen.
        """
        name = _name_of(host.encode("latin-1", "replace"))
        return bool(name) and (self._any or name in self._names or name.endswith(self._endings))

    def _allows(self, name: str, address: object) -> bool:
        if not name:
            return True
        if not self._loopback_only:
            return name in self._names or name.endswith(self._endings)
        if not _is_loopback(getattr(address, "host", "")):  # a Unix socket has no host
            return True
        return name == _LOCALHOST or name.endswith(f".{_LOCALHOST}") or _is_loopback(name)


def _name_of(host: bytes) -> str:
    """The name in a ``Host`` header, in lower case and without the port."""
    text = host.decode("latin-1")
    return _normalized(text.partition("]" if text.startswith("[") else ":")[0])


def _normalized(name: str) -> str:
    """A name as it is compared: addresses have several notations, and a host name may end with a dot."""
    try:
        return str(ip_address(name.strip("[]")))
    except ValueError:
        return name.lower().removesuffix(".")


@lru_cache(_MAX_REMEMBERED)
def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False

"""The client behind reverse proxies: ``[http] trusted_proxies``. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

from msgspec import Struct

from unixsvc.config.http import UNIX_PROXIES
from unixsvc.rest.decode import RequestHeaders

__all__ = ["ForwardedClient", "ProxyRules"]

_MAX_REMEMBERED: Final = 1024  # clients choose their addresses


class ForwardedClient(Struct, frozen=True):
    """The client of a request.

    :ivar host: its address; empty if it is unknown: the process at the other end of a Unix socket has none.
    :ivar tls: whether the request has reached a trusted proxy over TLS.
    """

    host: str
    tls: bool = False


class ProxyRules:
    """Finds the client of a request that reverse proxies forward.

    Each proxy appends the address from which it got the request to ``X-Forwarded-For``. What a client itself
    has put there stands before that. So the header is read from its end, for as long as the addresses are
    those of trusted proxies; it is not read at all if the other end of the connection is no trusted proxy.

    :param trusted: addresses and networks, as ``10.0.0.0/8``, and ``unix`` for all clients on Unix sockets.
    """

    def __init__(self, trusted: Sequence[str]) -> None:
        self._trusts_unix = UNIX_PROXIES in trusted
        self._networks = tuple(ip_network(each) for each in trusted if each != UNIX_PROXIES)
        self._is_proxy = lru_cache(_MAX_REMEMBERED)(self._is_in_networks)

    def client(self, peer: str, headers: RequestHeaders) -> ForwardedClient:
        """The client of a request.

        :param peer: the address at the other end of the connection; empty on a Unix socket.
        """
        if not (self._is_proxy(peer) if peer else self._trusts_unix):
            return ForwardedClient(peer)
        host = peer
        for entry in reversed(_entries(headers, b"X-Forwarded-For")):
            address = _address(entry)
            if address is None:
                break
            host = str(address)
            if not self._is_proxy(host):
                break
        tls = _entries(headers, b"X-Forwarded-Proto")[-1:] == ["https"]
        return ForwardedClient(host, tls)

    def _is_in_networks(self, host: str) -> bool:
        address = _address(host)
        return address is not None and any(address in network for network in self._networks)


def _entries(headers: RequestHeaders, name: bytes) -> list[str]:
    values = headers.get(name, ())
    return [entry.strip() for entry in b",".join(values).decode("latin-1").split(",")] if values else []


def _address(entry: str) -> IPv4Address | IPv6Address | None:
    """The address in an entry, which some proxies write with a port; None if it is not valid."""
    if entry.startswith("[") and "]" in entry:
        entry = entry[1:].partition("]")[0]
    elif entry.count(":") == 1:
        entry = entry.partition(":")[0]
    try:
        address = ip_address(entry)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:  # any text
            return None
        return address.ipv4_mapped or address
    return address

"""The client behind reverse proxies: ``[http] trusted_proxies`` and ``proxy_header``. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

from msgspec import Struct

from unixsvc.config.http import FORWARDED, UNIX_PROXIES, X_FORWARDED_FOR
from unixsvc.rest.decode import RequestHeaders

__all__ = ["ForwardedClient", "ProxyRules"]

_MAX_REMEMBERED: Final = 1024  # clients choose their addresses
# RFC 7239, section 4. Many write addresses without the quotes that it demands. Empty elements are allowed.
_PAIR: Final = re.compile(
    r"""[ \t]*(?:([!#$%&'*+\-.^_`|~0-9A-Za-z]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s;,"]*)))?[ \t]*(;|,|\Z)"""
)
_MAX_PORT: Final = 65_535


class ForwardedClient(Struct, frozen=True):
    """The client of a request.

    :ivar host: its address; empty if it is unknown: the process at the other end of a Unix socket has none.
    :ivar tls: whether the request has reached a trusted proxy over TLS.
    :ivar port: of the client; 0 if it is unknown.
    :ivar requested: the host that the client has asked for; empty if the proxy does not say.
    """

    host: str
    tls: bool = False
    port: int = 0
    requested: str = ""


class _Hop(Struct, frozen=True):
    """What a proxy says of a request that it has received: from where, how, and for which host."""

    client: str
    tls: bool
    requested: str


class ProxyRules:
    """Finds the client of a request that reverse proxies forward.

    Each proxy appends the address from which it got the request to ``X-Forwarded-For``, or to ``Forwarded``
    (RFC 7239). What a client itself has put there stands before that. So the header is read from its end, for
    as long as the addresses are those of trusted proxies; it is not read at all if the other end of the
    connection is no trusted proxy. Only one of the two headers counts: proxies that write one forward the
    other one as the client has sent it.

    :param trusted: addresses and networks, as ``10.0.0.0/8``, and ``unix`` for all clients on Unix sockets.
    :param header: ``x-forwarded-for`` or ``forwarded``.
    """

    def __init__(self, trusted: Sequence[str], header: str = X_FORWARDED_FOR) -> None:
        self._trusts_unix = UNIX_PROXIES in trusted
        self._networks = tuple(ip_network(each) for each in trusted if each != UNIX_PROXIES)
        self._is_proxy = lru_cache(_MAX_REMEMBERED)(self._is_in_networks)
        self._hops = _forwarded_hops if header == FORWARDED else _x_forwarded_hops

    def client(self, peer: str, headers: RequestHeaders) -> ForwardedClient:
        """The client of a request.

        :param peer: the address at the other end of the connection; empty on a Unix socket.
        """
        host, port, tls, requested = peer, 0, False, ""
        if not (self._is_proxy(peer) if peer else self._trusts_unix):
            return ForwardedClient(peer)
        for hop in self._hops(headers):
            tls, requested = hop.tls, hop.requested
            address = _address(hop.client)
            if address is None:
                break
            host, port = str(address), _port(hop.client)
            if not self._is_proxy(host):
                break
        return ForwardedClient(host, tls, port, requested)

    def _is_in_networks(self, host: str) -> bool:
        address = _address(host)
        return address is not None and any(address in network for network in self._networks)


def _x_forwarded_hops(headers: RequestHeaders) -> Iterator[_Hop]:
    """Yield what the proxies say, the last one first; scheme and host are those that the last one says."""
    tls = _entries(headers, b"X-Forwarded-Proto")[-1:] == ["https"]
    requested = "".join(_entries(headers, b"X-Forwarded-Host")[-1:])
    for entry in reversed(_entries(headers, b"X-Forwarded-For") or [""]):
        yield _Hop(entry, tls, requested)


def _forwarded_hops(headers: RequestHeaders) -> Iterator[_Hop]:
    """Yield what the proxies say, the last one first; a field that is malformed ends it.

    The fields are parsed one by one, so that a client that opens a quotation cannot hide what a proxy adds.
    """
    for field in reversed(headers.get(b"Forwarded", ())):
        elements = _parse_forwarded(field.decode("latin-1"))
        if elements is None:
            return
        for element in reversed(elements):
            tls = element.get("proto", "").lower() == "https"
            yield _Hop(element.get("for", ""), tls, element.get("host", ""))


def _parse_forwarded(field: str) -> list[dict[str, str]] | None:
    """The elements of a field, each with its parameters by name; None if it is malformed."""
    elements: list[dict[str, str]] = [{}]
    at = 0
    while at < len(field):
        found = _PAIR.match(field, at)
        if found is None:
            return None
        name, quoted, plain, end = found.groups()
        if name is not None:
            value = plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
            elements[-1].setdefault(name.lower(), value)
        if end == ",":
            elements.append({})
        at = found.end()
    return [element for element in elements if element]


def _entries(headers: RequestHeaders, name: bytes) -> list[str]:
    values = headers.get(name, ())
    return [entry.strip() for entry in b",".join(values).decode("latin-1").split(",")] if values else []


def _address(entry: str) -> IPv4Address | IPv6Address | None:
    """The address in an entry, which some proxies write with a port; None if it is not valid."""
    entry, _ = _split(entry)
    try:
        address = ip_address(entry)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:  # any text
            return None
        return address.ipv4_mapped or address
    return address


def _port(entry: str) -> int:
    """The port in an entry; 0 if it has none."""
    _, port = _split(entry)
    return int(port) if port.isascii() and port.isdigit() and len(port) < 6 and int(port) <= _MAX_PORT else 0


def _split(entry: str) -> tuple[str, str]:
    """The address and the port in an entry, each of any form."""
    if entry.startswith("[") and "]" in entry:
        address, _, rest = entry[1:].partition("]")
        return address, rest.removeprefix(":")
    if entry.count(":") == 1:
        address, _, port = entry.partition(":")
        return address, port
    return entry, ""

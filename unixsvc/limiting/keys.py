"""Whose requests count together."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Final

from unixsvc.domain.message import Request
from unixsvc.limiting.rate_limit import KeyFunction, Per

__all__ = ["address_of", "client_address", "key_function"]

# Providers give each customer a /64 at least: its addresses are as good as one.
_IPV6_PREFIX: Final = 64
_NONE: Final = ""


def client_address(request: Request) -> str:
    """The address of the client of an HTTP request: the one behind trusted proxies; empty on a Unix socket.

    On a Unix socket, the sender of a message could write any address into ``meta``.
    """
    if request.headers is None:
        return ""
    forwarded = request.meta.get("client_address")
    return forwarded if forwarded else str(getattr(request.peer_address, "host", ""))


def address_of(text: str) -> str:
    """An address as a key: of IPv6, the first 64 bits.

    >>> address_of("2001:db8:1:2:3:4:5:6")
    '2001:db8:1:2::'
    >>> address_of("::ffff:192.0.2.7")
    '192.0.2.7'
    """
    if ":" not in text:
        return text
    try:
        address = ipaddress.IPv6Address(text.partition("%")[0])
    except ValueError:
        return text
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    network = ipaddress.IPv6Network((address, _IPV6_PREFIX), strict=False)
    return str(network.network_address)


def key_function(per: Per | KeyFunction) -> KeyFunction:
    """The function that returns the key of a request, None for no limit."""
    return per if callable(per) else _FUNCTIONS[per]


def _user(request: Request) -> str:
    return request.user_name or _NONE


def _token(request: Request) -> str:
    token = request.caller.token
    return _NONE if token is None else f"token:{token}"


def _uid(request: Request) -> str:
    uid = request.peer.uid
    return _NONE if uid is None else f"uid:{uid}"


def _address(request: Request) -> str:
    address = client_address(request)
    return f"address:{address_of(address)}" if address else _NONE


def _caller(request: Request) -> str:
    return request.identity or _address(request)


def _route(request: Request) -> str:
    return _NONE


_FUNCTIONS: Final[dict[Per, Callable[[Request], str]]] = {
    "caller": _caller,
    "user": _user,
    "token": _token,
    "uid": _uid,
    "address": _address,
    "route": _route,
}

"""Requests with credentials, and the container that functions of schemes get."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.internet.address import IPv4Address

from unixsvc.authentication.authenticator import Authenticator, Identity, Refusal
from unixsvc.authentication.interfaces import Scheme
from unixsvc.domain.coroutine import run_without_waiting
from unixsvc.domain.message import Caller, Request
from unixsvc.routing.container import ServiceContainer

__all__ = ["identify", "over_http", "over_socket", "refusal"]


def over_http(
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    *,
    query: str = "",
    peer: object = IPv4Address("TCP", "192.0.2.1", 4000),  # an address never changes
    meta: dict[str, str] | None = None,
    caller: Caller | None = None,
) -> Request:
    """A request over HTTP from a client at 192.0.2.1."""
    fields = {name.title().encode(): [value.encode("latin-1")] for name, value in (headers or {}).items()}
    return Request(
        method,
        "/",
        query=query,
        headers={b"Host": [b"api.example.org"], **fields},
        peer_address=peer,
        meta=meta or {},
        caller=caller or Caller(),
    )


def over_socket(meta: dict[str, str] | None = None, caller: Caller | None = None) -> Request:
    """A request over a Unix socket."""
    return Request("GET", "/", meta=meta or {}, caller=caller or Caller())


def identify(scheme: Scheme, request: Request, values: Mapping[type, object] | None = None) -> Any:
    """The user of a request, or why there is none; ``values`` are in the container."""
    container = ServiceContainer(values or {})
    found = run_without_waiting(Authenticator([scheme], container.open).identify(request))
    return found.user if isinstance(found, Identity) else found


def refusal(scheme: Scheme, request: Request) -> str:
    """Why a request is refused; empty if it has no credentials.

    :raises AssertionError: if it has a user.
    """
    found = identify(scheme, request)
    assert isinstance(found, Refusal), found
    return found.problems.get(scheme.name, "")

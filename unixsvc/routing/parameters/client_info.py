"""Parameters that get the client of a request."""

from __future__ import annotations

from typing import Final

from unixsvc.domain.body_spec import BodyKind
from unixsvc.domain.client_info import ClientInfo
from unixsvc.domain.message import Request
from unixsvc.domain.validation.field_errors import FieldError
from unixsvc.domain.validation.type_forms import TypeForm
from unixsvc.routing.parameters.interfaces import ParameterDescription

__all__ = ["ClientInfoKind", "client_of"]


def client_of(request: Request) -> ClientInfo:
    """Return the client of a request.

    A caller on a socket that has shown the token of the service, as a mount has, may name the address of its
    own client.
    """
    if request.headers is None:
        address = request.meta.get("client_address", "") if request.caller.trusted else ""
        return ClientInfo(address, uid=request.peer.uid)
    peer = request.peer_address
    return ClientInfo(
        getattr(peer, "host", ""),
        getattr(peer, "port", 0),
        request.secure,
        request.forwarded_host or request.header("host") or "",
    )


class _ClientInfoSource:
    """Makes the client of each request."""

    body: BodyKind | None = None
    descriptions: tuple[ParameterDescription, ...] = ()

    def read(self, request: Request, errors: list[FieldError]) -> object:
        """Return the client."""
        return client_of(request)


_SOURCE: Final = _ClientInfoSource()


class ClientInfoKind:
    """Recognizes :class:`~unixsvc.ClientInfo`."""

    def source(self, name: str, hint: TypeForm, default: object, where: str) -> _ClientInfoSource | None:
        """Return the source of a parameter; None if it is not the client."""
        return _SOURCE if hint is ClientInfo else None

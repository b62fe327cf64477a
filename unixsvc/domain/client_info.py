"""The client of a request, behind reverse proxies and mounts."""

from __future__ import annotations

from msgspec import Struct

__all__ = ["ClientInfo"]


class ClientInfo(Struct, frozen=True):
    """The client of a request: an action takes it as a parameter of this type.

    Behind one of ``trusted_proxies`` it is the client of the proxy, not the proxy.

    :ivar address: the IP address; empty if there is none, as on a Unix socket.
    :ivar port: the port of the client; 0 if it is unknown.
    :ivar secure: whether the client uses TLS.
    :ivar host: the host and port that the client has asked for; empty if it is unknown.
    :ivar uid: the user of the calling process on a Unix socket, as the kernel reports it; None over HTTP.
    """

    address: str = ""
    port: int = 0
    secure: bool = False
    host: str = ""
    uid: int | None = None

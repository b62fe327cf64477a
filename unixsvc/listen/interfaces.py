"""The interface of endpoints that serve given connections."""

from __future__ import annotations

from collections.abc import Awaitable
from socket import socket

from twisted.internet.interfaces import IProtocolFactory, IStreamServerEndpoint

__all__ = ["IAdoptingEndpoint"]


class IAdoptingEndpoint(IStreamServerEndpoint):
    """A listening endpoint that also serves connections that something else has accepted."""

    def adopt(protocolFactory: IProtocolFactory, connection: socket) -> Awaitable[None]:
        """Serve a connected socket; the endpoint owns it from now on."""

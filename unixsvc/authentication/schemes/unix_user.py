"""The scheme of processes on this machine: the kernel says which user they have."""

from __future__ import annotations

from collections.abc import Callable

from unixsvc.authentication.credentials import Credentials
from unixsvc.authentication.schemes.base import SchemeBase
from unixsvc.domain.message import Request

__all__ = ["UnixUser"]


class UnixUser(SchemeBase):
    """The uid of the process at the other end of a Unix socket (``SO_PEERCRED``).

    Through a mount, that is the process of the gateway, not its client.

    :param find_user: gets the :class:`~unixsvc.Peer`; returns the user, or None.
    :param name: of the scheme.
    :param description: for the contract.
    """

    def __init__(
        self, find_user: Callable[..., object], *, name: str = "unix_user", description: str = ""
    ) -> None:
        super().__init__(find_user, name, description)

    def read(self, request: Request) -> Credentials | None:
        """Return the credentials of the process."""
        # A process on a socket of HTTP is a reverse proxy.
        if request.headers is not None or request.peer.uid is None:
            return None
        return Credentials(request.peer, str(request.peer.uid))

    def describe(self) -> None:
        """Return nothing: OpenAPI knows HTTP only."""

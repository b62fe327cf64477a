"""The tokens of a running system, as the control API sees them."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Literal

from msgspec import Struct
from zope.interface import Interface

__all__ = ["ITokens", "ServiceAccess", "TokenEntry"]


class ServiceAccess(Struct, frozen=True):
    """What a client needs to call a service.

    :ivar token: the shared token.
    :ivar request_timeout: of the service, in seconds.
    """

    token: str
    request_timeout: float

    def __repr__(self) -> str:
        # The default one would show the token in logs.
        return f"<ServiceAccess {self.request_timeout}>"


class TokenEntry(Struct, frozen=True):
    """A token, without its text.

    :ivar services: the services that it may call; ``*`` is any.
    :ivar routes: the routes that it may call; empty for all.
    """

    name: str
    services: tuple[str, ...]
    routes: tuple[str, ...]
    state: Literal["valid", "revoked"]


class ITokens(Interface):
    """Knows the tokens, and changes them. A change goes on if its caller does not wait for its end."""

    def access(service: str) -> ServiceAccess:
        """Return what a client needs to call a service; an unknown one has the general timeout."""

    def entries() -> list[TokenEntry]:
        """Return the shared token and the configured ones."""

    def rotate(overlap: float) -> Awaitable[None]:
        """Replace the shared token by a new one, also in its file; done when every worker uses it.

        :param overlap: for how long the old one stays valid, and earlier ones at most, in seconds.
        :raises unixsvc.errors.Conflict: if it is not kept in a file that can be replaced.
        """

    def revoke(name: str) -> Awaitable[None]:
        """Make a token with a name invalid permanently, whatever the configuration says.

        :raises unixsvc.errors.NotFound: if there is no such token.
        :raises unixsvc.errors.Conflict: for the shared token; also if the revocation is effective, but cannot
            be stored.
        """

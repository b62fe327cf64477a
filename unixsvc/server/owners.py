"""The connection, as its parts see it."""

from __future__ import annotations

from typing import Protocol

from unixsvc.errors import ServiceError

__all__ = ["PendingOwner", "ReceiverOwner"]


class ReceiverOwner(Protocol):
    """The connection, as its receiver sees it."""

    def refuse(self, error: ServiceError) -> None:
        """Reply with an error that concerns the whole connection, and close it."""

    def advance(self) -> None:
        """Carry out what the state demands by now."""

    def account(self) -> None:
        """Note that this connection holds more or fewer bytes than before."""


class PendingOwner(Protocol):
    """The connection, as pending requests see it."""

    def continue_serving(self) -> None:
        """Go on after a reply: something that held up the connection may be over."""

    def account(self) -> None:
        """Note that this connection holds more or fewer bytes than before."""

    def account_unsent(self) -> None:
        """Note how many bytes of replies wait for the client."""

    def may_send(self, size: int) -> bool:
        """True if there is room for a large reply; else abort the connection."""

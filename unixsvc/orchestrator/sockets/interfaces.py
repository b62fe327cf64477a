"""The interface of the listening sockets of one service."""

from __future__ import annotations

from zope.interface import Interface

__all__ = ["IListener"]


class IListener(Interface):
    """The listening sockets of one service; they can be opened, closed and opened again."""

    def open() -> None:
        """Bind and listen, unless that is done and the addresses are still ours.

        :raises unixsvc.errors.ConfigError: if an address cannot be bound; then none is.
        """

    def close() -> None:
        """Close the sockets, so that new connections are refused at once."""

    def descriptors() -> tuple[int, ...]:
        """The file descriptors of the open sockets, for the workers."""

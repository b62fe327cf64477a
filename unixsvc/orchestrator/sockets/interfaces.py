"""The interface of the listening sockets of one service."""

from __future__ import annotations

from zope.interface import Interface

__all__ = ["IListener"]


class IListener(Interface):
    """The listening sockets of one service; they can be opened, closed and opened again."""

    def open() -> None:
        """Bind and listen, unless that is done.

        :raises unixsvc.errors.ConfigError: if an address cannot be bound; then none is.
        """

    def rebind() -> bool:
        """Bind the paths again that were removed; the other sockets stay as they are.

        :returns: whether there are other sockets now.
        :raises unixsvc.errors.ConfigError: if a path cannot be bound; then the socket that it had stays.
        """

    def close() -> None:
        """Close the sockets, so that new connections are refused at once."""

    def descriptors() -> tuple[int, ...]:
        """The file descriptors of the open sockets, for the workers."""

    def addresses() -> tuple[str, ...]:
        """Where the open sockets listen, as URLs or ``unix:`` and a path; empty while they are closed."""

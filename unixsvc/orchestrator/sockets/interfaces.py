"""The interface of the listening sockets of one service."""

from __future__ import annotations

from collections.abc import Sequence

from zope.interface import Interface

from unixsvc.config.http import Listen

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

    def add(listen: Sequence[Listen]) -> None:
        """Open the sockets of addresses that have none yet, beside the others; nothing while it is closed.

        :param listen: the addresses of a gateway; other services have one that never changes.
        :raises unixsvc.errors.ConfigError: if an address cannot be bound; then none is.
        """

    def keep(listen: Sequence[Listen]) -> None:
        """Close the sockets of all other addresses; these are the ones that are opened from now on."""

    def has(listen: Sequence[Listen]) -> bool:
        """Whether these are the addresses that it has."""

    def descriptors(listen: Sequence[Listen] = ()) -> tuple[int, ...]:
        """The file descriptors of the open sockets, for the workers.

        :param listen: the addresses of a gateway, in the order of the descriptors.
        """

    def addresses() -> tuple[str, ...]:
        """Where the open sockets listen, as URLs or ``unix:`` and a path; empty while they are closed."""

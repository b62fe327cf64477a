"""The listening Unix socket of a service."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence

from zope.interface import implementer

from unixsvc.config.http import Listen
from unixsvc.orchestrator.sockets.binding import BoundSocket, bind, bind_again, check_passed_path, identity_of
from unixsvc.orchestrator.sockets.interfaces import IListener

__all__ = ["UnixListener"]


@implementer(IListener)
class UnixListener:
    """One listening Unix socket.

    :param mode: of the path.
    :param passed: a listening socket that systemd has passed: it is used instead and never closed, and
        systemd owns its path.
    :param claim: called before the path is bound; raises ConfigError if its directory is not ours.
    """

    def __init__(
        self,
        path: str,
        mode: int,
        backlog: int,
        passed: socket.socket | None = None,
        claim: Callable[[], object] = bool,
    ) -> None:
        self._path = path
        self._mode = mode
        self._backlog = backlog
        self._passed = passed
        self._passed_path = identity_of(path) if passed is not None else None
        self._claim = claim
        self._bound: BoundSocket | None = None

    def open(self) -> None:
        """Bind the path and listen, unless that is done.

        :raises ConfigError: if the path cannot be bound.
        """
        if self._passed is None and self._bound is None:
            self._claim()
            self._bound = bind(self._path, self._mode, self._backlog)

    def rebind(self) -> bool:
        """Bind the path again if it was removed.

        :returns: whether there is another socket now.
        :raises ConfigError: if it cannot be bound; then the old socket stays.
        """
        if self._passed is not None:
            check_passed_path(self._path, self._passed_path)
        if self._bound is None or self._bound.owns_path():
            return False
        self._claim()
        self._bound = bind_again(self._bound, self._mode, self._backlog)
        return True

    def set_mode(self, mode: int) -> None:
        """Change the mode of the path."""
        self._mode = mode
        if self._bound is not None and self._bound.owns_path():
            os.chmod(self._path, mode)

    def close(self) -> None:
        """Close the socket, so that clients are refused at once instead of waiting in the backlog."""
        bound, self._bound = self._bound, None
        if bound is not None:
            bound.close()

    def add(self, listen: Sequence[Listen]) -> None:
        """Do nothing: the path never changes."""

    keep = add

    def has(self, listen: Sequence[Listen]) -> bool:
        """Always true."""
        return True

    def descriptors(self, listen: Sequence[Listen] = ()) -> tuple[int, ...]:
        """The descriptor of the listening socket."""
        if self._passed is not None:
            return (self._passed.fileno(),)
        if self._bound is None:
            raise ValueError(f"{self._path} is not open")
        return (self._bound.socket.fileno(),)

    def addresses(self) -> tuple[str, ...]:
        """The path, while the socket is open."""
        return () if self._passed is None and self._bound is None else (f"unix:{self._path}",)

"""The listening Unix socket of a service."""

from __future__ import annotations

import socket

from twisted.logger import Logger
from zope.interface import implementer

from unixsvc.orchestrator.sockets.binding import BoundSocket, bind
from unixsvc.orchestrator.sockets.interfaces import IListener

__all__ = ["UnixListener"]

_log = Logger()


@implementer(IListener)
class UnixListener:
    """One listening Unix socket.

    :param mode: of the path.
    :param passed: a listening socket that systemd has passed: it is used instead and never closed, and
        systemd owns its path.
    """

    def __init__(self, path: str, mode: int, backlog: int, passed: socket.socket | None = None) -> None:
        self._path = path
        self._mode = mode
        self._backlog = backlog
        self._passed = passed
        self._bound: BoundSocket | None = None

    def open(self) -> None:
        """Bind the path and listen, unless that is done and the path still leads to this socket.

        :raises ConfigError: if the path cannot be bound.
        """
        if self._passed is not None:
            return
        if self._bound is not None and not self._bound.owns_path():
            _log.warn("{path} was removed or replaced; binding it again", path=self._path)
            self.close()
        if self._bound is None:
            self._bound = bind(self._path, self._mode, self._backlog)

    def close(self) -> None:
        """Close the socket, so that clients are refused at once instead of waiting in the backlog."""
        bound, self._bound = self._bound, None
        if bound is not None:
            bound.close()

    def descriptors(self) -> tuple[int, ...]:
        """The descriptor of the listening socket."""
        if self._passed is not None:
            return (self._passed.fileno(),)
        if self._bound is None:
            raise ValueError(f"{self._path} is not open")
        return (self._bound.socket.fileno(),)

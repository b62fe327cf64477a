"""Where a service listens that answers over HTTP."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Final

import msgspec
from twisted.logger import Logger

from unixsvc.config.http import Listen
from unixsvc.errors import ConfigError
from unixsvc.orchestrator.sockets.binding import BoundSocket, bind

__all__ = ["HttpListener"]

_log = Logger(namespace="http")

_FAMILIES: Final = {"tcp": socket.AF_INET, "ssl": socket.AF_INET, "tcp6": socket.AF_INET6}


class HttpListener:
    """As :class:`unixsvc.orchestrator.sockets.binding.Listener`, with a socket for each endpoint.

    :param backlog: of those that name none themselves.
    """

    def __init__(self, listens: Sequence[Listen], backlog: int) -> None:
        self._listens = listens
        self._backlog = backlog
        self._sockets: list[socket.socket] = []
        self._bound: list[BoundSocket] = []

    def open(self) -> None:
        """Bind and listen, unless that is done.

        :raises ConfigError: if one of them cannot be bound; then none is.
        """
        if self._sockets and all(each.is_there() for each in self._bound):
            return
        self.close()
        try:
            for each in self._listens:
                self._sockets.append(self._open(each))
        except ConfigError:
            self.close()
            raise
        where = [str(_as_bound(*each)) for each in zip(self._listens, self._sockets, strict=True)]
        _log.info("listens on {where}", where=", ".join(where))

    def close(self) -> None:
        """Have clients refused."""
        for each in self._bound:
            each.close()
        for listening in self._sockets:
            listening.close()
        self._bound, self._sockets = [], []

    def descriptors(self) -> tuple[int, ...]:
        """Of the sockets, for those who accept."""
        if not self._sockets:
            raise ValueError("it is not open")
        return tuple(each.fileno() for each in self._sockets)

    def _open(self, listen: Listen) -> socket.socket:
        backlog = listen.backlog or self._backlog
        if listen.kind == "unix":
            bound = bind(listen.path, listen.mode, backlog)
            self._bound.append(bound)
            return bound.socket
        family = socket.AF_INET6 if ":" in listen.interface else _FAMILIES[listen.kind]
        listening = socket.socket(family, socket.SOCK_STREAM)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listening.bind((listen.interface, listen.port))
            listening.listen(backlog)
        except OSError as error:  # also what it says of an interface that is none
            listening.close()
            remedy = "choose another with [http] listen or --http, or none with --no-http"
            raise ConfigError(str(listen), f"cannot be bound: {error.strerror}", remedy) from None
        listening.setblocking(False)
        return listening


def _as_bound(listen: Listen, listening: socket.socket) -> Listen:
    """With the port that the kernel has chosen, where that was left to it."""
    if listen.kind == "unix":
        return listen
    return msgspec.structs.replace(listen, port=listening.getsockname()[1])

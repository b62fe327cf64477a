"""The listening sockets of the HTTP gateway."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Final

import msgspec
from twisted.logger import Logger
from zope.interface import implementer

from unixsvc.config.http import Listen
from unixsvc.errors import ConfigError
from unixsvc.orchestrator.sockets.binding import BoundSocket, bind, bind_again, check_passed_path, identity_of
from unixsvc.orchestrator.sockets.interfaces import IListener

__all__ = ["HttpListener", "index_of"]

_log = Logger(namespace="http")

_FAMILIES: Final = {"tcp": socket.AF_INET, "ssl": socket.AF_INET, "tcp6": socket.AF_INET6}


@implementer(IListener)
class HttpListener:
    """A listening socket for each configured address.

    :param backlog: for addresses without one of their own.
    :param passed: a listening socket for one of the addresses that systemd has passed: it is used instead
        and never closed, and systemd owns its path.
    """

    def __init__(
        self, addresses: Sequence[Listen], backlog: int, passed: socket.socket | None = None
    ) -> None:
        self._addresses = addresses
        self._backlog = backlog
        self._passed = passed
        self._passed_index = None if passed is None else index_of(passed, addresses)
        self._passed_path = None if passed is None else _identity(passed)
        self._sockets: list[socket.socket] = []
        self._bound: dict[int, BoundSocket] = {}  # those of paths, by their index

    def open(self) -> None:
        """Bind and listen, unless that is done.

        :raises ConfigError: if an address cannot be bound; then none is.
        """
        if self._sockets:
            return
        try:
            for index, address in enumerate(self._addresses):
                self._sockets.append(self._open(index, address))
        except ConfigError:
            self.close()
            raise
        _log.info("listens on {where}", where=", ".join(self.addresses()))

    def rebind(self) -> bool:
        """Bind the paths again that were removed.

        :returns: whether there are other sockets now.
        :raises ConfigError: if a path cannot be bound; then the socket that it had stays.
        """
        if self._passed is not None and self._passed.family == socket.AF_UNIX:
            check_passed_path(self._passed.getsockname(), self._passed_path)
        lost = [index for index, bound in self._bound.items() if not bound.owns_path()]
        for index in lost:
            address = self._addresses[index]
            bound = bind_again(self._bound[index], address.mode, address.backlog or self._backlog)
            self._bound[index], self._sockets[index] = bound, bound.socket
        return bool(lost)

    def close(self) -> None:
        """Close all sockets, so that clients are refused."""
        for bound in self._bound.values():
            bound.close()
        for listening in self._sockets:
            listening.close()
        self._bound, self._sockets = {}, []

    def descriptors(self) -> tuple[int, ...]:
        """The descriptors of the sockets, in the order of the addresses."""
        if not self._sockets:
            raise ValueError("the listener is not open")
        return tuple(listening.fileno() for listening in self._sockets)

    def addresses(self) -> tuple[str, ...]:
        """Where the sockets listen, with the ports that the kernel has chosen."""
        if not self._sockets:
            return ()
        return tuple(_bound_to(*pair) for pair in zip(self._addresses, self._sockets, strict=True))

    def _open(self, index: int, address: Listen) -> socket.socket:
        if self._passed is not None and index == self._passed_index:
            return self._passed.dup()
        backlog = address.backlog or self._backlog
        if address.kind == "unix":
            bound = self._bound[index] = bind(address.path, address.mode, backlog)
            return bound.socket
        family = socket.AF_INET6 if ":" in address.interface else _FAMILIES[address.kind]
        listening = socket.socket(family, socket.SOCK_STREAM)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listening.bind((address.interface, address.port))
            listening.listen(backlog)
        except OSError as error:  # also for an interface that does not exist
            listening.close()
            remedy = "choose another with [http] listen or --http, or none with --no-http"
            raise ConfigError(str(address), f"cannot be bound: {error.strerror}", remedy) from None
        listening.setblocking(False)
        return listening


def index_of(listening: socket.socket, addresses: Sequence[Listen]) -> int | None:
    """Which of the addresses a listening socket has; None if it has another one."""
    name = listening.getsockname()
    for index, address in enumerate(addresses):
        if listening.family == socket.AF_UNIX:
            found = address.kind == "unix" and address.path == name
        else:
            every = "::" if listening.family == socket.AF_INET6 else "0.0.0.0"  # noqa: S104  # if configured
            host = address.interface or every
            found = address.kind != "unix" and (host, address.port) == name[:2]
        if found:
            return index
    return None


def _identity(listening: socket.socket) -> tuple[int, int] | None:
    return identity_of(listening.getsockname()) if listening.family == socket.AF_UNIX else None


def _bound_to(address: Listen, listening: socket.socket) -> str:
    """Where a socket listens, as the kernel reports it."""
    name = listening.getsockname()
    if listening.family == socket.AF_UNIX:
        return str(msgspec.structs.replace(address, path=name))
    return str(msgspec.structs.replace(address, interface=name[0], port=name[1]))

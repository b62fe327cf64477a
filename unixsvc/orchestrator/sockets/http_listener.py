"""The listening sockets of an HTTP gateway."""

from __future__ import annotations

import errno
import os
import socket
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias

import msgspec
from twisted.logger import Logger
from zope.interface import implementer

from unixsvc.config.http import NEEDS_CERTIFICATE, Listen
from unixsvc.errors import ConfigError
from unixsvc.orchestrator.sockets.binding import BoundSocket, bind, bind_again, check_passed_path, identity_of
from unixsvc.orchestrator.sockets.interfaces import IListener
from unixsvc.orchestrator.sockets.passed import index_of

__all__ = ["HttpListener"]

_FAMILIES: Final = {"tcp": socket.AF_INET, "ssl": socket.AF_INET, "tcp6": socket.AF_INET6}

_REMEDY: Final = "choose another with [http] listen or --http, or none with --no-http"

_Key: TypeAlias = tuple[str, str, int, int]
"""What distinguishes a socket: the kind of address, its host or path, its port, and a number if it is any."""


@implementer(IListener)
class HttpListener:
    """A listening socket for each configured address.

    :param service: the gateway, for the log.
    :param backlog: for addresses without one of their own.
    :param passed: listening sockets that systemd has passed: they are used instead for the addresses that
        they have, and never closed, and systemd owns their paths.
    :param remedy: what to do if an address cannot be bound.
    """

    def __init__(
        self,
        service: str,
        addresses: Sequence[Listen],
        backlog: int,
        passed: Sequence[socket.socket] = (),
        remedy: str = _REMEDY,
    ) -> None:
        self._log = Logger(namespace=service)
        self._addresses = tuple(addresses)
        self._backlog = backlog
        self._hint = remedy
        self._passed = [(each, _identity(each)) for each in passed]
        self._sockets: dict[_Key, socket.socket] = {}
        self._bound: dict[_Key, tuple[BoundSocket, Listen]] = {}  # those of paths

    def open(self) -> None:
        """Bind and listen, unless that is done.

        :raises ConfigError: if an address cannot be bound; then none is.
        """
        if not self._sockets:
            self._add(self._addresses)
            self._log_addresses()

    def add(self, listen: Sequence[Listen]) -> None:
        """Open the sockets of further addresses; nothing while the listener is closed.

        :raises ConfigError: if an address cannot be bound; then none is.
        """
        if self._sockets:
            self._add(listen)

    def keep(self, listen: Sequence[Listen]) -> None:
        """Close the sockets of all other addresses.

        The others get the backlogs and modes of these.
        """
        before, self._addresses = self._addresses, tuple(listen)
        used = dict(_keyed(listen))
        self._close([key for key in self._sockets if key not in used])
        for key, address in used.items() if self._addresses != before else ():
            if key in self._sockets and not self._is_passed(address):
                self._sockets[key].listen(address.backlog or self._backlog)
            if key in self._bound:
                bound, _ = self._bound[key]
                self._bound[key] = bound, address
                if bound.owns_path():
                    os.chmod(address.path, address.mode)
        if self._sockets and self._addresses != before:
            self._log_addresses()

    def has(self, listen: Sequence[Listen]) -> bool:
        """Whether these are the addresses that it has."""
        return self._addresses == tuple(listen)

    def rebind(self) -> bool:
        """Bind the paths again that were removed.

        :returns: whether there are other sockets now.
        :raises ConfigError: if a path cannot be bound; then the socket that it had stays.
        """
        for passed, identity in self._passed:
            if passed.family == socket.AF_UNIX:
                check_passed_path(passed.getsockname(), identity)
        lost = [key for key, (bound, _) in self._bound.items() if not bound.owns_path()]
        for key in lost:
            bound, address = self._bound[key]
            bound = bind_again(bound, address.mode, address.backlog or self._backlog)
            self._bound[key], self._sockets[key] = (bound, address), bound.socket
        return bool(lost)

    def close(self) -> None:
        """Close all sockets, so that clients are refused."""
        self._close([*self._sockets])

    def descriptors(self, listen: Sequence[Listen] = ()) -> tuple[int, ...]:
        """The descriptors of the sockets, in the order of the addresses.

        :param listen: the addresses; empty for the configured ones.
        """
        if not self._sockets:
            raise ValueError("the listener is not open")
        return tuple(self._sockets[key].fileno() for key, _ in _keyed(listen or self._addresses))

    def addresses(self) -> tuple[str, ...]:
        """Where the sockets listen, with the ports that the kernel has chosen."""
        if not self._sockets:
            return ()
        return tuple(_bound_to(address, self._sockets[key]) for key, address in _keyed(self._addresses))

    def _log_addresses(self) -> None:
        self._log.info("listens on {where}", where=", ".join(self.addresses()))

    def _add(self, listen: Sequence[Listen]) -> None:
        opened = []
        try:
            for key, address in _keyed(listen):
                if key not in self._sockets:
                    self._sockets[key] = self._open(key, address)
                    opened.append(key)
        except ConfigError:
            self._close(opened)
            raise

    def _close(self, keys: Sequence[_Key]) -> None:
        for key in keys:
            if key in self._bound:
                self._bound.pop(key)[0].close()
            self._sockets.pop(key).close()

    def _is_passed(self, address: Listen) -> bool:
        return any(index_of(passed, [address]) is not None for passed, _ in self._passed)

    def _open(self, key: _Key, address: Listen) -> socket.socket:
        for passed, _ in self._passed:
            if index_of(passed, [address]) is not None:
                return passed.dup()
        backlog = address.backlog or self._backlog
        if address.kind == "unix":
            bound = bind(address.path, address.mode, backlog)
            self._bound[key] = bound, address
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
            problem = f"cannot be bound: {error.strerror}"
            raise ConfigError(str(address), problem, self._remedy(error, address)) from None
        listening.setblocking(False)
        return listening

    def _remedy(self, error: OSError, address: Listen) -> str:
        ports = [key[2] for key in self._sockets if address.port]
        if error.errno == errno.EADDRINUSE and address.port in ports and address not in self._addresses:
            return "an address with this port is in use until the reload; stop the orchestrator and start it"
        return self._hint


def _keyed(addresses: Sequence[Listen]) -> Iterator[tuple[_Key, Listen]]:
    """Addresses with their keys: the same key before and after a change means the same socket."""
    counts: Counter[tuple[str, str, int]] = Counter()
    for address in addresses:
        if address.kind == "unix":
            name = ("unix", address.path, 0)
        else:
            name = ("tcp6" if address.kind == "tcp6" else "tcp", address.interface, address.port)
        yield (*name, counts[name]), address
        counts[name] += 1


def _identity(listening: socket.socket) -> tuple[int, int] | None:
    return identity_of(listening.getsockname()) if listening.family == socket.AF_UNIX else None


def _bound_to(address: Listen, listening: socket.socket) -> str:
    """Where a socket listens, as the kernel reports it."""
    name = listening.getsockname()
    if listening.family == socket.AF_UNIX:
        return str(msgspec.structs.replace(address, path=name))
    where = str(msgspec.structs.replace(address, interface=name[0], port=name[1]))
    return where + NEEDS_CERTIFICATE if address.needs_client_certificate else where

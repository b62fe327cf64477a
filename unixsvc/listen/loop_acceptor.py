"""Accepts clients by the loop's own server."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from typing import cast

import uvloop
from twisted.logger import Logger

from unixsvc.listen.backlog import backlog_of
from unixsvc.transport.credentials import credentials_of
from unixsvc.transport.private_apis import run_without_waiting

__all__ = ["LoopAcceptor", "may_be_served"]

_log = Logger()


def may_be_served(loop: asyncio.AbstractEventLoop, listening: socket.socket) -> bool:
    """Whether the loop's own server may accept from a socket without anybody seeing that.

    It listens again, so its backlog must be known; and clients are told that it is this process' user who
    does, whom they may have no reason to trust.
    """
    if not isinstance(loop, uvloop.Loop) or backlog_of(listening) is None:
        return False
    if listening.family != socket.AF_UNIX:
        return True
    listener = credentials_of(listening)
    return (listener.uid, listener.gid) == (os.geteuid(), os.getegid())


class LoopAcceptor:
    """Takes a fifth less of a processor for each connection than to accept by hand, and knows no siblings.

    The descriptor that it accepts from is the loop's own, and the loop closes it. It accepts one client in
    a turn. What can go wrong with that leaves it as it is (libuv since 1.45).

    :param loop: uvloop's.
    :param build: makes the protocol of a connection, or None for one that is not wanted.
    :ivar usable: false once it has been seen that it cannot accept, and never will.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, build: Callable[[], asyncio.BaseProtocol | None]
    ) -> None:
        self._loop = loop
        self._build = build
        self._server: asyncio.AbstractServer | None = None
        self.usable = True

    @property
    def serves(self) -> bool:
        """Whether it accepts."""
        return self._server is not None

    def start(self, listening: socket.socket) -> socket.socket | None:
        """Accept.

        :returns: if that cannot be, the socket to accept from in another way.
        """
        backlog = backlog_of(listening)
        try:
            spare = _copy(listening)
        except OSError:
            return listening
        try:
            if backlog is None:
                raise RuntimeError("nobody knows the backlog")
            server = run_without_waiting(
                self._loop.create_server(self._make, sock=listening, backlog=backlog)
            )
            if listening.fileno() < 0:  # what the loop does then, and says nothing
                raise RuntimeError("it cannot listen")
        except (OSError, RuntimeError) as error:
            _log.warn("clients are accepted by hand: {error}", error=error)
            self.usable = False
            listening.close()
            return spare
        spare.close()
        self._server, self._listening = server, listening
        return None

    def stop(self) -> socket.socket | None:
        """Accept nobody any more.

        :returns: the socket, to accept from in another way; None if there is no descriptor for it: then
            nothing has changed.
        """
        try:
            listening = _copy(self._listening)
        except OSError:
            return None
        self.close()
        return listening

    def close(self) -> None:
        """Accept nobody any more, and close the socket."""
        server, self._server = self._server, None
        if server is not None:
            server.close()

    def _make(self) -> asyncio.BaseProtocol:
        try:
            return self._build() or _Unwanted()
        except Exception:  # which would leave the server waiting for this one for ever
            _log.failure("no protocol can be made")
            return _Unwanted()


class _Unwanted(asyncio.Protocol):
    """Of a client that is closed at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The loop has a connection."""
        cast(asyncio.Transport, transport).abort()


def _copy(listening: socket.socket) -> socket.socket:
    # Not by its own method, which may change for all siblings whether it blocks.
    return socket.socket(listening.family, listening.type, listening.proto, os.dup(listening.fileno()))

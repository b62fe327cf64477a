"""Accepts clients with the event loop's own server."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from typing import cast

import uvloop
from twisted.logger import Logger

from unixsvc.domain.coroutine import run_without_waiting
from unixsvc.listen.backlog import backlog_of
from unixsvc.telemetry.limited_logger import LimitedLogger
from unixsvc.transport.credentials import credentials_of

__all__ = ["LoopAcceptor", "can_use_loop_acceptor"]

_log = Logger()
_connections_log = LimitedLogger(__name__)


def can_use_loop_acceptor(loop: asyncio.AbstractEventLoop, listening: socket.socket) -> bool:
    """True if the loop's own server may accept from a socket, and clients cannot tell.

    The server calls ``listen`` again. So the backlog must be known, to stay the same; and from then on
    clients see the user of this process as the listener (SO_PEERCRED), so it must be the user who
    listened first.
    """
    if not isinstance(loop, uvloop.Loop) or backlog_of(listening) is None:
        return False
    if listening.family != socket.AF_UNIX:
        return True
    listener = credentials_of(listening)
    return (listener.uid, listener.gid) == (os.geteuid(), os.getegid())


class LoopAcceptor:
    """Takes a fifth less CPU for each connection than an Acceptor, and knows nothing of other workers.

    The loop owns the descriptor that it accepts from, and closes it. It accepts one client in a turn, and
    survives failures to accept (libuv since 1.45).

    :param loop: of uvloop.
    :param build: makes the transport of a connection; None refuses the connection.
    :ivar usable: false once the loop has failed to listen.
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
        """True while it accepts."""
        return self._server is not None

    def start(self, listening: socket.socket) -> socket.socket | None:
        """Begin to accept.

        :returns: None if it does; otherwise the listening socket, for another way of accepting.
        """
        backlog = backlog_of(listening)
        try:
            spare = _duplicate(listening)
        except OSError:
            return listening
        try:
            if backlog is None:
                raise RuntimeError("the backlog is unknown")
            server = run_without_waiting(
                self._loop.create_server(self._make, sock=listening, backlog=backlog)
            )
            if listening.fileno() < 0:  # uvloop closes the socket if it cannot listen, and raises nothing
                raise RuntimeError("it cannot listen")
        except (OSError, RuntimeError) as error:
            _log.warn("connections are accepted in Python, which is slower: {error}", error=error)
            self.usable = False
            listening.close()
            return spare
        spare.close()
        self._server, self._listening = server, listening
        return None

    def stop(self) -> socket.socket | None:
        """Stop to accept.

        :returns: the listening socket, for another way of accepting; None if no file descriptor is left for
            it: then it still accepts.
        """
        try:
            listening = _duplicate(self._listening)
        except OSError:
            return None
        self.close()
        return listening

    def close(self) -> None:
        """Stop to accept, and close the socket."""
        server, self._server = self._server, None
        if server is not None:
            server.close()

    def _make(self) -> asyncio.BaseProtocol:
        try:
            return self._build() or _Refused()
        except Exception as error:  # it would leave the server waiting for this connection for ever
            _connections_log.failure("no protocol can be made", error)
            return _Refused()


class _Refused(asyncio.Protocol):
    """Closes its connection at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The loop has a connection."""
        cast(asyncio.Transport, transport).abort()


def _duplicate(listening: socket.socket) -> socket.socket:
    # Not socket.dup(): it may change the blocking mode, which all workers share.
    return socket.socket(listening.family, listening.type, listening.proto, os.dup(listening.fileno()))

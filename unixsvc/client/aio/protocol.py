"""One connection of an asyncio client."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from typing import cast

from unixsvc.client.discovery.location import Credentials
from unixsvc.client.multiplexer import Multiplexer

__all__ = ["AsyncioClientProtocol"]


class AsyncioClientProtocol(asyncio.Protocol):
    """Joins a multiplexer to a transport of an event loop.

    :param disconnected: called when the connection is lost.
    """

    def __init__(
        self,
        credentials: Credentials,
        loop: asyncio.AbstractEventLoop,
        disconnected: Callable[[Multiplexer], object],
    ) -> None:
        self.multiplexer = Multiplexer(credentials, time.monotonic, loop.call_later, self, disconnected)
        self.data_received = self.multiplexer.data_received  # type: ignore[method-assign]  # saves a call
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._opening: asyncio.Task[object] | None = None

    def open(self, connection: socket.socket) -> None:
        """Hand a connected socket to the event loop."""

        def opened(task: asyncio.Task[object]) -> None:
            if task.cancelled() or task.exception() is not None:
                connection.close()
                self.connection_lost(None)

        self._opening = self._loop.create_task(
            self._loop.create_unix_connection(lambda: self, sock=connection)
        )
        self._opening.add_done_callback(opened)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the calls that were made before."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's has no common base with it
        self.multiplexer.connected(self._write)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail all pending calls."""
        self.multiplexer.connection_lost()

    def close(self) -> None:
        """Close the connection after everything is written."""
        if self._transport is not None:
            self._transport.close()
        elif self._opening is not None:
            self._opening.cancel()

    def abort(self) -> None:
        """Close the connection now."""
        if self._transport is not None:
            self._transport.abort()

    def after_callbacks(self, flush: Callable[[], None]) -> None:
        """Futures that were resolved before wake their tasks before this."""
        self._loop.call_soon(flush)

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

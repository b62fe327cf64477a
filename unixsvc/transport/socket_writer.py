"""Writes to the socket of a connection without its transport: bytes, and files by sendfile(2)."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable

__all__ = ["SocketWriter"]


class SocketWriter:
    """Writes to a socket by a file descriptor of its own.

    The event loop watches no descriptor that a transport has. One of its own also stays that of the same
    connection, whatever the transport does: it cannot become the descriptor of another client.

    The transport must have nothing to write, and must not write until this is closed. The calls that write
    raise BlockingIOError while the socket's send buffer is full, and other OSErrors when the connection is
    lost.

    :param descriptor: of a socket that does not block; it is duplicated.
    :raises OSError: if no file descriptor is left.
    """

    __slots__ = ("_loop", "_socket", "_waits")

    def __init__(self, descriptor: int) -> None:
        number = os.dup(descriptor)
        try:
            self._socket = socket.socket(fileno=number)
        except OSError:
            os.close(number)
            raise
        self._loop = asyncio.get_running_loop()
        self._waits = False

    def send(self, data: bytes, *, more: bool) -> int:
        """Send bytes, and return how many.

        :param more: whether others follow at once, so that they go into the same segment.
        """
        return self._socket.send(data, socket.MSG_MORE if more else 0)

    def send_file(self, descriptor: int, offset: int, count: int) -> int:
        """Send a part of a file, and return how many bytes; 0 if the file has ended before it."""
        return os.sendfile(self._socket.fileno(), descriptor, offset, count)

    def when_writable(self, callback: Callable[[], object]) -> None:
        """Call a function once, when there is room in the send buffer."""
        self._waits = True
        self._loop.add_writer(self._socket.fileno(), self._writable, callback)

    def close(self) -> None:
        """Close the descriptor; the connection stays open. It may be called again."""
        self._stop_waiting()
        self._socket.close()

    def _writable(self, callback: Callable[[], object]) -> None:
        self._stop_waiting()
        callback()

    def _stop_waiting(self) -> None:
        if self._waits:
            self._waits = False
            self._loop.remove_writer(self._socket.fileno())

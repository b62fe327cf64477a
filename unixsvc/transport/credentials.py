"""The credentials of the peer of a Unix socket, as the kernel reports them; free of Twisted."""

from __future__ import annotations

import socket
import struct
from functools import lru_cache
from typing import Final

from unixsvc.domain.message import Peer

__all__ = ["credentials_of", "credentials_of_descriptor"]

_UCRED: Final = struct.Struct("3i")  # pid, uid, gid; unix(7), SO_PEERCRED


def credentials_of(connection: socket.socket) -> Peer:
    """The process that connected, or that called ``listen()``.

    :raises OSError: if it is not a socket that the kernel keeps credentials for.
    """
    return _peer(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))


def credentials_of_descriptor(descriptor: int) -> Peer:
    """The same for a file descriptor, which stays open."""
    connection = socket.SocketType(socket.AF_UNIX, socket.SOCK_STREAM, 0, descriptor)
    try:
        return _peer(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    finally:
        connection.detach()


@lru_cache(1024)  # one object for all connections of a process
def _peer(credentials: bytes) -> Peer:
    pid, uid, gid = _UCRED.unpack(credentials)
    return Peer(uid, gid, pid)

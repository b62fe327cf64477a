"""The kernel's word for who is at the other end of a Unix socket; free of Twisted."""

from __future__ import annotations

import socket
import struct
from functools import lru_cache
from typing import Final

from unixsvc.domain.message import Peer

__all__ = ["credentials_at", "credentials_of"]

_UCRED: Final = struct.Struct("3i")  # pid, uid, gid; unix(7), SO_PEERCRED


def credentials_of(connection: socket.socket) -> Peer:
    """The process that connected, or that called ``listen()``."""
    return _peer(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))


def credentials_at(descriptor: int) -> Peer:
    """Likewise, where there is only the number of a descriptor, which stays as it is."""
    connection = socket.SocketType(socket.AF_UNIX, socket.SOCK_STREAM, 0, descriptor)
    try:
        return _peer(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    finally:
        connection.detach()


@lru_cache(1024)  # whoever connects often is one object, not many
def _peer(credentials: bytes) -> Peer:
    pid, uid, gid = _UCRED.unpack(credentials)
    return Peer(uid, gid, pid)

"""The kernel's word for who is at the other end of a Unix socket; free of Twisted."""

from __future__ import annotations

import socket
import struct
from typing import Final

from unixsvc.domain.message import Peer

__all__ = ["credentials_of"]

_UCRED: Final = struct.Struct("3i")  # pid, uid, gid; unix(7), SO_PEERCRED


def credentials_of(connection: socket.socket) -> Peer:
    """The process that connected, or that called ``listen()``."""
    pid, uid, gid = _UCRED.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    return Peer(uid, gid, pid)

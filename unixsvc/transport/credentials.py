"""The credentials of the peer of a Unix socket, as the kernel reports them; free of Twisted."""

from __future__ import annotations

import socket
import struct
from functools import lru_cache
from typing import Final

from unixsvc.domain.message import Peer

__all__ = ["credentials_of", "credentials_of_descriptor", "groups_of_descriptor"]

# From asm-generic/socket.h; the module socket lacks it.
_SO_PEERGROUPS: Final = 59
_MAX_OPTION_BYTES: Final = 1024  # what socket.getsockopt() takes: 256 groups
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


def groups_of_descriptor(descriptor: int) -> tuple[int, ...]:
    """The supplementary groups of the process that connected; none if the kernel does not report them."""
    connection = socket.SocketType(socket.AF_UNIX, socket.SOCK_STREAM, 0, descriptor)
    try:
        groups = connection.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, _MAX_OPTION_BYTES)
    except OSError:  # ENOPROTOOPT before Linux 4.13, ERANGE for too many groups
        return ()
    finally:
        connection.detach()
    return struct.unpack(f"{len(groups) // 4}I", groups)


@lru_cache(1024)  # one object for all connections of a process
def _peer(credentials: bytes) -> Peer:
    pid, uid, gid = _UCRED.unpack(credentials)
    return Peer(uid, gid, pid)

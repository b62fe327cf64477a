"""Who is at the other end of a Unix socket."""

from __future__ import annotations

import select
import socket
import struct
from typing import Any, Final

from twisted.internet.interfaces import ISystemHandle

from unixsvc.domain.message import Peer

__all__ = ["has_gone", "peer_of"]

_UCRED: Final = struct.Struct("3i")  # pid, uid, gid; unix(7), SO_PEERCRED


def peer_of(transport: Any) -> Peer:
    """The process that connected, as the kernel vouches for it; nothing for a transport in memory."""
    if not ISystemHandle.providedBy(transport):
        return Peer()
    handle: Any = transport.getHandle()
    pid, uid, gid = _UCRED.unpack(handle.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    return Peer(uid, gid, pid)


def has_gone(transport: Any) -> bool:
    """After an end of file: whether the other end is closed, rather than done with writing.

    A client that has shut down its sending side still wants its replies.
    """
    if not ISystemHandle.providedBy(transport):
        return False
    poll = select.poll()
    handle: Any = transport.getHandle()
    poll.register(handle.fileno(), 0)
    return any(event & select.POLLHUP for _, event in poll.poll(0))

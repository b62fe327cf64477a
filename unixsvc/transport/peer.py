"""Who is at the other end of a Unix socket."""

from __future__ import annotations

import select
import socket
from typing import Any

from twisted.internet.interfaces import ISystemHandle

from unixsvc.domain.message import Peer
from unixsvc.transport.credentials import credentials_at, credentials_of

__all__ = ["has_gone", "has_more", "peer_of"]


def peer_of(transport: Any) -> Peer:
    """The process that connected, as the kernel vouches for it; nothing for a transport in memory."""
    if not ISystemHandle.providedBy(transport):
        return Peer()
    handle: Any = transport.getHandle()
    # What the loop gives out as a socket makes a real one for each question, and of the dearer kind.
    return credentials_of(handle) if isinstance(handle, socket.socket) else credentials_at(handle.fileno())


def has_gone(transport: Any) -> bool:
    """Whether the other end is closed, rather than done with writing.

    A client that has shut down its sending side still wants its replies.
    """
    if not ISystemHandle.providedBy(transport):
        return False
    return bool(_events(transport, 0) & select.POLLHUP)


def has_more(transport: Any) -> bool:
    """Whether the other end has sent what is not read yet."""
    return ISystemHandle.providedBy(transport) and bool(_events(transport, select.POLLIN) & select.POLLIN)


def _events(transport: Any, wanted: int) -> int:
    poll = select.poll()
    poll.register(transport.getHandle().fileno(), wanted)
    return sum(event for _, event in poll.poll(0))

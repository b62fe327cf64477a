"""The peer of a Unix socket: its credentials, and whether it is connected."""

from __future__ import annotations

import select
import socket
from typing import Any

from twisted.internet.interfaces import ISystemHandle

from unixsvc.domain.message import Peer
from unixsvc.transport.credentials import credentials_of, credentials_of_descriptor, groups_of_descriptor

__all__ = ["groups_of", "has_unread_data", "is_disconnected", "peer_of"]


def peer_of(transport: object) -> Peer:
    """The credentials of the peer, as the kernel reports them; empty for a transport in memory."""
    if not ISystemHandle.providedBy(transport):
        return Peer()
    handle = _handle(transport)
    # The loop's own socket object makes a real socket for each option that is read.
    if isinstance(handle, socket.socket):
        return credentials_of(handle)
    return credentials_of_descriptor(handle.fileno())


def groups_of(transport: object) -> tuple[int, ...]:
    """The supplementary groups of the peer, as the kernel reports them; empty for a transport in memory."""
    if not ISystemHandle.providedBy(transport):
        return ()
    return groups_of_descriptor(_handle(transport).fileno())


def is_disconnected(transport: object) -> bool:
    """True if the peer has closed its socket, not only shut down its sending side.

    A client that has only shut down its sending side waits for its replies.
    """
    return ISystemHandle.providedBy(transport) and bool(_poll(transport, 0) & select.POLLHUP)


def has_unread_data(transport: object) -> bool:
    """True if the peer has sent bytes that are not read yet, or has shut down its sending side."""
    return ISystemHandle.providedBy(transport) and bool(_poll(transport, select.POLLIN) & select.POLLIN)


def _poll(transport: object, events: int) -> int:
    poll = select.poll()
    poll.register(_handle(transport).fileno(), events)
    return sum(found for _, found in poll.poll(0))


def _handle(transport: Any) -> Any:
    return transport.getHandle()  # a socket, or an object of the event loop with a fileno()

"""The peer of a Unix socket: its credentials, and whether it is connected."""

from __future__ import annotations

import select
import socket
from sys import getrefcount
from typing import Any, Final, Protocol

from twisted.internet.interfaces import ISSLTransport, ISystemHandle

from unixsvc.domain.message import Caller, Peer
from unixsvc.transport.credentials import credentials_of, credentials_of_descriptor, groups_of_descriptor
from unixsvc.transport.loop_transport import LoopTransport

__all__ = [
    "NO_CALLER",
    "CallerHolder",
    "SocketCaller",
    "forget_caller",
    "groups_of",
    "has_unread_data",
    "is_disconnected",
    "is_secure",
    "peer_of",
    "settle_if_referenced",
]


class SocketCaller(Caller, gc=False):
    """The caller at the other end of a Unix socket; its credentials are read when something needs them.

    :ivar descriptor: of the socket, while ``known_peer`` is None. It must not be closed before
        :meth:`settle` was called.
    """

    descriptor: int = -1

    def connected(self, transport: object) -> None:
        """Set the transport of the connection."""
        connection = transport.connection if isinstance(transport, LoopTransport) else None
        if connection is None:  # Twisted's own transports close a socket before they report the loss
            self.known_peer = peer_of(transport)
        elif self.descriptor < 0:
            self.known_peer, self.descriptor = None, connection.fileno()

    def find_peer(self) -> Peer:
        """Ask the kernel."""
        return credentials_of_descriptor(self.descriptor)

    def settle(self) -> None:
        """Ask the kernel, if nothing did so far: the descriptor is about to be closed."""
        self.known_peer = self.peer
        self.descriptor = -1


def is_secure(transport: object) -> bool:
    """Return whether a connection is encrypted."""
    secure: bool | None = getattr(transport, "secure", None)  # of our own, as zope.interface takes longer
    return ISSLTransport.providedBy(transport) if secure is None else secure


NO_CALLER: Final = SocketCaller()
"""In the place of a caller that a lost connection has forgotten."""


class CallerHolder(Protocol):
    """A connection, with the only reference that it has to its caller."""

    caller: SocketCaller


def forget_caller(holder: CallerHolder) -> None:
    """Take the caller from a connection that is about to be closed."""
    if holder.caller.known_peer is None:
        caller = [holder.caller]
        holder.caller = NO_CALLER
        if getrefcount(caller[0]) > _UNREFERENCED:  # as below, without a further call
            caller[0].settle()


def settle_if_referenced(caller: list[SocketCaller]) -> None:
    """Settle a caller whose connection is about to be closed, if something else may still ask for its peer.

    A request of the caller may outlive the connection: in an action that goes on, in a context, in the log.

    :param caller: a list of one, so that this is the last reference that the connection has.
    """
    if getrefcount(caller[0]) > _UNREFERENCED:
        caller[0].settle()


def _references_to(caller: list[SocketCaller]) -> int:
    return getrefcount(caller[0])


# Some references are those of the interpreter: as many, as this is the same expression. Their number depends
# on the version.
_UNREFERENCED: Final = _references_to([SocketCaller()])


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

"""What is sent to peers that do not take it, and therefore stays in the memory of this process."""

from __future__ import annotations

from fcntl import ioctl
from termios import TIOCOUTQ
from typing import Any, Final, Protocol

from twisted.internet.interfaces import ISystemHandle

from unixsvc.transport.interfaces import IWriteBuffer
from unixsvc.transport.private_apis import twisted_write_buffer_size

__all__ = ["LARGE_REPLY", "UnsentReplies", "UnsentToPeer", "unacknowledged_bytes", "write_buffer_size"]

LARGE_REPLY: Final = 65_536
"""Larger replies are not written if there is no room for them: the high-water mark of transports."""


def write_buffer_size(transport: object) -> int:
    """The number of bytes that a transport has not handed to the kernel; 0 if unknown."""
    if IWriteBuffer.providedBy(transport):
        return transport.write_buffer_size()
    return twisted_write_buffer_size(transport)


def unacknowledged_bytes(transport: object) -> int:
    """The number of bytes in the socket's send buffer that the peer has not acknowledged; 0 if unknown."""
    if not ISystemHandle.providedBy(transport):
        return 0
    handle: Any = transport.getHandle()  # a socket, or under uvloop its replacement
    if handle is None:
        return 0
    found = bytearray(4)
    try:
        ioctl(handle.fileno(), TIOCOUTQ, found)
    except (OSError, ValueError):  # closed meanwhile
        return 0
    return int.from_bytes(found, "little")


class UnsentToPeer:
    """The replies that one peer does not take.

    :param transport: ``Any``, as asyncio's and Twisted's transports have no type in common.
    :ivar size: the memory that they take, in bytes. The transport keeps a reply until the last byte is sent,
        so this does not shrink before.
    """

    __slots__ = ("_transport", "size")

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self.size = 0

    def unsent(self) -> int:
        """The number of bytes that the peer has not taken yet."""
        return write_buffer_size(self._transport) + unacknowledged_bytes(self._transport)

    def expire(self) -> None:
        """Abort the connection; the memory is free when it is lost."""
        self._transport.abortConnection()


class UnsentBudget(Protocol):
    """The memory for all connections of a worker."""

    def may_send(self, size: int) -> bool:
        """True if there is room for a reply; else its peer is refused."""

    def hold_unsent(self, holder: UnsentToPeer, size: int) -> bool:
        """Note how many bytes a connection holds; false if there is no room for them."""


class UnsentReplies:
    """The replies of all connections of a worker that wait in its memory.

    :param budget: the memory for them.
    :ivar peers: by transport.
    """

    __slots__ = ("_budget", "peers")

    def __init__(self, budget: UnsentBudget) -> None:
        self._budget = budget
        self.peers: dict[object, UnsentToPeer] = {}

    def update(self, transport: Any, *, counted: bool = True) -> None:
        """Note what waits for one peer now; abort the connection if there is no room for it.

        :param counted: false for a peer that may make the worker hold as much as it likes.
        """
        if not (counted and write_buffer_size(transport)):
            if self.peers:
                self.forget(transport)
            return
        peer = self.peers.get(transport)
        if peer is None:
            peer = self.peers[transport] = UnsentToPeer(transport)
        # A part of the reply is in the kernel, and the whole in the memory of this process.
        peer.size = max(peer.size, peer.unsent())
        if not self._budget.hold_unsent(peer, peer.size):
            peer.expire()

    def may_send(self, transport: Any, size: int) -> bool:
        """True if there is room for a large reply; else abort the connection.

        It is to be asked before the reply is written: the memory of what is written to a connection is free
        only some time after the abort.
        """
        if self._budget.may_send(size):
            return True
        transport.abortConnection()
        return False

    def forget(self, transport: object) -> None:
        """Nothing waits for a peer any more, or it is not counted."""
        peer = self.peers.pop(transport, None)
        if peer is not None:
            self._budget.hold_unsent(peer, 0)

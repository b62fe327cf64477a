"""Counts the bytes that the clients of a service send and receive."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Traffic"]


class Traffic:
    """The bytes of all connections of one service in this process; with TLS before they are encrypted.

    :ivar received: from clients, without what :attr:`present` returns.
    :ivar sent: to clients, as they are given to the transport.
    :ivar present: returns what the connections that are open have received; each adds that at its end, as
        one sum for all would cost each message 0.5 %.
    """

    __slots__ = ("present", "received", "sent")

    def __init__(self) -> None:
        self.received = 0
        self.sent = 0
        self.present: Callable[[], int] = int

    def clear(self) -> None:
        """Count from zero."""
        self.received, self.sent = -self.present(), 0

    def all_received(self) -> int:
        """The bytes that clients have sent."""
        return self.received + self.present()

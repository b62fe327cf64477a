"""What the bus needs of a connection to a NATS server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from msgspec import Struct
from twisted.internet.defer import Deferred

__all__ = ["BusConnection", "BusMessage", "Connect", "ConnectionEvents", "NotConnected", "Received"]


class NotConnected(Exception):
    """There is no connection to a NATS server."""


class BusMessage(Struct, frozen=True, gc=False):
    """A message that was received.

    :ivar status: of the server, as 503 if a subject has no subscriber; 0 for a message of a program.
    :ivar headers: its header fields; None without any.
    """

    subject: str
    data: bytes
    reply: str = ""
    status: int = 0
    headers: dict[str, str] | None = None


Received = Callable[[BusMessage], object]


class ConnectionEvents(Protocol):
    """What a connection reports."""

    def connection_lost(self, problem: str) -> None:
        """The connection has ended."""

    def server_leaves(self) -> None:
        """The server will disconnect its clients soon (lame duck mode)."""

    def refused(self, problem: str) -> None:
        """The server does not allow something that was sent before."""


class BusConnection(Protocol):
    """A connection that is established. It never connects again by itself, and never buffers for later.

    :ivar max_payload: the most bytes of one message.
    :ivar server: the URL of the server, without secrets.
    """

    max_payload: int
    server: str

    def publish(
        self, subject: str, data: bytes, reply: str = "", headers: dict[str, str] | None = None
    ) -> None:
        """Send a message.

        :param reply: where answers go; also the status 503, if the subject has no subscriber.
        :raises NotConnected: if the connection has ended.
        """

    def subscribe(self, subject: str, received: Received, queue: str = "") -> int:
        """Subscribe; of the subscribers of a queue group, one gets each message.

        :returns: a number, for :meth:`unsubscribe`.
        :raises NotConnected: if the connection has ended.
        """

    def unsubscribe(self, number: int) -> None:
        """End a subscription; no effect if the connection has ended."""

    def close(self) -> None:
        """Send what is written, and disconnect."""

    def abort(self) -> None:
        """Disconnect now, whatever state the connection is in: ``connection_lost`` follows at once."""


Connect = Callable[[ConnectionEvents], Deferred[BusConnection]]

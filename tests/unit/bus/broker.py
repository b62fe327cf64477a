"""NATS servers in memory: subjects, queue groups, and the status of a subject without subscribers."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from twisted.internet.defer import Deferred, fail, succeed

from unixsvc.bus.connection import BusConnection, BusMessage, ConnectionEvents, NotConnected, Received

__all__ = ["Broker", "MemoryConnection"]


class Broker:
    """A server.

    Messages are delivered by :meth:`deliver`, in their order.

    :ivar down: whether it refuses connections.
    :ivar stopped: whether it delivers nothing, as a process that is stopped.
    :ivar drop: tells whether a message is lost on its way, by subject and data.
    :ivar hold: tells whether a message waits for :meth:`release`.
    :ivar headers: the header fields of messages, by their subjects.
    :ivar sent: the subject and the data of each message that was delivered or lost.
    """

    def __init__(self) -> None:
        self.connections: list[MemoryConnection] = []
        self.down = self.stopped = False
        self.drop: Callable[[str, bytes], bool] = lambda subject, data: False
        self.hold: Callable[[str, bytes], bool] = lambda subject, data: False
        self._held: list[tuple[str, bytes, str, MemoryConnection]] = []
        self.sent: list[tuple[str, bytes]] = []
        self._waiting: deque[tuple[str, bytes, str, MemoryConnection]] = deque()
        self._turn = 0
        self.headers: dict[str, dict[str, str]] = {}

    def connect(self, events: ConnectionEvents) -> Deferred[BusConnection]:
        """Connect a process."""
        if self.down:
            return fail(NotConnected("connection refused"))
        connection = MemoryConnection(self, events)
        self.connections.append(connection)
        return succeed(connection)

    def publish(self, subject: str, data: bytes, reply: str, sender: MemoryConnection) -> None:
        """Take a message."""
        self._waiting.append((subject, data, reply, sender))

    def deliver(self) -> None:
        """Deliver all messages, and those that follow from them."""
        while self._waiting and not self.stopped:
            subject, data, reply, sender = self._waiting.popleft()
            if self.hold(subject, data):
                self._held.append((subject, data, reply, sender))
                continue
            self.sent.append((subject, data))
            if not self.drop(subject, data):
                self._deliver(BusMessage(subject, data, reply), sender)

    def release(self) -> None:
        """Deliver what was held."""
        self.hold = lambda subject, data: False
        self._waiting.extend(self._held)
        self._held.clear()
        self.deliver()

    def kill(self) -> None:
        """End all connections."""
        connections, self.connections = self.connections, []
        self._waiting.clear()
        for each in connections:
            each.end("the server was killed")

    def _deliver(self, message: BusMessage, sender: MemoryConnection) -> None:
        groups: dict[str, list[Received]] = {}
        for connection in self.connections:
            for number, (subject, queue, received) in connection.subscriptions.items():
                if _matches(subject, message.subject):
                    groups.setdefault(queue or f"{id(connection)} {number}", []).append(received)
        for members in groups.values():
            self._turn += 1
            members[self._turn % len(members)](message)
        if not groups and message.reply:
            self._deliver(BusMessage(message.reply, b"", "", 503), sender)


class MemoryConnection:
    """One connection, see :class:`~unixsvc.bus.connection.BusConnection`."""

    max_payload = 1_048_576
    server = "memory"

    def __init__(self, broker: Broker, events: ConnectionEvents) -> None:
        self.events = events
        self.ended = False
        self.subscriptions: dict[int, tuple[str, str, Received]] = {}
        self._broker = broker
        self._last = 0

    def publish(
        self, subject: str, data: bytes, reply: str = "", headers: dict[str, str] | None = None
    ) -> None:
        """Send a message."""
        self._require_connection()
        if headers is not None:
            self._broker.headers[subject] = headers
        self._broker.publish(subject, data, reply, self)

    def subscribe(self, subject: str, received: Received, queue: str = "") -> int:
        """Subscribe."""
        self._require_connection()
        self._last += 1
        self.subscriptions[self._last] = (subject, queue, received)
        return self._last

    def unsubscribe(self, number: int) -> None:
        """End a subscription."""
        self.subscriptions.pop(number, None)

    def close(self) -> None:
        """Disconnect."""
        self.ended = True
        if self in self._broker.connections:
            self._broker.connections.remove(self)

    def abort(self) -> None:
        """Disconnect at once."""
        self.close()
        self.events.connection_lost("aborted")

    def end(self, problem: str) -> None:
        """End the connection, as the server does."""
        self.ended = True
        self.events.connection_lost(problem)

    def _require_connection(self) -> None:
        if self.ended:
            raise NotConnected("disconnected")


def _matches(pattern: str, subject: str) -> bool:
    wanted, given = pattern.split("."), subject.split(".")
    return len(wanted) == len(given) and all(a in ("*", b) for a, b in zip(wanted, given, strict=True))

"""One side of a circuit: an ordered pipe of bytes in each direction, over messages. Pure."""

from __future__ import annotations

from collections import deque
from typing import Final, Protocol

from unixsvc.bus.frames import Frame, Kind, encode_frame

__all__ = ["PIECE", "WINDOW", "Circuit", "CircuitOwner"]

PIECE: Final = 65_536
"""The most bytes of one message: NATS refuses those above its ``max_payload``, which is 1 MiB by default."""
WINDOW: Final = 262_144
"""The most bytes that are sent and not taken yet. What is on the way is lost with a host, and fills the
buffers of the servers in between, which disconnect a client that does not read."""
_ACK_AFTER: Final = WINDOW // 4
_NUMBERS: Final = 2**32


class CircuitOwner(Protocol):
    """What a circuit acts on."""

    def send(self, message: bytes) -> None:
        """Send a message to the other side."""

    def received(self, data: bytes) -> None:
        """The other side has sent bytes."""

    def blocked(self) -> None:
        """The window is used up: write no more."""

    def unblocked(self) -> None:
        """The window has room again, and all is sent."""

    def ended(self, problem: str) -> None:
        """The circuit has ended.

        :param problem: empty if the other side has closed it.
        """


class Circuit:
    """One side of a circuit.

    While something is expected of the other side, it gets a ping after each silent ``interval``, and counts
    as dead after a second one.

    :param interval: in seconds.
    :ivar unsent: the number of bytes that wait for room in the window.
    :ivar open: whether it has not ended.
    """

    def __init__(self, owner: CircuitOwner, interval: float) -> None:
        self._owner = owner
        self._interval = interval
        self._pieces: deque[bytes | memoryview] = deque()  # written, and not sent
        self.unsent = 0
        self._sent = 0  # bytes
        self._acknowledged = 0  # of these
        self._next = 0  # number of the next message
        self._expected = 0  # number of the next message of the other side
        self._taken = 0  # bytes
        self._reported = 0  # of these, which the other side knows of
        self._held: deque[bytes] | None = None  # received while paused
        self._blocked = False
        self._closing = False
        self._heard: float | None = None  # when the last message arrived; None for in this turn
        self._asked: float | None = None  # when a ping was sent that has no reply
        self.open = True

    def write(self, data: bytes) -> None:
        """Add bytes, for the next :meth:`flush`."""
        if self.open and not self._closing:
            self._pieces.append(data)
            self.unsent += len(data)

    def flush(self) -> None:
        """Send what is written, as far as the window allows."""
        while self.unsent and self.open:
            room = min(WINDOW - (self._sent - self._acknowledged), PIECE)
            if room <= 0:
                if not self._blocked:
                    self._blocked = True
                    self._owner.blocked()
                return
            piece = self._take(room)
            self._sent += len(piece)
            self._send_numbered(Kind.DATA, piece)
        if self._closing and self.open:
            self._send_numbered(Kind.CLOSE)
            self._end("")

    def close(self) -> None:
        """Send what is written, then end the circuit."""
        self._closing = True
        self.flush()

    def abort(self, problem: str) -> None:
        """End the circuit now; the other side learns it if it can."""
        if self.open:
            self._send(Kind.RESET)
            self._end(problem)

    def lose(self, problem: str) -> None:
        """End the circuit: the other side cannot be reached any more."""
        self._end(problem)

    def pause(self) -> None:
        """Deliver no more bytes. The other side sends what is left of the window."""
        if self._held is None:
            self._held = deque()

    def resume(self) -> None:
        """Deliver again."""
        held, self._held = self._held, None
        while held and self.open:
            self._deliver(held.popleft())
            if self._held is not None:  # paused again
                self._held.extendleft(reversed(held))
                return

    def receive(self, frame: Frame) -> None:
        """Process a message of the other side."""
        if not self.open:
            return
        self._heard = self._asked = None
        if frame.kind is Kind.RESET:
            self._end("the other side has ended the connection")
        elif frame.number != self._expected:
            self._send(Kind.RESET)
            self._end("a message was lost")
        elif frame.kind is Kind.DATA:
            self._expected = (self._expected + 1) % _NUMBERS
            if self._held is None:
                self._deliver(frame.payload)
            else:
                self._held.append(frame.payload)
        elif frame.kind is Kind.ACK:
            self._acknowledge(frame.payload)
        elif frame.kind is Kind.PING:
            self._send(Kind.PONG)
        elif frame.kind is Kind.CLOSE:
            self._end("")

    def check(self, now: float, *, expecting: bool) -> None:
        """Send a ping, or end a circuit whose other side is dead.

        :param now: in seconds.
        :param expecting: whether something is expected of the other side.
        """
        if not expecting or self._heard is None:
            self._heard = now
            self._asked = None
        elif self._asked is not None:
            if now - self._asked >= self._interval:
                self._end(f"the other side has not answered for {now - self._heard:.1f} s")
        elif now - self._heard >= self._interval:
            self._asked = now
            self._send(Kind.PING)

    def forgive(self, now: float) -> None:
        """Begin to wait again: this process has not looked for a while, so an answer may be there."""
        if self._asked is not None:
            self._asked = now

    def _take(self, room: int) -> bytes:
        """Bytes for one message."""
        parts: list[bytes | memoryview] = []
        while room and self._pieces:
            piece = self._pieces.popleft()
            if len(piece) > room:
                view = memoryview(piece)  # a large reply is cut many times
                self._pieces.appendleft(view[room:])
                piece = view[:room]
            parts.append(piece)
            room -= len(piece)
        taken = b"".join(parts)
        self.unsent -= len(taken)
        return taken

    def _deliver(self, data: bytes) -> None:
        self._taken += len(data)
        if self._taken - self._reported >= _ACK_AFTER:
            self._reported = self._taken
            self._send(Kind.ACK, self._taken.to_bytes(8, "big"))
        self._owner.received(data)

    def _acknowledge(self, payload: bytes) -> None:
        self._acknowledged = max(self._acknowledged, min(int.from_bytes(payload, "big"), self._sent))
        self.flush()
        if self._blocked and not self.unsent and self.open:
            self._blocked = False
            self._owner.unblocked()

    def _send(self, kind: Kind, payload: bytes = b"") -> None:
        self._owner.send(encode_frame(kind, self._next, payload))

    def _send_numbered(self, kind: Kind, payload: bytes = b"") -> None:
        number, self._next = self._next, (self._next + 1) % _NUMBERS
        self._owner.send(encode_frame(kind, number, payload))

    def _end(self, problem: str) -> None:
        if self.open:
            self.open = False
            self._pieces.clear()
            self._held = None
            self.unsent = 0
            self._owner.ended(problem)

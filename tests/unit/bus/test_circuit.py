"""One side of a circuit against the other."""

from __future__ import annotations

from collections import deque

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.bus.circuit import PIECE, WINDOW, Circuit
from unixsvc.bus.frames import Kind, decode_frame, encode_frame


class Side:
    """The owner of one side: keeps what the circuit reports.

    :ivar sent: messages that have not arrived.
    :ivar log: what was reported besides bytes.
    """

    def __init__(self) -> None:
        self.sent: deque[bytes] = deque()
        self.data = bytearray()
        self.log: list[str] = []
        self.circuit = Circuit(self, 0.5)

    def send(self, message: bytes) -> None:
        """Keep a message."""
        self.sent.append(message)

    def received(self, data: bytes) -> None:
        """Keep bytes."""
        self.data += data

    def blocked(self) -> None:
        """Note it."""
        self.log.append("blocked")

    def unblocked(self) -> None:
        """Note it."""
        self.log.append("unblocked")

    def ended(self, problem: str) -> None:
        """Note it."""
        self.log.append(problem or "closed")

    def kinds(self) -> list[Kind]:
        """The kinds of the messages that have not arrived."""
        return [decode_frame(each).kind for each in self.sent]


def exchange(one: Side, other: Side) -> None:
    """Deliver all messages."""
    while one.sent or other.sent:
        for sender, receiver in ((one, other), (other, one)):
            while sender.sent:
                receiver.circuit.receive(decode_frame(sender.sent.popleft()))


class CircuitTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Two sides."""
        self.one, self.other = Side(), Side()

    def test_bytes(self) -> None:
        """What is written in one turn is one message, and arrives as it was written."""
        self.one.circuit.write(b"ab")
        self.one.circuit.write(b"cd")
        self.one.circuit.flush()
        self.assertEqual(len(self.one.sent), 1)
        exchange(self.one, self.other)
        self.assertEqual(self.other.data, b"abcd")

    def test_pieces(self) -> None:
        """A long one is cut into pieces, of which no more are sent than the other side has taken room for."""
        data = bytes(range(256)) * (2 * WINDOW // 256)
        self.other.circuit.pause()
        self.one.circuit.write(data)
        self.one.circuit.flush()
        self.assertEqual([len(each) - 5 for each in self.one.sent], [PIECE] * (WINDOW // PIECE))
        exchange(self.one, self.other)
        self.assertEqual((self.one.log, self.other.data), (["blocked"], b""))
        self.other.circuit.resume()
        exchange(self.one, self.other)
        self.assertEqual((bytes(self.other.data), self.one.log), (data, ["blocked", "unblocked"]))

    def test_paused_again(self) -> None:
        """A side that is paused by what it gets keeps the rest."""
        for data in (b"a", b"b", b"c"):
            self.one.circuit.write(data)
            self.one.circuit.flush()
        self.other.circuit.pause()
        exchange(self.one, self.other)
        received = self.other.received

        def pause(data: bytes) -> None:
            received(data)
            self.other.circuit.pause()

        self.other.received = pause  # type: ignore[method-assign]
        self.other.circuit.resume()
        self.assertEqual(self.other.data, b"a")
        self.other.received = received  # type: ignore[method-assign]
        self.other.circuit.resume()
        self.assertEqual(self.other.data, b"abc")

    def test_close(self) -> None:
        """A side closes when all is sent; the other one gets all first."""
        self.one.circuit.write(b"last")
        self.one.circuit.close()
        exchange(self.one, self.other)
        self.assertEqual((self.other.data, self.one.log, self.other.log), (b"last", ["closed"], ["closed"]))

    def test_close_waits_for_room(self) -> None:
        """A side that is closed waits for the window first."""
        self.other.circuit.pause()
        self.one.circuit.write(bytes(WINDOW + 1))
        self.one.circuit.close()
        exchange(self.one, self.other)
        self.assertEqual(self.one.log, ["blocked"])
        self.other.circuit.resume()
        exchange(self.one, self.other)
        self.assertEqual((len(self.other.data), self.other.log), (WINDOW + 1, ["closed"]))

    def test_gap(self) -> None:
        """A message that is lost ends both sides; nothing that comes after it is delivered."""
        for data in (b"a", b"b", b"c"):
            self.one.circuit.write(data)
            self.one.circuit.flush()
        del self.one.sent[1]
        exchange(self.one, self.other)
        self.assertEqual((self.other.data, self.other.log), (b"a", ["a message was lost"]))
        self.assertEqual(self.one.log, ["the other side has ended the connection"])

    def test_last_is_lost(self) -> None:
        """A sign of life tells that the message before it was lost."""
        self.one.circuit.write(b"a")
        self.one.circuit.flush()
        self.one.sent.clear()
        for now in (0.0, 0.5):
            self.one.circuit.check(now, expecting=True)
        exchange(self.one, self.other)
        self.assertEqual(self.other.log, ["a message was lost"])

    def test_keepalive(self) -> None:
        """A side that owes an answer gets a ping, and counts as dead without a reply to it."""
        check = self.one.circuit.check
        for tenth in range(6):
            check(tenth / 10, expecting=True)
        self.assertEqual(self.one.kinds(), [Kind.PING])
        exchange(self.one, self.other)
        for tenth in range(6, 16):
            check(tenth / 10, expecting=True)
        self.assertEqual((self.one.kinds(), self.one.log[:1]), ([Kind.PING], []))
        check(1.6, expecting=True)
        self.assertEqual(self.one.log, ["the other side has not answered for 1.0 s"])

    def test_idle(self) -> None:
        """A side of which nothing is expected may be silent; the time begins when something is."""
        check = self.one.circuit.check
        for second in range(100):
            check(second, expecting=False)
        check(99.1, expecting=True)
        check(99.4, expecting=True)
        self.assertEqual(self.one.kinds(), [])
        check(99.5, expecting=True)
        self.assertEqual(self.one.kinds(), [Kind.PING])

    def test_forgiven(self) -> None:
        """A side that could not look itself waits again."""
        for now in (0.0, 0.5):
            self.one.circuit.check(now, expecting=True)
        self.one.circuit.forgive(9.0)
        self.one.circuit.check(9.0, expecting=True)
        self.assertEqual(self.one.log, [])
        self.one.circuit.check(9.5, expecting=True)
        self.assertEqual(self.one.log, ["the other side has not answered for 9.5 s"])

    def test_acknowledges_no_more(self) -> None:
        """An acknowledgement of more than was sent is limited to that."""
        self.one.circuit.write(b"a")
        self.one.circuit.flush()
        self.one.circuit.receive(decode_frame(encode_frame(Kind.ACK, 0, (2**63).to_bytes(8, "big"))))
        self.other.circuit.pause()
        self.one.circuit.write(bytes(2 * WINDOW))
        self.one.circuit.flush()
        self.assertEqual(sum(len(each) - 5 for each in self.one.sent), WINDOW + 1)

    @given(st.lists(st.tuples(st.booleans(), st.integers(0, 3 * PIECE), st.booleans()), max_size=20))
    def test_any_way(self, steps: list[tuple[bool, int, bool]]) -> None:
        """Whatever both sides write, and whenever they pause, each gets all bytes in their order."""
        sides = Side(), Side()
        written = [bytearray(), bytearray()]
        for count, (first, size, paused) in enumerate(steps):
            number = 0 if first else 1
            data = bytes([count]) * size
            written[number] += data
            sides[number].circuit.write(data)
            sides[number].circuit.flush()
            (sides[1 - number].circuit.pause if paused else sides[1 - number].circuit.resume)()
            exchange(*sides)
        for side in sides:
            side.circuit.resume()
        exchange(*sides)
        self.assertEqual([bytes(side.data) for side in sides], [bytes(each) for each in reversed(written)])


class FrameTests(SynchronousTestCase):
    def test_wrong(self) -> None:
        """Bytes that are not a message are refused."""
        for message in (b"", b"\x03\0\0\0", b"\x00\0\0\0\0", b"\xff\0\0\0\0"):
            self.assertRaises(ValueError, decode_frame, message)

    def test_numbers_wrap(self) -> None:
        """Numbers wrap at 2**32."""
        self.assertEqual(decode_frame(encode_frame(Kind.DATA, 2**32 + 7, b"x")).number, 7)

"""The buffer between a connection and the reader of a stream."""

from __future__ import annotations

from msgspec import Raw
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.client.connection import WINDOW
from unixsvc.client.stream_buffer import StreamBuffer


class StreamBufferTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Record the credit that it grants."""
        self.granted: list[int] = []
        self.buffer = StreamBuffer()
        self.buffer.opened(self.granted.append)

    def test_credit(self) -> None:
        """Taking items grants credit, half a window at a time; receiving them does not."""
        for number in range(WINDOW):
            self.buffer.put(Raw(b"%d" % number))
        self.assertEqual((len(self.buffer), self.granted), (WINDOW, []))
        taken = [int(bytes(self.buffer.take())) for _ in range(WINDOW // 2 - 1)]
        self.assertEqual((taken, self.granted), (list(range(WINDOW // 2 - 1)), []))
        self.buffer.take()
        self.assertEqual(self.granted, [WINDOW // 2])

    def test_ended(self) -> None:
        """After the end no credit is granted; the received items can still be taken."""
        for _ in range(WINDOW):
            self.buffer.put(Raw(b"1"))
        self.buffer.end()
        for _ in range(WINDOW):
            self.buffer.take()
        self.assertEqual((self.granted, self.buffer.ended, self.buffer.error), ([], True, None))

    def test_wake(self) -> None:
        """The reader is woken once, by an item or the end."""
        woken: list[str] = []
        self.buffer.wake = lambda: woken.append("item")
        self.buffer.put(Raw(b"1"))
        self.buffer.put(Raw(b"2"))
        self.buffer.wake = lambda: woken.append("end")
        self.buffer.end(ValueError())
        self.assertEqual(woken, ["item", "end"])

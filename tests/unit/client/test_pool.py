"""Which connection carries the next call; and what a stream's reader has not taken yet."""

from __future__ import annotations

from msgspec import Raw
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.client.connection import WINDOW, Call, ClientConnection
from unixsvc.client.location import Credentials
from unixsvc.client.pool import ConnectionPool
from unixsvc.client.stream_buffer import StreamBuffer


class Link:
    """A connection with nothing but its conversation.

    :param calls: how many are unanswered.
    """

    def __init__(self, calls: int = 0) -> None:
        self.conversation = ClientConnection(Credentials(None))
        for _ in range(calls):
            self.conversation.ask(Call("GET", "/"))


class LinksTests(SynchronousTestCase):
    """Choosing."""

    def links(self, *links: Link, most: int = 2) -> ConnectionPool[Link]:
        """These."""
        made: ConnectionPool[Link] = ConnectionPool(most)
        for each in links:
            made.add(each)
        return made

    def test_none(self) -> None:
        """Where there is none, one is to be made."""
        self.assertIsNone(self.links().choose())

    def test_idle(self) -> None:
        """One that is idle is taken before another is made."""
        idle = Link()
        self.assertIs(self.links(Link(1), idle, most=9).choose(), idle)

    def test_busy(self) -> None:
        """Where all are busy another is made, if there may be more; else the least busy one is taken."""
        less = Link(1)
        self.assertIsNone(self.links(Link(2), less, most=3).choose())
        self.assertIs(self.links(Link(2), less, most=2).choose(), less)

    def test_leaving(self) -> None:
        """One that is to go gets nothing more, and does not count."""
        leaving = Link(1)
        leaving.conversation.receive(b'{"goaway":true}\n')
        self.assertIsNone(self.links(leaving, most=1).choose())
        other = Link(3)
        self.assertIs(self.links(leaving, other, most=1).choose(), other)
        self.assertEqual(self.links(leaving).idle(), [])
        leaving.conversation.receive(b'{"id":1,"code":200}\n')
        self.assertEqual(self.links(leaving, Link()).idle(), [leaving])

    def test_discard(self) -> None:
        """One that is gone is not chosen; it may be told twice."""
        one, two = Link(), Link(1)
        links = self.links(one, two)
        links.discard(one)
        links.discard(one)
        self.assertEqual((len(links), links.all(), links.choose()), (1, [two], None))


class InboxTests(SynchronousTestCase):
    """Items on their way to a reader."""

    def setUp(self) -> None:
        """Have one that notes what it grants."""
        self.granted: list[int] = []
        self.stream_buffer = StreamBuffer()
        self.stream_buffer.began(self.granted.append)

    def test_credit(self) -> None:
        """More may come as items are taken, half a window at a time, and not because they have come."""
        for number in range(WINDOW):
            self.stream_buffer.put(Raw(b"%d" % number))
        self.assertEqual((len(self.stream_buffer), self.granted), (WINDOW, []))
        taken = [int(bytes(self.stream_buffer.take())) for _ in range(WINDOW // 2 - 1)]
        self.assertEqual((taken, self.granted), (list(range(WINDOW // 2 - 1)), []))
        self.stream_buffer.take()
        self.assertEqual(self.granted, [WINDOW // 2])

    def test_over(self) -> None:
        """At the end nothing more is asked for; what has come can still be taken."""
        for _ in range(WINDOW):
            self.stream_buffer.put(Raw(b"1"))
        self.stream_buffer.end()
        for _ in range(WINDOW):
            self.stream_buffer.take()
        self.assertEqual((self.granted, self.stream_buffer.over, self.stream_buffer.error), ([], True, None))

    def test_wake(self) -> None:
        """Whoever waits is told once, of an item and of the end."""
        told: list[str] = []
        self.stream_buffer.wake = lambda: told.append("item")
        self.stream_buffer.put(Raw(b"1"))
        self.stream_buffer.put(Raw(b"2"))
        self.stream_buffer.wake = lambda: told.append("end")
        self.stream_buffer.end(ValueError())
        self.assertEqual(told, ["item", "end"])

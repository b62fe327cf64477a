"""How long clients that are to go are waited for, and what happens when that is over."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.support.memory_connection import Conversation, connect, wait
from unixsvc.config.settings import Limits

GOAWAY = {"goaway": True}


class HurryTests(SynchronousTestCase):
    """Where nobody serves in our place, a client that holds its connection without using it is closed."""

    def hurried(self, *messages: object, limits: Limits | None = None) -> Conversation:
        """A client that has sent something, and is to go soon."""
        client = connect(limits or Limits())
        client.send(*messages)
        client.clients.drain(wait_for_idle=False)
        self.look(client, 0.1)
        client.transport.clear()
        return client

    def look(self, client: Conversation, seconds: float) -> str:
        """Let time pass as a server does that is to end soon; how the connection is closed then."""
        client.turn(seconds, step=0.1)
        return client.transport.closed

    def test_told(self) -> None:
        """One that has been told, and is quiet for half a second, is closed without another word."""
        client = self.hurried({"id": 1})
        self.assertEqual(self.look(client, 0.4), "")
        self.assertEqual((self.look(client, 0.2), client.transport.value()), ("lose", b""))

    def test_silent(self) -> None:
        """So is one that has never said anything."""
        client = self.hurried()
        self.assertEqual(self.look(client, 0.4), "")
        self.assertEqual((self.look(client, 0.2), client.transport.value()), ("lose", b""))

    def test_busy(self) -> None:
        """One that waits for a reply is not quiet; when it has it, its half second begins."""
        client = self.hurried(wait(1, id=1))
        self.assertEqual(self.look(client, 10), "")
        client.actions.waiting[1].callback(None)
        self.assertEqual(self.look(client, 0.4), "")
        self.assertEqual(self.look(client, 0.2), "lose")

    def test_asks_on(self) -> None:
        """One that goes on asking is not quiet either."""
        client = self.hurried({"id": 1})
        for n in range(10):
            client.send({"id": n})
            self.assertEqual(self.look(client, 0.4), "")
        self.assertEqual([each["id"] for each in client.received()], list(range(10)))
        self.assertEqual(self.look(client, 0.3), "lose")

    def test_wait_for_idle(self) -> None:
        """Where others serve in our place, both have all the time that any client has."""
        limits = Limits(idle_timeout=20)
        for messages in ([{"id": 1}], []):
            client = connect(limits)
            client.send(*messages)
            client.clients.drain(wait_for_idle=True)
            self.assertEqual(self.look(client, 19), "")
            self.assertNotEqual(self.look(client, 2), "")

    def test_patience_ends(self) -> None:
        """Patience can end: then the half second begins, and nobody is told twice."""
        client = connect()
        client.send({"id": 1})
        client.clients.drain(wait_for_idle=True)
        self.look(client, 10)
        self.assertEqual(client.received()[1:], [GOAWAY])
        client.clients.drain(wait_for_idle=False)
        self.assertEqual(self.look(client, 0.5), "")
        self.assertEqual((self.look(client, 0.2), client.transport.value()), ("lose", b""))

    def test_replies_never_taken(self) -> None:
        """One that never takes its replies does not hold us up longer than any other such client."""
        client = connect(Limits(idle_timeout=3))
        client.transport.slow = True
        client.send({"id": 1})
        client.clients.drain(wait_for_idle=False)
        self.assertEqual(self.look(client, 2), "")
        self.assertEqual(self.look(client, 2), "abort")


class GiveUpTests(SynchronousTestCase):
    """The patience is over."""

    def test_unanswered(self) -> None:
        """Every unanswered request gets 503, its action is stopped, and the connection closes."""
        client = connect()
        client.send(wait(1, id=1), wait(2, id="two"), {"id": 3})
        client.received()
        client.clients.abort()
        found = [(each["id"], each["code"]) for each in client.received()]
        self.assertEqual((found, client.transport.closed), ([(1, 503), ("two", 503)], "lose"))
        self.assertEqual(client.actions.stopped, [503, 503])

    def test_bare_in_order(self) -> None:
        """Bare replies stay in order: one that is there, but had to wait for others, comes after them."""
        client = connect()
        client.send(wait(1), {"data": {"n": 2}}, wait(3), wait(4, id=4))
        client.clients.abort()
        one, two, three, four = client.received()
        self.assertEqual((one["code"], two, three["code"], four["id"]), (503, {"n": 2}, 503, 4))
        self.assertEqual(client.transport.closed, "lose")

    def test_oneway(self) -> None:
        """Who wants no reply gets none now, either."""
        client = connect()
        client.send(wait(1, oneway=True), wait(2, id=2, oneway=True))
        client.clients.abort()
        self.assertEqual((client.transport.value(), client.transport.closed), (b"", "lose"))
        self.assertEqual(client.actions.stopped, [503, 503])

    def test_nothing_more(self) -> None:
        """Nothing more is served, whether it is here already or still comes."""
        client = connect()
        client.send(*[{"id": n} for n in range(100)])
        client.received()
        seen = len(client.actions.seen)
        client.clients.abort()
        client.send({"id": 200})
        client.turn()
        self.assertEqual((client.received(), len(client.actions.seen)), ([], seen))

    def test_does_not_read(self) -> None:
        """A client that does not take its replies is cut off: it would not take the last ones, either."""
        client = connect()
        client.send(wait(1, id=1))
        client.connection.pauseProducing()
        client.clients.abort()
        self.assertEqual(client.transport.closed, "abort")

    def test_does_not_read_the_last(self) -> None:
        """One that took all so far, but not what it was sent now, is cut off after half a second."""
        for wait_for_idle in (True, False):
            client = connect()
            client.send(wait(1, id=1))
            client.clients.drain(wait_for_idle=wait_for_idle)
            client.turn(1, step=0.1)
            client.clients.abort()
            client.turn(0.5, step=0.1)
            self.assertEqual(client.transport.closed, "lose")
            client.turn(0.2, step=0.1)
            self.assertEqual(client.transport.closed, "abort")

    def test_refused(self) -> None:
        """One that was refused, and may still be sending, is not listened to any longer."""
        for first in ([], [wait(1, id=1)]):
            client = connect()
            client.send(*first)
            client.raw(b"nonsense\n")
            client.clients.abort()
            self.assertEqual([each["code"] for each in client.received()], [400, 503][: len(first) + 1])
            self.assertEqual(client.transport.closed, "lose")

    def test_all(self) -> None:
        """It is so for every client, also those that have never been told to go."""
        client = connect()
        transport, _ = client.another()
        client.clients.abort()
        self.assertEqual((client.transport.closed, transport.closed), ("lose", "lose"))

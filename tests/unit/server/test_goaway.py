"""Clients that are to go: they are told, served, and waited for, but not for ever."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.support.memory_connection import Conversation, connect, wait
from unixsvc.config.settings import Limits

GOAWAY = {"goaway": True}


def leave(client: Conversation, *, wait_for_idle: bool = True) -> Deferred[None]:
    """Have all clients go."""
    return client.clients.drain(wait_for_idle=wait_for_idle)


class ToldTests(SynchronousTestCase):
    """A client that has shown an id can hear that it is to go."""

    def test_told_once(self) -> None:
        """It is told at once, and never again; its connection stays, and is read."""
        client = connect()
        client.send({"id": 1})
        client.received()
        gone = leave(client)
        self.assertEqual(client.transport.value(), b'{"goaway":true}\n')
        leave(client)
        client.send({"id": 2})
        self.assertEqual([each for each in client.received() if each == GOAWAY], [GOAWAY])
        self.assertEqual((client.transport.closed, client.transport.reading), ("", True))
        self.assertNoResult(gone)

    def test_unanswered(self) -> None:
        """What it has asked before is answered, and so is what it asks all the same."""
        client = connect()
        client.send(wait(1, id=1))
        leave(client)
        client.send({"id": 2}, wait(3, id=3))
        client.actions.waiting[3].callback("three")
        client.actions.waiting[1].callback("one")
        told, *replies = client.received()
        self.assertEqual(told, GOAWAY)
        self.assertEqual([(each["id"], each["code"]) for each in replies], [(2, 200), (3, 200), (1, 200)])
        self.assertEqual(client.transport.closed, "")

    def test_goes(self) -> None:
        """Its connection is closed when it closes its side, once all is answered."""
        client = connect()
        client.send(wait(1, id=1))
        gone = leave(client)
        client.connection.readConnectionLost()
        self.assertEqual(client.transport.closed, "")
        client.actions.waiting[1].callback(None)
        self.assertEqual(client.transport.closed, "lose")
        self.assertNoResult(gone)
        client.connection.connectionLost()
        self.assertIsNone(self.successResultOf(gone))

    def test_any_message_with_an_id(self) -> None:
        """An id counts in whatever message it came: wrong, without a reply, or to cancel another."""
        for message in ({"id": 1, "path": 5}, {"id": 1, "oneway": True}, {"id": 1, "cancel": True}):
            client = connect()
            client.send(message, {"data": {"bare": 1}})
            client.received()
            leave(client)
            self.assertEqual((client.received(), client.transport.closed), ([GOAWAY], ""), message)

    def test_many_at_once(self) -> None:
        """It is told between its messages, if it has sent more than are served in one turn."""
        client = connect()
        client.send(*[{"id": n} for n in range(300)])
        leave(client)
        for _ in range(5):
            client.turn()
        replies = client.received()
        self.assertEqual([each["id"] for each in replies if each != GOAWAY], list(range(300)))
        self.assertEqual((replies.count(GOAWAY), client.transport.closed), (1, ""))

    def test_sends_no_more(self) -> None:
        """One that has shut down its sending side already is not told: it could do nothing about it."""
        client = connect()
        client.send(wait(1, id=1))
        client.connection.readConnectionLost()
        leave(client)
        client.actions.waiting[1].callback(None)
        self.assertEqual(([each["id"] for each in client.received()], client.transport.closed), ([1], "lose"))


class BareTests(SynchronousTestCase):
    """A client that has shown no id cannot be told, so its connection closes."""

    def test_served(self) -> None:
        """One that has been answered is closed at once, without a word."""
        client = connect()
        client.send({"data": {"a": 1}})
        leave(client)
        self.assertEqual((client.received(), client.transport.closed), ([{"a": 1}], "lose"))

    def test_waiting(self) -> None:
        """One that waits for replies gets them first, and nothing more is read from it."""
        client = connect()
        client.send(wait(1), wait(2))
        leave(client)
        self.assertEqual((client.transport.closed, client.transport.reading), ("", False))
        client.actions.waiting[2].callback("two")
        self.assertEqual(client.transport.closed, "")
        client.actions.waiting[1].callback("one")
        self.assertEqual((client.received(), client.transport.closed), (["one", "two"], "lose"))

    def test_what_has_arrived(self) -> None:
        """What has arrived is served and answered first, also what had to be held back."""
        client = connect()
        client.send(wait(0), *[{"data": {"n": n}} for n in range(200)])
        leave(client)
        for _ in range(5):
            client.turn()
        self.assertEqual((client.received(), client.transport.closed), ([], ""))
        client.actions.waiting[0].callback("first")
        for _ in range(5):
            client.turn()
        expected = ["first", *({"n": n} for n in range(200))]
        self.assertEqual((client.received(), client.transport.closed), (expected, "lose"))

    def test_replies_not_taken(self) -> None:
        """One that does not take its replies is closed when it has taken them."""
        client = connect()
        client.transport.slow = True
        client.send({"data": {"a": 1}}, {"data": {"a": 2}})
        leave(client)
        self.assertEqual(client.transport.closed, "")
        client.transport.slow = False
        client.connection.resumeProducing()
        client.turn()
        self.assertEqual((client.received(), client.transport.closed), ([{"a": 1}, {"a": 2}], "lose"))


class SilentTests(SynchronousTestCase):
    """A client that has said nothing yet may be about to: it is listened to first."""

    def silent(self, limits: Limits | None = None) -> Conversation:
        """One that is to go, and has not been told."""
        client = connect(limits)
        self.assertNoResult(leave(client))
        client.turn(5)
        self.assertEqual((client.transport.value(), client.transport.closed), (b"", ""))
        return client

    def test_with_an_id(self) -> None:
        """If its first message has an id, it is answered, then told, and served on."""
        client = self.silent()
        client.send({"id": 1})
        self.assertEqual(client.received(), [{"id": 1, "code": 200, "data": {}}, GOAWAY])
        client.send({"id": 2})
        self.assertEqual(([each["id"] for each in client.received()], client.transport.closed), ([2], ""))

    def test_bare(self) -> None:
        """If it is bare, it is answered and closed: with or without a line end, at once or later."""
        for message in (b'{"data":{"n":1}}\n', b'{"data":{"n":1}}', b'{"path":"/wait","data":{"n":1}}\n'):
            client = self.silent()
            client.raw(message)
            for each in client.actions.waiting.values():
                self.assertEqual(client.transport.closed, "")
                each.callback({"n": 1})
            self.assertEqual((client.received(), client.transport.closed), ([{"n": 1}], "lose"), message)

    def test_begun(self) -> None:
        """A message that has only begun says nothing yet."""
        client = connect()
        client.raw(b'{"id":')
        leave(client)
        self.assertEqual((client.transport.value(), client.transport.closed), (b"", ""))
        client.raw(b"1}\n")
        self.assertEqual((client.received()[1:], client.transport.closed), ([GOAWAY], ""))

    def test_never_says_anything(self) -> None:
        """It has no more time than any other: 408 when the idle time is over."""
        client = self.silent(Limits(idle_timeout=10))
        client.turn(6)
        self.assertEqual(
            ([each["code"] for each in client.received()], client.transport.closed), ([408], "half")
        )


class LateTests(SynchronousTestCase):
    """Clients that were accepted before, and of whom we are told only when all are to go."""

    def setUp(self) -> None:
        """A client that is served while all are to go."""
        self.client = connect(Limits(max_connections=2))
        self.client.send({"id": 1})
        self.gone = leave(self.client, wait_for_idle=False)
        self.client.received()

    def test_served(self) -> None:
        """They are served like those that have said nothing yet, and are waited for."""
        transport, late = self.client.another()
        late.dataReceived(b'{"id":1}\n')
        self.client.turn()
        self.assertEqual(transport.lines(), [{"id": 1, "code": 200, "data": {}}, GOAWAY])
        self.client.connection.connectionLost()
        self.assertNoResult(self.gone)
        late.connectionLost()
        self.assertIsNone(self.successResultOf(self.gone))

    def test_silent(self) -> None:
        """One that says nothing has as much time as the others, from when it came."""
        self.client.turn(0.4, step=0.1)
        transport, _ = self.client.another()
        self.client.turn(0.4, step=0.1)
        self.assertEqual((self.client.transport.closed, transport.closed), ("lose", ""))
        self.client.turn(0.3, step=0.1)
        self.assertEqual(transport.closed, "lose")

    def test_gone_at_once(self) -> None:
        """One that is gone before its turn comes is no reason to fail."""
        transport, late = self.client.another()
        late.connectionLost()
        self.client.turn()
        self.assertEqual((transport.value(), transport.closed), (b"", ""))

    def test_too_many(self) -> None:
        """One that is refused anyway is told that, and nothing else."""
        self.client.another()
        transport, _ = self.client.another()
        self.client.turn()
        self.assertEqual(([each["code"] for each in transport.lines()], transport.closed), ([503], "half"))

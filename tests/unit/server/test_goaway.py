"""A drain: clients are sent goaway, served, and waited for."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.support.memory_connection import ServerConnection, connect, wait
from unixsvc.config.settings import Limits

GOAWAY = {"goaway": True}


def drain(client: ServerConnection, *, wait_for_idle: bool = True) -> Deferred[None]:
    """Drain the server."""
    return client.registry.drain(wait_for_idle=wait_for_idle)


class GoawayTests(SynchronousTestCase):
    """A client that uses ids understands goaway."""

    def test_once(self) -> None:
        """Goaway is sent once; the connection stays open and is read."""
        client = connect()
        client.send({"id": 1})
        client.received()
        gone = drain(client)
        self.assertEqual(client.transport.value(), b'{"goaway":true}\n')
        drain(client)
        client.send({"id": 2})
        self.assertEqual([each for each in client.received() if each == GOAWAY], [GOAWAY])
        self.assertEqual((client.transport.closed, client.transport.reading), ("", True))
        self.assertNoResult(gone)

    def test_pending_requests(self) -> None:
        """Requests before and after goaway are answered."""
        client = connect()
        client.send(wait(1, id=1))
        drain(client)
        client.send({"id": 2}, wait(3, id=3))
        client.actions.waiting[3].callback("three")
        client.actions.waiting[1].callback("one")
        goaway, *replies = client.received()
        self.assertEqual(goaway, GOAWAY)
        self.assertEqual([(each["id"], each["code"]) for each in replies], [(2, 200), (3, 200), (1, 200)])
        self.assertEqual(client.transport.closed, "")

    def test_ignores_the_rest(self) -> None:
        """The connection closes when the client has shut down its side and all is answered."""
        client = connect()
        client.send(wait(1, id=1))
        gone = drain(client)
        client.connection.readConnectionLost()
        self.assertEqual(client.transport.closed, "")
        client.actions.waiting[1].callback(None)
        self.assertEqual(client.transport.closed, "lose")
        self.assertNoResult(gone)
        client.connection.connectionLost()
        self.assertIsNone(self.successResultOf(gone))

    def test_any_message_with_an_id(self) -> None:
        """An id counts in any message: malformed, oneway, or a cancel."""
        for message in ({"id": 1, "path": 5}, {"id": 1, "oneway": True}, {"id": 1, "cancel": True}):
            client = connect()
            client.send(message, {"data": {"bare": 1}})
            client.received()
            drain(client)
            self.assertEqual((client.received(), client.transport.closed), ([GOAWAY], ""), message)

    def test_many_at_once(self) -> None:
        """Goaway comes between turns if the client has sent more than one turn's messages."""
        client = connect()
        client.send(*[{"id": n} for n in range(300)])
        drain(client)
        for _ in range(5):
            client.turn()
        replies = client.received()
        self.assertEqual([each["id"] for each in replies if each != GOAWAY], list(range(300)))
        self.assertEqual((replies.count(GOAWAY), client.transport.closed), (1, ""))

    def test_sends_no_more(self) -> None:
        """A client that has shut down its sending side gets no goaway."""
        client = connect()
        client.send(wait(1, id=1))
        client.connection.readConnectionLost()
        drain(client)
        client.actions.waiting[1].callback(None)
        self.assertEqual(([each["id"] for each in client.received()], client.transport.closed), ([1], "lose"))


class BareTests(SynchronousTestCase):
    """A client without ids does not understand goaway, so its connection is closed."""

    def test_served(self) -> None:
        """A client that has its replies is closed at once."""
        client = connect()
        client.send({"data": {"a": 1}})
        drain(client)
        self.assertEqual((client.received(), client.transport.closed), ([{"a": 1}], "lose"))

    def test_waiting(self) -> None:
        """A client that waits for replies gets them first; nothing more is read."""
        client = connect()
        client.send(wait(1), wait(2))
        drain(client)
        self.assertEqual((client.transport.closed, client.transport.reading), ("", False))
        client.actions.waiting[2].callback("two")
        self.assertEqual(client.transport.closed, "")
        client.actions.waiting[1].callback("one")
        self.assertEqual((client.received(), client.transport.closed), (["one", "two"], "lose"))

    def test_what_has_arrived(self) -> None:
        """What has arrived is answered first, also what was held back."""
        client = connect()
        client.send(wait(0), *[{"data": {"n": n}} for n in range(200)])
        drain(client)
        for _ in range(5):
            client.turn()
        self.assertEqual((client.received(), client.transport.closed), ([], ""))
        client.actions.waiting[0].callback("first")
        for _ in range(5):
            client.turn()
        expected = ["first", *({"n": n} for n in range(200))]
        self.assertEqual((client.received(), client.transport.closed), (expected, "lose"))

    def test_replies_not_taken(self) -> None:
        """A client that does not take its replies is closed when it has taken them."""
        client = connect()
        client.transport.slow = True
        client.send({"data": {"a": 1}}, {"data": {"a": 2}})
        drain(client)
        self.assertEqual(client.transport.closed, "")
        client.transport.slow = False
        client.connection.resumeProducing()
        client.turn()
        self.assertEqual((client.received(), client.transport.closed), ([{"a": 1}, {"a": 2}], "lose"))


class SilentTests(SynchronousTestCase):
    """A client that has sent nothing yet may be about to: its first message is served."""

    def silent(self, limits: Limits | None = None) -> ServerConnection:
        """A client of a draining server that has sent nothing."""
        client = connect(limits)
        self.assertNoResult(drain(client))
        client.turn(5)
        self.assertEqual((client.transport.value(), client.transport.closed), (b"", ""))
        return client

    def test_with_an_id(self) -> None:
        """If its first message has an id, the reply is followed by goaway, and it is served on."""
        client = self.silent()
        client.send({"id": 1})
        self.assertEqual(client.received(), [{"id": 1, "code": 200, "data": {}}, GOAWAY])
        client.send({"id": 2})
        self.assertEqual(([each["id"] for each in client.received()], client.transport.closed), ([2], ""))

    def test_bare(self) -> None:
        """If its first message has no id, it is answered and closed."""
        for message in (b'{"data":{"n":1}}\n', b'{"data":{"n":1}}', b'{"path":"/wait","data":{"n":1}}\n'):
            client = self.silent()
            client.raw(message)
            for each in client.actions.waiting.values():
                self.assertEqual(client.transport.closed, "")
                each.callback({"n": 1})
            self.assertEqual((client.received(), client.transport.closed), ([{"n": 1}], "lose"), message)

    def test_partial_message(self) -> None:
        """An incomplete message is no first message."""
        client = connect()
        client.raw(b'{"id":')
        drain(client)
        self.assertEqual((client.transport.value(), client.transport.closed), (b"", ""))
        client.raw(b"1}\n")
        self.assertEqual((client.received()[1:], client.transport.closed), ([GOAWAY], ""))

    def test_never_says_anything(self) -> None:
        """It gets 408 after the idle time-out, as always."""
        client = self.silent(Limits(idle_timeout=10))
        client.turn(6)
        self.assertEqual(
            ([each["code"] for each in client.received()], client.transport.closed), ([408], "lose")
        )


class LateTests(SynchronousTestCase):
    """Clients that were accepted before the drain, and are reported during it."""

    def setUp(self) -> None:
        """A client of a draining server."""
        self.client = connect(Limits(max_connections=2))
        self.client.send({"id": 1})
        self.gone = drain(self.client, wait_for_idle=False)
        self.client.received()

    def test_served(self) -> None:
        """They are served like clients that have sent nothing yet, and are waited for."""
        transport, late = self.client.connect_another()
        late.dataReceived(b'{"id":1}\n')
        self.client.turn()
        self.assertEqual(transport.lines(), [{"id": 1, "code": 200, "data": {}}, GOAWAY])
        self.client.connection.connectionLost()
        self.assertNoResult(self.gone)
        late.connectionLost()
        self.assertIsNone(self.successResultOf(self.gone))

    def test_silent(self) -> None:
        """A silent one has half a second from when it came."""
        self.client.turn(0.4, step=0.1)
        transport, _ = self.client.connect_another()
        self.client.turn(0.4, step=0.1)
        self.assertEqual((self.client.transport.closed, transport.closed), ("lose", ""))
        self.client.turn(0.3, step=0.1)
        self.assertEqual(transport.closed, "lose")

    def test_disconnect_before_first_turn(self) -> None:
        """One that disconnects at once is no failure."""
        transport, late = self.client.connect_another()
        late.connectionLost()
        self.client.turn()
        self.assertEqual((transport.value(), transport.closed), (b"", ""))

    def test_too_many(self) -> None:
        """One over the limit gets its refusal and no goaway."""
        self.client.connect_another()
        transport, _ = self.client.connect_another()
        self.client.turn()
        self.assertEqual(([each["code"] for each in transport.lines()], transport.closed), ([503], "half"))

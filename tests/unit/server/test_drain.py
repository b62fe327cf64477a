"""How long a draining server waits for its clients, and what happens after that."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.support.memory_connection import ServerConnection, connect, wait
from unixsvc.config.settings import Limits

GOAWAY = {"goaway": True}


class IdleClientTests(SynchronousTestCase):
    """Without other workers, idle clients are closed after half a second."""

    def draining_client(self, *messages: object, limits: Limits | None = None) -> ServerConnection:
        """A client of a server that drains and does not wait for idle clients."""
        client = connect(limits or Limits())
        client.send(*messages)
        client.registry.drain(wait_for_idle=False)
        self.pass_time(client, 0.1)
        client.transport.clear()
        return client

    def pass_time(self, client: ServerConnection, seconds: float) -> str:
        """Let time pass with frequent checks; how the connection is closed then."""
        client.turn(seconds, step=0.1)
        return client.transport.closed

    def test_goaway_sent(self) -> None:
        """A client that was sent goaway, and is idle for half a second, is closed."""
        client = self.draining_client({"id": 1})
        self.assertEqual(self.pass_time(client, 0.4), "")
        self.assertEqual((self.pass_time(client, 0.2), client.transport.value()), ("lose", b""))

    def test_silent(self) -> None:
        """A client that has never sent anything is closed after half a second too."""
        client = self.draining_client()
        self.assertEqual(self.pass_time(client, 0.4), "")
        self.assertEqual((self.pass_time(client, 0.2), client.transport.value()), ("lose", b""))

    def test_busy(self) -> None:
        """A client that waits for a reply is not idle; its half second begins after the reply."""
        client = self.draining_client(wait(1, id=1))
        self.assertEqual(self.pass_time(client, 10), "")
        client.actions.waiting[1].callback(None)
        self.assertEqual(self.pass_time(client, 0.4), "")
        self.assertEqual(self.pass_time(client, 0.2), "lose")

    def test_more_requests(self) -> None:
        """A client that sends more requests is not idle."""
        client = self.draining_client({"id": 1})
        for n in range(10):
            client.send({"id": n})
            self.assertEqual(self.pass_time(client, 0.4), "")
        self.assertEqual([each["id"] for each in client.received()], list(range(10)))
        self.assertEqual(self.pass_time(client, 0.3), "lose")

    def test_wait_for_idle(self) -> None:
        """With other workers, idle clients have the usual idle time-out."""
        limits = Limits(idle_timeout=20)
        for messages in ([{"id": 1}], []):
            client = connect(limits)
            client.send(*messages)
            client.registry.drain(wait_for_idle=True)
            self.assertEqual(self.pass_time(client, 19), "")
            self.assertNotEqual(self.pass_time(client, 2), "")

    def test_stop_waiting(self) -> None:
        """Waiting for idle clients can end later; the half second begins then, without a second goaway."""
        client = connect()
        client.send({"id": 1})
        client.registry.drain(wait_for_idle=True)
        self.pass_time(client, 10)
        self.assertEqual(client.received()[1:], [GOAWAY])
        client.registry.drain(wait_for_idle=False)
        self.assertEqual(self.pass_time(client, 0.5), "")
        self.assertEqual((self.pass_time(client, 0.2), client.transport.value()), ("lose", b""))

    def test_replies_never_taken(self) -> None:
        """A client that never takes its replies is aborted after the idle time-out, as always."""
        client = connect(Limits(idle_timeout=3))
        client.transport.slow = True
        client.send({"id": 1})
        client.registry.drain(wait_for_idle=False)
        self.assertEqual(self.pass_time(client, 2), "")
        self.assertEqual(self.pass_time(client, 2), "abort")


class AbortTests(SynchronousTestCase):
    """The drain timeout is over: the server aborts."""

    def test_pending_requests(self) -> None:
        """Every pending request gets 503, its action is cancelled, and the connection closes."""
        client = connect()
        client.send(wait(1, id=1), wait(2, id="two"), {"id": 3})
        client.received()
        client.registry.abort()
        found = [(each["id"], each["code"]) for each in client.received()]
        self.assertEqual((found, client.transport.closed), ([(1, 503), ("two", 503)], "lose"))
        self.assertEqual(client.actions.stopped, [503, 503])

    def test_bare_in_order(self) -> None:
        """Bare replies keep their order, with those that are done but had to wait."""
        client = connect()
        client.send(wait(1), {"data": {"n": 2}}, wait(3), wait(4, id=4))
        client.registry.abort()
        one, two, three, four = client.received()
        self.assertEqual((one["code"], two, three["code"], four["id"]), (503, {"n": 2}, 503, 4))
        self.assertEqual(client.transport.closed, "lose")

    def test_oneway(self) -> None:
        """A oneway request gets no reply."""
        client = connect()
        client.send(wait(1, oneway=True), wait(2, id=2, oneway=True))
        client.registry.abort()
        self.assertEqual((client.transport.value(), client.transport.closed), (b"", "lose"))
        self.assertEqual(client.actions.stopped, [503, 503])

    def test_nothing_more(self) -> None:
        """Nothing more is served, received before or after."""
        client = connect()
        client.send(*[{"id": n} for n in range(100)])
        client.received()
        requests = len(client.actions.requests)
        client.registry.abort()
        client.send({"id": 200})
        client.turn()
        self.assertEqual((client.received(), len(client.actions.requests)), ([], requests))

    def test_does_not_read(self) -> None:
        """A client that does not take its replies is aborted."""
        client = connect()
        client.send(wait(1, id=1))
        client.connection.pauseProducing()
        client.registry.abort()
        self.assertEqual(client.transport.closed, "abort")

    def test_does_not_read_the_last(self) -> None:
        """A client that does not take its last replies is aborted after half a second."""
        for wait_for_idle in (True, False):
            client = connect()
            client.send(wait(1, id=1))
            client.registry.drain(wait_for_idle=wait_for_idle)
            client.turn(1, step=0.1)
            client.registry.abort()
            client.turn(0.5, step=0.1)
            self.assertEqual(client.transport.closed, "lose")
            client.turn(0.2, step=0.1)
            self.assertEqual(client.transport.closed, "abort")

    def test_refused(self) -> None:
        """A refused client is closed without lingering."""
        for first in ([], [wait(1, id=1)]):
            client = connect()
            client.send(*first)
            client.raw(b"nonsense\n")
            client.registry.abort()
            self.assertEqual([each["code"] for each in client.received()], [400, 503][: len(first) + 1])
            self.assertEqual(client.transport.closed, "lose")

    def test_all_connections(self) -> None:
        """Every connection is closed, also without a drain before."""
        client = connect()
        transport, _ = client.connect_another()
        client.registry.abort()
        self.assertEqual((client.transport.closed, transport.closed), ("lose", "lose"))

"""Clients that say nothing, too many connections of one user, and the budget of a worker."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.support.memory_connection import Actions, ServerConnection, connect
from unixsvc.config.settings import Limits, Security
from unixsvc.domain.coroutine import SuspendedCoroutine
from unixsvc.domain.message import Caller, Grant, Peer, Reply, Request
from unixsvc.server.protocol import ServerProtocol
from unixsvc.server.registry import ConnectionRegistry
from unixsvc.testing import MemoryTransport

_MIB = 1 << 20


class TrustingActions(Actions):
    """Actions that take every token for valid.

    :ivar checks_tokens: false where the policy demands no token.
    """

    checks_tokens = True

    def __call__(self, request: Request) -> Reply | SuspendedCoroutine[Reply]:
        """Note whether there is a token."""
        if request.auth_token is not None and self.checks_tokens:
            request.caller.grant = Grant("test")
            request.caller.trusted = True
        return super().__call__(request)


def server(token: Any, **limits: Any) -> ServerConnection:
    """A server with a token policy, and its first client."""
    settings = Limits(authentication_timeout=5, idle_timeout=60, message_timeout=30)
    actions = TrustingActions()
    actions.checks_tokens = token != "off"
    return ServerConnection(replace(settings, **limits), Security(token=token), actions=actions)


class AuthenticationTimeoutTests(SynchronousTestCase):
    """How long a client may do without a valid token."""

    def test_silent(self) -> None:
        """A client that says nothing gets 408 after the authentication time-out where a token is demanded."""
        for token in ("required", "private"):
            client = server(token)
            client.turn(5)
            self.assertEqual(client.transport.closed, "")
            client.turn(1)
            self.assertEqual([each["code"] for each in client.received()], [408])
            self.assertEqual(client.transport.closed, "lose")

    def test_partial(self) -> None:
        """Bytes that are no whole message do not help."""
        client = server("required")
        for _ in range(6):
            client.raw(b" {")
            client.turn(1)
        self.assertEqual([each["code"] for each in client.received()], [408])

    def test_valid_token(self) -> None:
        """With a valid token, a client has the idle time-out."""
        client = server("required")
        client.turn(4)
        client.send({"id": 1, "auth_token": "valid"})
        client.turn(60)
        self.assertEqual(client.transport.closed, "")
        client.turn(1)
        self.assertEqual(client.transport.closed, "lose")

    def test_limited_token(self) -> None:
        """So has a client whose valid token does not allow what it has asked for."""
        client = server("required")
        client.connection.receiver.caller.grant = Grant("test")
        client.turn(59)
        self.assertEqual(client.transport.closed, "")

    def test_whole_message(self) -> None:
        """A whole message without a token gives the same time again; the idle time-out if it is allowed."""
        for token, seconds in (("required", 5), ("private", 60)):
            client = server(token)
            client.turn(4)
            client.send({"id": 1})
            client.turn(seconds)
            self.assertEqual(client.transport.closed, "", token)
            client.turn(1)
            self.assertEqual(client.transport.closed, "lose", token)

    def test_off(self) -> None:
        """Without a token policy, a silent client has the idle time-out."""
        client = server("off")
        client.turn(59)
        self.assertEqual(client.transport.closed, "")

    def test_shorter_idle_timeout(self) -> None:
        """A shorter idle time-out holds for all clients."""
        client = server("required", idle_timeout=2)
        client.turn(3)
        self.assertEqual(client.transport.closed, "lose")


class UserConnection(ServerProtocol):
    """A connection of a user.

    :ivar uid: of the user.
    """

    __slots__ = ("uid",)

    uid: int

    @property
    def peer(self) -> Peer:
        """The credentials."""
        return Peer(self.uid, self.uid, 1)


class UserTests(SynchronousTestCase):
    """Connections by the user that the kernel reports."""

    def setUp(self) -> None:
        """A server with 20 connections, 10 for each user, and 2 for root and user 500."""
        self.registry = ConnectionRegistry(
            Actions(), Limits(max_connections=20), Security(token="off"), connect().clock, owner=500
        )

    def connect(self, uid: int) -> tuple[UserConnection, MemoryTransport]:
        """Connect as a user."""
        connection, transport = UserConnection(self.registry), MemoryTransport()
        connection.uid = uid
        connection.transport = connection.receiver.transport = connection._writer.transport = transport
        refusal = self.registry.opened(connection, Caller(connection.peer))
        if refusal is not None:
            connection.refuse(refusal)
        return connection, transport

    def codes(self, uid: int, times: int) -> list[Any]:
        """The codes with which that many connections of a user are refused."""
        return [line["code"] for _ in range(times) for line in self.connect(uid)[1].lines()]

    def test_quota(self) -> None:
        """A user with half of the connections gets 503; another user, and root, connect."""
        self.assertEqual(self.codes(1, 12), [503, 503])
        self.assertEqual(
            (self.codes(2, 8), self.codes(2, 1), self.codes(0, 1), self.codes(500, 1)), ([], [503], [], [])
        )

    def test_logged(self) -> None:
        """A refused connection is logged with its user."""
        with capturedLogs() as events:
            self.codes(1, 11)
        self.assertEqual(
            [formatEvent(event) for event in events],
            ["a connection from user 1 (process 1) was refused: 10 are open"],
        )

    def test_refused_ones(self) -> None:
        """Connections that are being refused take no place from others; they are counted until they close."""
        self.codes(1, 100)
        self.assertEqual(self.codes(2, 8), [])
        self.assertEqual(len(self.registry), 108)

    def test_closed(self) -> None:
        """A place becomes free when a connection closes, not when a refused one does."""
        served, _ = self.connect(1)
        self.codes(1, 9)
        self.codes(2, 2)
        refused, _ = self.connect(1)
        refused.connectionLost()
        self.assertEqual(self.codes(1, 1), [503])
        served.connectionLost()
        self.assertEqual(self.codes(1, 1), [])


class UnsentTests(SynchronousTestCase):
    """Clients that do not take their replies; the budget has 3 MiB for them."""

    def setUp(self) -> None:
        """A server without a token policy, with a client."""
        self.server = server("required", max_buffered_bytes=4 * _MIB, max_message_bytes=_MIB)
        self.budget = self.server.registry.budget

    def slow_client(self, size: int) -> tuple[MemoryTransport, ServerProtocol]:
        """A client that does not take so many bytes of a reply."""
        transport, connection = self.server.connect_another()
        transport.unsent, transport.slow = size, True
        connection.dataReceived(b'{"id":1}\n')
        return transport, connection

    def test_counted(self) -> None:
        """What the transport cannot send is counted until it is sent."""
        transport, connection = self.slow_client(2 * _MIB)
        self.assertFalse(self.budget.has_room(_MIB + 1))
        transport.unsent = 0
        connection.resumeProducing()
        self.assertTrue(self.budget.has_room(3 * _MIB))

    def test_not_paused(self) -> None:
        """So are fewer bytes than those for which the transport pauses, from the next check on."""
        self.server.transport.unsent = 2 * _MIB
        self.server.send({"id": 1})
        self.server.turn(1)
        self.assertFalse(self.budget.has_room(_MIB + 1))

    def test_authenticated(self) -> None:
        """Clients that have shown a valid token are not counted, also if they show it late."""
        transport, connection = self.slow_client(2 * _MIB)
        connection.resumeProducing()
        connection.dataReceived(b'{"id":2,"auth_token":"valid"}\n')
        self.assertTrue(self.budget.has_room(3 * _MIB))
        self.assertFalse(transport.closed)

    def test_lost(self) -> None:
        """The memory of a connection that is lost is free in the next turn of the event loop."""
        _, connection = self.slow_client(2 * _MIB)
        connection.connectionLost()
        self.assertFalse(self.budget.has_room(_MIB + 1))
        self.server.turn()
        self.assertTrue(self.budget.has_room(3 * _MIB))

    def test_aborted(self) -> None:
        """A client that exceeds the budget is disconnected."""
        clients = [self.slow_client(_MIB)[0] for _ in range(4)]
        self.assertEqual([each.closed for each in clients], [""] * 3 + ["abort"])

    def test_further_replies(self) -> None:
        """Further replies to a client that takes none are counted when they are written."""
        transport, connection = self.server.connect_another()
        connection.dataReceived(b'{"id":7,"path":"/wait","data":{"n":7}}\n{"id":1}\n')
        transport.unsent = _MIB
        connection.pauseProducing()
        transport.unsent = 2 * _MIB
        self.server.actions.waiting[7].callback(None)
        self.assertFalse(self.budget.has_room(_MIB + 1))

    def test_late_large_reply(self) -> None:
        """A large reply for which there is no room when it is there is not written."""
        transport, connection = self.server.connect_another()
        connection.dataReceived(b'{"id":7,"path":"/wait","data":{"n":7}}\n')
        self.slow_client(3 * _MIB)
        self.server.actions.waiting[7].callback("a" * 100_000)
        self.assertEqual((transport.closed, transport.value()), ("abort", b""))

    def test_reply_that_waits_for_another(self) -> None:
        """Replies without an id that wait for an earlier one are counted too."""
        client = self.server
        client.send({"path": "/wait", "data": {"n": 1}}, {"path": "/wait", "data": {"n": 2}})
        client.actions.waiting[2].callback("a" * 2 * _MIB)
        self.assertFalse(self.budget.has_room(_MIB))
        client.actions.waiting[1].callback(None)
        self.assertTrue(self.budget.has_room(3 * _MIB))

    def test_stalled(self) -> None:
        """While others wait, a client that takes nothing is disconnected, also if a stream waits for it."""
        (transport, _), *_ = [self.slow_client(2 * _MIB), self.slow_client(_MIB // 2)]
        for _ in range(2):
            self.server.connect_another()[1].dataReceived(b"{")
        self.server.turn(2)
        self.assertEqual(transport.closed, "abort")


class BudgetTests(SynchronousTestCase):
    """The bytes of clients without a token; with a budget of 4 MiB, they are paused above 2.25 MiB."""

    def clients(self, count: int, policy: str = "required") -> list[tuple[MemoryTransport, ServerProtocol]]:
        """Clients of a server."""
        self.server = server(policy, max_buffered_bytes=_MIB, max_message_bytes=_MIB)
        first = self.server.transport, self.server.connection
        return [first, *(self.server.connect_another() for _ in range(count - 1))]

    def fill(self, *clients: tuple[MemoryTransport, ServerProtocol], size: int = 600_000) -> None:
        """Send a part of a message from each."""
        for _, connection in clients:
            connection.dataReceived(b'{"x":"' + b"a" * size)

    def finish(self, client: tuple[MemoryTransport, ServerProtocol]) -> int:
        """Send the rest of the message; the code of its reply."""
        transport, connection = client
        connection.dataReceived(b'"}\n')
        (reply,) = transport.lines()
        return 200 if reply == {} else reply["code"]

    def test_paused(self) -> None:
        """A client that exceeds the budget is not read from until another is done; then it is served."""
        *early, late = clients = self.clients(4)
        self.fill(*clients)
        self.assertEqual([each.reading for each, _ in clients], [True, True, True, False])
        self.assertEqual(self.finish(early[0]), 200)
        self.assertTrue(late[0].reading)
        self.assertEqual(self.finish(late), 200)

    def test_disconnected(self) -> None:
        """A client that disconnects makes room as well."""
        first, *_, late = clients = self.clients(4)
        self.fill(*clients)
        first[1].connectionLost()
        self.assertTrue(late[0].reading)

    def test_whole_messages(self) -> None:
        """Whole messages are served whatever is buffered, also the first one of a client."""
        *clients, other = self.clients(5)
        self.fill(*clients)
        other[1].dataReceived(b'{"data":{"x":1}}\n')
        self.assertEqual(other[0].lines(), [{"x": 1}])

    def test_stalled(self) -> None:
        """The oldest client that sends nothing while others wait gets 408."""
        first, second, *_, late = clients = self.clients(4)
        self.fill(*clients)
        self.server.turn(2)
        self.assertEqual([each["code"] for each in first[0].lines()], [408])
        self.assertEqual((second[0].closed, late[0].reading), ("", True))

    def test_not_reading(self) -> None:
        """A client that does not read its replies is aborted instead."""
        first, *_ = clients = self.clients(4)
        first[1].dataReceived(b'{"data":{}}\n')
        self.fill(*clients)
        first[1].pauseProducing()
        self.server.turn(2)
        self.assertEqual(first[0].closed, "abort")

    def test_exhausted(self) -> None:
        """With the budget used up, a further client gets 503 at once, and what it has sent is dropped."""
        *early, late = clients = self.clients(6)
        self.fill(*clients)
        self.assertEqual([each["code"] for each in late[0].lines()], [503])
        self.assertEqual([each.lines() for each, _ in early], [[]] * 5)
        self.assertEqual(late[1].receiver.framer.size, 0)

    def test_authenticated(self) -> None:
        """Clients that have shown a valid token are not counted."""
        clients = self.clients(10)
        for _, connection in clients:
            connection.dataReceived(b'{"auth_token":"valid"}\n')
        self.fill(*clients)
        self.assertTrue(all(each.reading for each, _ in clients))

    def test_authenticated_later(self) -> None:
        """A client is no longer counted when it shows its token."""
        first, *_, late = clients = self.clients(4)
        self.fill(*clients[:3])
        first[1].dataReceived(b'","auth_token":"valid"}\n{"x":"' + b"a" * 900_000)
        self.fill(late)
        self.assertTrue(late[0].reading)

    def test_off(self) -> None:
        """Without a token policy no client has shown a token: all are counted."""
        clients = self.clients(4, "off")
        for _, connection in clients:
            connection.dataReceived(b'{"auth_token":"valid"}\n')
        self.fill(*clients)
        self.assertEqual([each.reading for each, _ in clients], [True, True, True, False])

    def test_pending_requests(self) -> None:
        """Large messages of pending requests are counted until they are answered."""
        *early, late = clients = self.clients(4)
        for n, (_, connection) in enumerate(early):
            connection.dataReceived(
                b'{"id":%d,"path":"/wait","data":{"n":%d,"x":"%b"}}\n' % (n, n, b"a" * 700_000)
            )
        self.fill(late)
        self.assertFalse(late[0].reading)
        self.server.turn(3)
        self.assertEqual([each.closed for each, _ in clients], [""] * 4)
        self.server.actions.waiting[1].callback(None)
        self.assertTrue(late[0].reading)

    def test_too_many_pending(self) -> None:
        """A pending request that exceeds the budget gets 503, and its action is cancelled."""
        clients = self.clients(6)
        for n, (_, connection) in enumerate(clients):
            connection.dataReceived(
                b'{"id":%d,"path":"/wait","data":{"n":%d,"x":"%b"}}\n' % (n, n, b"a" * 700_000)
            )
        self.assertEqual(
            [[each["code"] for each in transport.lines()] for transport, _ in clients], [[]] * 4 + [[503]] * 2
        )
        self.assertEqual(self.server.actions.stopped, [503, 503])

    def test_small_pending(self) -> None:
        """Small pending requests are not counted: their number is limited."""
        client = self.clients(1)[0]
        client[1].dataReceived(b'{"id":1,"path":"/wait","data":{"n":1}}\n')
        self.assertEqual(client[1].receiver.counted, 0)

    def test_half_closed(self) -> None:
        """A message that the end of input ends is served, and no longer counted."""
        client = self.clients(1)[0]
        self.fill(client)
        client[1].dataReceived(b'"}')
        client[1].readConnectionLost()
        self.assertEqual((client[0].lines(), client[1].receiver.counted), ([{}], 0))

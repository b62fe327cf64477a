"""The Twisted client, with a fake reactor: it connects to real sockets, and its transports are in memory."""

from __future__ import annotations

import gc
import os
import shutil
import socket
import tempfile
from typing import Any

from msgspec import Struct
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.client.connection import WINDOW
from unixsvc.client.twisted.client import Client
from unixsvc.errors import BadGateway, DeadlineExceeded, NotFound, ServiceError, Unavailable
from unixsvc.testing import MemoryTransport


class Reactor(Clock):
    """A clock that adopts connections.

    :ivar adopted: the protocol and the transport of each connection.
    """

    def __init__(self) -> None:
        super().__init__()
        self.adopted: list[tuple[Any, MemoryTransport]] = []

    def adoptStreamConnection(self, descriptor: int, family: int, factory: Any) -> None:
        """Join the protocol to a transport in memory."""
        protocol, transport = factory.buildProtocol(None), MemoryTransport()
        self.adopted.append((protocol, transport))
        protocol.makeConnection(transport)

    def addReader(self, reader: object) -> None:
        """Ignore it: changes in the directory are not noticed."""

    removeReader = removeWriter = addReader


class Item(Struct):
    """The type of a result."""

    id: int


class ClientTestCase(SynchronousTestCase):
    """Has a client, and a listening socket."""

    def setUp(self) -> None:
        """Make them."""
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        self.reactor = Reactor()
        self.client = Client(
            "shop", socket_dir=self.folder, token="t", timeout=5.0, connections=2, reactor=self.reactor
        )
        self.listen()

    def listen(self) -> None:
        """Listen."""
        self.listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.addCleanup(self.listening.close)
        self.listening.bind(os.path.join(self.folder, "service_shop.sock"))
        self.listening.listen(50)

    def stop_listening(self) -> None:
        """Stop listening."""
        os.unlink(self.listening.getsockname())
        self.listening.close()

    def sent(self, at: int = -1) -> list[Any]:
        """The messages that were sent on a connection since the last call."""
        return self.reactor.adopted[at][1].lines()

    def receive(self, data: bytes, at: int = -1) -> None:
        """Receive bytes on a connection."""
        self.reactor.adopted[at][0].dataReceived(data)

    def lose(self, at: int = -1) -> None:
        """Lose a connection."""
        self.reactor.adopted[at][0].connectionLost()

    def assertFails(self, deferred: Deferred[Any], kind: type[ServiceError]) -> Any:
        """It has failed with this error."""
        return self.failureResultOf(deferred, kind).value


class CallTests(ClientTestCase):
    """One call."""

    def test_result(self) -> None:
        """The request has all arguments and the timeout; the result is decoded as the given type."""
        call = self.client.call("put", "/item/7", {"a": 1}, type=Item, meta={"m": "n"}, idempotency_key="k")
        (sent,) = self.sent()
        expected = {"id": 1, "method": "PUT", "path": "/item/7", "data": {"a": 1}, "auth_token": "t"}
        self.assertEqual(sent, expected | {"timeout": 5.0, "meta": {"m": "n", "idempotency_key": "k"}})
        self.receive(b'{"id":1,"code":200,"data":{"id":7}}\n')
        self.assertEqual((self.successResultOf(call), self.reactor.getDelayedCalls()), (Item(7), []))

    def test_methods(self) -> None:
        """Each HTTP method has a method; data may have a field named path. GET is not sent."""
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            getattr(self.client, method.lower())("/x", path=1)
        sent = self.sent(0) + self.sent(1)
        self.assertEqual(
            {each.get("method", "GET") for each in sent}, {"GET", "POST", "PUT", "PATCH", "DELETE"}
        )
        self.assertEqual([each["data"] for each in sent], [{"path": 1}] * 5)

    def test_error(self) -> None:
        """A call is not retried after an error of the service."""
        call = self.client.get("/item/7")
        self.receive(b'{"id":1,"status":"error","code":404,"message":"Not found","detail":"no"}\n')
        found = self.assertFails(call, NotFound).detail, self.reactor.getDelayedCalls(), len(self.sent())
        self.assertEqual(found, ("no", [], 1))

    def test_deadline(self) -> None:
        """At its deadline the call fails and is cancelled; a late reply is ignored."""
        call = self.client.call("GET", "/never", timeout=2.0)
        self.reactor.advance(1.9)
        self.assertNoResult(call)
        self.reactor.advance(0.1)
        self.assertEqual(self.assertFails(call, DeadlineExceeded).detail, "no answer within 2 s")
        self.assertEqual(self.sent()[1:], [{"id": 1, "cancel": True}])
        self.receive(b'{"id":1,"code":200,"data":1}\n')
        self.assertEqual(self.reactor.adopted[0][1].closed, "")

    def test_cancel(self) -> None:
        """Cancelling the Deferred cancels the action."""
        call = self.client.get("/never")
        call.cancel()
        self.failureResultOf(call, CancelledError)
        sent = self.sent()[1:]
        self.assertEqual((sent, self.reactor.getDelayedCalls()), ([{"id": 1, "cancel": True}], []))

    def test_invalid_reply(self) -> None:
        """After an invalid reply the connection is aborted, and not used again."""
        call = self.client.get("/item/7")
        self.receive(b"nonsense\n")
        self.assertEqual(self.reactor.adopted[0][1].closed, "abort")
        other = self.client.get("/item/8")
        self.lose(0)
        self.assertFails(call, BadGateway)
        self.receive(b'{"id":1,"code":200,"data":8}\n')
        self.assertEqual(self.successResultOf(other), 8)


class RetryTests(ClientTestCase):
    """Retried calls."""

    def test_lost(self) -> None:
        """A GET whose connection is lost is retried on another one; a POST is not."""
        got = self.client.get("/item/7")
        posted = self.client.post("/item")
        self.lose(0)
        self.lose(1)
        self.assertIn("may have run", str(self.assertFails(posted, Unavailable)))
        self.reactor.advance(0.01)
        self.assertEqual((len(self.reactor.adopted), self.sent()[0]["path"]), (3, "/item/7"))
        self.receive(b'{"id":1,"code":200,"data":7}\n')
        self.assertEqual(self.successResultOf(got), 7)

    def test_one_deadline(self) -> None:
        """All attempts share the timeout of the call; each request has the time that is left."""
        call = self.client.call("GET", "/item/7", timeout=2.0)
        self.reactor.advance(1.5)
        self.lose()
        self.reactor.advance(0.01)
        self.assertAlmostEqual(self.sent()[0]["timeout"], 0.49)
        self.reactor.advance(0.49)
        self.assertFails(call, DeadlineExceeded)

    def test_restart(self) -> None:
        """During a restart of the service, a call with any method waits for it."""
        self.stop_listening()
        call = self.client.post("/item")
        self.reactor.pump([0.01] * 100)
        self.assertNoResult(call)
        self.listen()
        self.reactor.pump([0.01] * 60)
        self.receive(b'{"id":1,"code":200,"data":7}\n')
        self.assertEqual(self.successResultOf(call), 7)

    def test_long_restart(self) -> None:
        """A client that was connected before waits for the socket until the deadline of the call."""
        self.client.get("/item/7")
        self.receive(b'{"id":1,"code":200,"data":7}\n')
        self.stop_listening()
        self.lose()
        call = self.client.post("/item")
        self.reactor.pump([0.01] * 400)
        self.assertNoResult(call)
        self.listen()
        self.reactor.pump([0.01] * 60)
        self.receive(b'{"id":1,"code":200,"data":7}\n')
        self.assertEqual(self.successResultOf(call), 7)

    def test_absent(self) -> None:
        """A call to an absent service fails after two seconds; after five such calls, at once."""
        self.stop_listening()
        for _ in range(5):
            call, started = self.client.get("/item/7"), self.reactor.seconds()
            while not call.called:
                self.reactor.advance(0.01)
            self.assertLess(self.reactor.seconds() - started, 2.6)
            self.assertIn("there is no service 'shop'", str(self.assertFails(call, ServiceError)))
        self.assertFails(self.client.get("/item/7"), Unavailable)
        self.assertEqual(self.client.breaker.refused, 1)


class ConnectionsTests(ClientTestCase):
    """The connections of one client."""

    def test_shared(self) -> None:
        """Concurrent calls share connections when the limit is reached."""
        for _ in range(6):
            self.client.get("/item/7")
        self.assertEqual([len(self.sent(0)), len(self.sent(1))], [3, 3])
        self.assertEqual(len(self.reactor.adopted), 2)

    def test_goaway(self) -> None:
        """After goaway, calls use a new connection; the old one is closed with its last reply."""
        first = self.client.get("/item/7")
        self.receive(b'{"goaway":true}\n')
        self.client.get("/item/8")
        self.assertEqual(len(self.reactor.adopted), 2)
        self.assertEqual(self.reactor.adopted[0][1].closed, "")
        self.receive(b'{"id":1,"code":200,"data":7}\n', 0)
        self.assertEqual((self.successResultOf(first), self.reactor.adopted[0][1].closed), (7, "lose"))

    def test_close(self) -> None:
        """Closing closes the connections; pending calls are not retried, and new calls fail."""
        got = self.client.get("/item/7")
        self.client.close()
        self.assertEqual(self.reactor.adopted[0][1].closed, "lose")
        self.lose()
        self.assertFails(got, Unavailable)
        self.assertEqual(self.assertFails(self.client.get("/x"), Unavailable).detail, "the client is closed")
        self.assertEqual((len(self.reactor.adopted), self.reactor.getDelayedCalls()), (1, []))


class StreamTests(ClientTestCase):
    """Streams."""

    async def read(self, stream: Any, items: list[Any], most: int | None = None) -> list[Any]:
        """Read a stream into a list, up to a number of items."""
        async for item in stream:
            items.append(item)
            if len(items) == most:
                break
        return items

    def start_reading(self, most: int | None = None, **options: Any) -> Deferred[list[Any]]:
        """Request a stream, and read it."""
        self.items: list[Any] = []
        stream = self.client.stream("GET", "/", **options)
        read = Deferred.fromCoroutine(self.read(stream, self.items, most))
        self.addCleanup(read.addErrback, lambda _: None)
        self.addCleanup(read.cancel)  # else the garbage collector would, during another test
        return read

    def item(self, *items: int) -> None:
        """Receive items."""
        self.receive(b"".join(b'{"id":1,"more":true,"data":%d}\n' % each for each in items))

    def test_whole(self) -> None:
        """Items are read as they arrive, until the end of the stream."""
        read = self.start_reading()
        (sent,) = self.sent()
        self.assertEqual((sent["path"], sent["credit"]), ("/", WINDOW))
        self.item(1)
        self.assertEqual(self.items, [1])
        self.item(2, 3)
        self.receive(b'{"id":1,"code":200,"data":null}\n')
        self.assertEqual(self.successResultOf(read), [1, 2, 3])

    def test_credit(self) -> None:
        """After half a window was read, as much credit is granted."""
        self.start_reading()
        self.sent()
        self.item(*range(WINDOW // 2 - 1))
        self.assertEqual(self.sent(), [])
        self.item(1)
        self.assertEqual(self.sent(), [{"id": 1, "credit": WINDOW // 2}])

    def test_break(self) -> None:
        """Leaving the loop cancels the stream."""
        self.start_reading(most=2)
        self.sent()
        self.item(1, 2, 3)
        gc.collect()  # the coroutine may be part of a reference cycle
        self.assertEqual((self.items, self.sent()), ([1, 2], [{"id": 1, "cancel": True}]))

    def test_retry(self) -> None:
        """It is requested again before its first item, and not after."""
        read = self.start_reading()
        self.lose()
        self.reactor.advance(0.01)
        self.assertEqual(len(self.reactor.adopted), 2)
        self.item(1)
        self.lose()
        self.assertFails(read, Unavailable)
        self.assertEqual(self.items, [1])

    def test_deadline(self) -> None:
        """Its timeout applies to the whole stream; there is none by default."""
        read = self.start_reading(timeout=2.0)
        self.item(1)
        self.reactor.advance(2.0)
        self.assertFails(read, DeadlineExceeded)
        endless = self.start_reading()
        self.reactor.advance(1000.0)
        self.assertNoResult(endless)

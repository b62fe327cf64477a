"""The Twisted client. Its connections are real, and nobody reads them; what it says is kept in memory."""

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
    """Has a clock, and keeps what is adopted.

    :ivar adopted: the protocol and the transport of each connection.
    """

    def __init__(self) -> None:
        super().__init__()
        self.adopted: list[tuple[Any, MemoryTransport]] = []

    def adoptStreamConnection(self, descriptor: int, family: int, factory: Any) -> None:
        """Connect it with memory."""
        protocol, transport = factory.buildProtocol(None), MemoryTransport()
        self.adopted.append((protocol, transport))
        protocol.makeConnection(transport)

    def addReader(self, reader: object) -> None:
        """Nothing is read: what changes in the folder is not told."""

    removeReader = removeWriter = addReader


class Item(Struct):
    """What is asked for."""

    id: int


class ClientTestCase(SynchronousTestCase):
    """Has a client, and a socket to which it can connect."""

    def setUp(self) -> None:
        """Listen."""
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

    def silence(self) -> None:
        """Listen no more."""
        os.unlink(self.listening.getsockname())
        self.listening.close()

    def sent(self, at: int = -1) -> list[Any]:
        """What has been sent on a connection since the last look."""
        return self.reactor.adopted[at][1].lines()

    def receive(self, data: bytes, at: int = -1) -> None:
        """Have something come on a connection."""
        self.reactor.adopted[at][0].dataReceived(data)

    def lose(self, at: int = -1) -> None:
        """Have a connection end."""
        self.reactor.adopted[at][0].connectionLost()

    def assertFails(self, deferred: Deferred[Any], kind: type[ServiceError]) -> Any:
        """It has failed with that."""
        return self.failureResultOf(deferred, kind).value


class CallTests(ClientTestCase):
    """One call."""

    def test_result(self) -> None:
        """What is asked goes out, with the time that there is; the answer comes in as what it is to be."""
        called = self.client.call("put", "/item/7", {"a": 1}, type=Item, meta={"m": "n"}, idempotency_key="k")
        (sent,) = self.sent()
        expected = {"id": 1, "method": "PUT", "path": "/item/7", "data": {"a": 1}, "auth_token": "t"}
        self.assertEqual(sent, expected | {"timeout": 5.0, "meta": {"m": "n", "idempotency_key": "k"}})
        self.receive(b'{"id":1,"code":200,"data":{"id":7}}\n')
        self.assertEqual((self.successResultOf(called), self.reactor.getDelayedCalls()), (Item(7), []))

    def test_methods(self) -> None:
        """Each method has its short form; a name in the path is none of the data's."""
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            getattr(self.client, method.lower())("/x", path=1)
        sent = self.sent(0) + self.sent(1)
        self.assertEqual({each["method"] for each in sent}, {"GET", "POST", "PUT", "PATCH", "DELETE"})
        self.assertEqual([each["data"] for each in sent], [{"path": 1}] * 5)

    def test_failure(self) -> None:
        """A failure that is answered is not asked again."""
        called = self.client.get("/item/7")
        self.receive(b'{"id":1,"status":"error","code":404,"message":"Not found","detail":"no"}\n')
        found = self.assertFails(called, NotFound).detail, self.reactor.getDelayedCalls(), len(self.sent())
        self.assertEqual(found, ("no", [], 1))

    def test_deadline(self) -> None:
        """At its deadline the call fails, and its action is cancelled; a late answer is no news."""
        called = self.client.call("GET", "/never", timeout=2.0)
        self.reactor.advance(1.9)
        self.assertNoResult(called)
        self.reactor.advance(0.1)
        self.assertEqual(self.assertFails(called, DeadlineExceeded).detail, "no answer within 2 s")
        self.assertEqual(self.sent()[1:], [{"id": 1, "cancel": True}])
        self.receive(b'{"id":1,"code":200,"data":1}\n')
        self.assertEqual(self.reactor.adopted[0][1].closed, "")

    def test_cancel(self) -> None:
        """To cancel the Deferred cancels the action."""
        called = self.client.get("/never")
        called.cancel()
        self.failureResultOf(called, CancelledError)
        sent = self.sent()[1:]
        self.assertEqual((sent, self.reactor.getDelayedCalls()), ([{"id": 1, "cancel": True}], []))

    def test_nonsense(self) -> None:
        """A connection on which nonsense has come is given up, and nothing more is asked on it."""
        called = self.client.get("/item/7")
        self.receive(b"nonsense\n")
        self.assertEqual(self.reactor.adopted[0][1].closed, "abort")
        other = self.client.get("/item/8")
        self.lose(0)
        self.assertFails(called, BadGateway)
        self.receive(b'{"id":1,"code":200,"data":8}\n')
        self.assertEqual(self.successResultOf(other), 8)


class AgainTests(ClientTestCase):
    """Calls that are made again."""

    def test_lost(self) -> None:
        """A GET whose connection ends is made again on another one; a POST is not."""
        got = self.client.get("/item/7")
        posted = self.client.post("/item")
        self.lose(0)
        self.lose(1)
        self.assertIn("may have run", str(self.assertFails(posted, Unavailable)))
        self.reactor.advance(0.01)
        self.assertEqual((len(self.reactor.adopted), self.sent()[0]["path"]), (3, "/item/7"))
        self.receive(b'{"id":1,"code":200,"data":7}\n')
        self.assertEqual(self.successResultOf(got), 7)

    def test_time_is_one(self) -> None:
        """All tries together have the time of the call, and each says what is left."""
        called = self.client.call("GET", "/item/7", timeout=2.0)
        self.reactor.advance(1.5)
        self.lose()
        self.reactor.advance(0.01)
        self.assertAlmostEqual(self.sent()[0]["timeout"], 0.49)
        self.reactor.advance(0.49)
        self.assertFails(called, DeadlineExceeded)

    def test_restart(self) -> None:
        """A service that is away for a moment is asked when it is back, whatever the method is."""
        self.silence()
        called = self.client.post("/item")
        self.reactor.pump([0.01] * 100)
        self.assertNoResult(called)
        self.listen()
        self.reactor.pump([0.01] * 60)
        self.receive(b'{"id":1,"code":200,"data":7}\n')
        self.assertEqual(self.successResultOf(called), 7)

    def test_absent(self) -> None:
        """One that stays away is given up after two seconds; after some such calls, at once."""
        self.silence()
        for _ in range(5):
            called, suspended = self.client.get("/item/7"), self.reactor.seconds()
            while not called.called:
                self.reactor.advance(0.01)
            self.assertLess(self.reactor.seconds() - suspended, 2.6)
            self.assertIn("there is no service 'shop'", str(self.assertFails(called, ServiceError)))
        self.assertFails(self.client.get("/item/7"), Unavailable)
        self.assertEqual(self.client.breaker.refused, 1)


class ConnectionsTests(ClientTestCase):
    """Which connections there are."""

    def test_shared(self) -> None:
        """There are as many as may be, while calls are unanswered; they share them then."""
        for _ in range(6):
            self.client.get("/item/7")
        self.assertEqual([len(self.sent(0)), len(self.sent(1))], [3, 3])
        self.assertEqual(len(self.reactor.adopted), 2)

    def test_goaway(self) -> None:
        """New calls go to a new connection; the old one is closed when all is answered there."""
        first = self.client.get("/item/7")
        self.receive(b'{"goaway":true}\n')
        self.client.get("/item/8")
        self.assertEqual(len(self.reactor.adopted), 2)
        self.assertEqual(self.reactor.adopted[0][1].closed, "")
        self.receive(b'{"id":1,"code":200,"data":7}\n', 0)
        self.assertEqual((self.successResultOf(first), self.reactor.adopted[0][1].closed), (7, "lose"))

    def test_close(self) -> None:
        """To close ends them; what is unanswered is not asked again, and nothing new is asked."""
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
        """Read it."""
        async for item in stream:
            items.append(item)
            if len(items) == most:
                break
        return items

    def begin(self, most: int | None = None, **options: Any) -> Deferred[list[Any]]:
        """Ask for one, and read it."""
        self.items: list[Any] = []
        stream = self.client.stream("GET", "/", **options)
        read = Deferred.fromCoroutine(self.read(stream, self.items, most))
        self.addCleanup(read.addErrback, lambda _: None)
        self.addCleanup(read.cancel)  # else the collector would do it, in another test
        return read

    def item(self, *items: int) -> None:
        """Have items come."""
        self.receive(b"".join(b'{"id":1,"more":true,"data":%d}\n' % each for each in items))

    def test_whole(self) -> None:
        """Items are there as they come; it is over when the service says so."""
        read = self.begin()
        (sent,) = self.sent()
        self.assertEqual((sent["path"], sent["credit"]), ("/", WINDOW))
        self.item(1)
        self.assertEqual(self.items, [1])
        self.item(2, 3)
        self.receive(b'{"id":1,"code":200,"data":null}\n')
        self.assertEqual(self.successResultOf(read), [1, 2, 3])

    def test_credit(self) -> None:
        """As half a window has been taken, so many more may come."""
        self.begin()
        self.sent()
        self.item(*range(WINDOW // 2 - 1))
        self.assertEqual(self.sent(), [])
        self.item(1)
        self.assertEqual(self.sent(), [{"id": 1, "credit": WINDOW // 2}])

    def test_left(self) -> None:
        """To leave the loop cancels it, without a further word."""
        self.begin(most=2)
        self.sent()
        self.item(1, 2, 3)
        gc.collect()  # the coroutine that has left it may be part of a circle
        self.assertEqual((self.items, self.sent()), ([1, 2], [{"id": 1, "cancel": True}]))

    def test_again(self) -> None:
        """It is asked again as long as no item has been seen, and not after."""
        read = self.begin()
        self.lose()
        self.reactor.advance(0.01)
        self.assertEqual(len(self.reactor.adopted), 2)
        self.item(1)
        self.lose()
        self.assertFails(read, Unavailable)
        self.assertEqual(self.items, [1])

    def test_deadline(self) -> None:
        """Its deadline holds for all of it; without one, there is none."""
        read = self.begin(timeout=2.0)
        self.item(1)
        self.reactor.advance(2.0)
        self.assertFails(read, DeadlineExceeded)
        endless = self.begin()
        self.reactor.advance(1000.0)
        self.assertNoResult(endless)

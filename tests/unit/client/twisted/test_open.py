"""The Twisted client where nobody knows beforehand whether the answer is a stream, or is mistaken there."""

from __future__ import annotations

import gc
from typing import Any

from msgspec import Raw
from twisted.internet.defer import CancelledError, Deferred

from tests.unit.client.twisted.test_client import ClientTestCase
from unixsvc.client.connection import WINDOW
from unixsvc.client.twisted.stream import Stream
from unixsvc.errors import BadGateway, DeadlineExceeded, NotFound, Unavailable


class OpenTests(ClientTestCase):
    """Whichever comes."""

    def open(self, **options: Any) -> Deferred[Any]:
        """Ask."""
        return self.client.open("GET", "/x", {"a": 1}, meta={"m": "n"}, **options)

    def item(self, *items: int) -> None:
        """Have items come."""
        self.receive(b"".join(b'{"id":1,"more":true,"data":%d}\n' % each for each in items))

    def begin(self, **options: Any) -> Stream:
        """Have it be a stream."""
        opened = self.open(**options)
        self.sent()
        self.item(1)
        stream = self.successResultOf(opened)
        self.assertIsInstance(stream, Stream)
        self.addCleanup(stream._cancel)
        return stream  # type: ignore[no-any-return]

    def next(self, stream: Stream) -> Deferred[Any]:
        """The next item."""
        return Deferred.fromCoroutine(stream.__anext__())

    def test_result(self) -> None:
        """A plain answer is the result, as JSON; it is asked for with credit, and a stream's time."""
        opened = self.open(timeout=2.0, limit=9.0)
        (sent,) = self.sent()
        expected = {
            "id": 1,
            "method": "GET",
            "path": "/x",
            "data": {"a": 1},
            "meta": {"m": "n"},
            "auth_token": "t",
        }
        self.assertEqual(sent, expected | {"timeout": 9.0, "credit": WINDOW})
        self.receive(b'{"id":1,"code":200,"data":{ "b":1.50}}\n')
        self.assertEqual(self.successResultOf(opened), Raw(b'{ "b":1.50}'))
        self.assertEqual((self.reactor.getDelayedCalls(), len(self.client._pool)), ([], 1))

    def test_failure(self) -> None:
        """A failure is one; what is not answered in its time is late, and taken back."""
        opened = self.open()
        self.receive(b'{"id":1,"status":"error","code":404,"message":"Not found","detail":"no"}\n')
        self.assertFails(opened, NotFound)
        opened = self.open(timeout=2.0)
        self.assertNotIn("timeout", self.sent()[-1])
        self.reactor.advance(2.0)
        self.assertFails(opened, DeadlineExceeded)
        self.assertEqual(self.sent(), [{"id": 2, "cancel": True}])

    def test_stream(self) -> None:
        """With its first item it is a stream; credit is granted as items are taken."""
        stream = self.begin()
        self.assertEqual(self.successResultOf(self.next(stream)), Raw(b"1"))
        self.item(*range(WINDOW // 2))
        self.assertEqual(self.sent(), [])
        for each in range(WINDOW // 2):
            self.assertEqual(self.successResultOf(self.next(stream)), Raw(b"%d" % each))
        self.assertEqual(self.sent(), [{"id": 1, "credit": WINDOW // 2}])
        waiting = self.next(stream)
        self.receive(b'{"id":1,"code":200,"data":null}\n')
        self.failureResultOf(waiting, StopAsyncIteration)

    def test_ends_wrong(self) -> None:
        """What ends it is raised behind its items; that the connection ends is Unavailable."""
        stream = self.begin()
        self.receive(b'{"id":1,"status":"error","code":404,"message":"Not found","detail":"no"}\n')
        self.assertEqual(self.successResultOf(self.next(stream)), Raw(b"1"))
        self.assertFails(self.next(stream), NotFound)
        opened = self.open()
        self.receive(b'{"id":2,"more":true,"data":1}\n')
        stream = self.successResultOf(opened)
        self.lose()
        self.successResultOf(self.next(stream))
        self.assertFails(self.next(stream), Unavailable)
        self.assertEqual((len(self.reactor.adopted), self.reactor.getDelayedCalls()), (1, []))

    def test_again(self) -> None:
        """It is asked again like any call, as long as nothing of it has come."""
        opened = self.open()
        self.lose()
        self.reactor.advance(0.01)
        self.item(7)
        self.assertEqual(self.successResultOf(self.next(self.successResultOf(opened))), Raw(b"7"))

    def test_limit(self) -> None:
        """The time for its first item is none for all of it; that has a limit of its own, or none."""
        stream = self.begin(timeout=2.0, limit=9.0)
        self.successResultOf(self.next(stream))
        waiting = self.next(stream)
        self.reactor.advance(8.9)
        self.assertNoResult(waiting)
        self.reactor.advance(0.1)
        self.assertFails(waiting, DeadlineExceeded)
        self.assertEqual(self.sent(), [{"id": 1, "cancel": True}])

    def test_no_limit(self) -> None:
        """Without a limit there is none."""
        stream = self.begin(timeout=2.0)
        self.successResultOf(self.next(stream))
        waiting = self.next(stream)
        self.reactor.advance(1000.0)
        self.assertNoResult(waiting)
        waiting.addErrback(lambda _: None)

    def test_dropped(self) -> None:
        """To drop the stream, or to cancel what is not there yet, takes it back."""
        opened = self.open()
        self.sent()
        opened.cancel()
        self.failureResultOf(opened, CancelledError)
        self.assertEqual(self.sent(), [{"id": 1, "cancel": True}])
        opened = self.open()
        self.item(1)
        self.sent()
        self.successResultOf(opened)
        del opened
        gc.collect()
        self.assertEqual(self.sent(), [{"id": 1, "cancel": True}])
        self.assertEqual(self.reactor.getDelayedCalls(), [])


class MistakenTests(ClientTestCase):
    """A stream is asked for where there is none."""

    def test_no_stream(self) -> None:
        """That is said, and the connection is good for other calls."""
        stream = self.client.stream("GET", "/item/7")
        read = Deferred.fromCoroutine(stream.__anext__())
        self.receive(b'{"id":1,"code":200,"data":{"id":7}}\n')
        self.assertIn("not a stream", self.assertFails(read, BadGateway).detail)
        called = self.client.get("/item/7")
        self.receive(b'{"id":2,"code":200,"data":7}\n')
        self.assertEqual(self.successResultOf(called), 7)

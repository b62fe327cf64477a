"""Calls of the Twisted client whose reply may be a stream, or is not the expected one."""

from __future__ import annotations

import gc
from typing import Any

from msgspec import Raw
from twisted.internet.defer import CancelledError, Deferred

from tests.unit.client.twisted.test_client import ClientTestCase
from unixsvc.client.connection import WINDOW
from unixsvc.client.twisted.stream import Stream
from unixsvc.domain.reply_head import ReplyHead
from unixsvc.errors import BadGateway, DeadlineExceeded, NotFound, Unavailable


class OpenTests(ClientTestCase):
    """Calls whose reply may be a stream."""

    def open(self, **options: Any) -> Deferred[Any]:
        """Make such a call."""
        return self.client.open("GET", "/x", {"a": 1}, meta={"m": "n"}, **options)

    def item(self, *items: int) -> None:
        """Receive items."""
        self.receive(b"".join(b'{"id":1,"more":true,"data":%d}\n' % each for each in items))

    def open_stream(self, **options: Any) -> Stream:
        """Make a call whose reply is a stream."""
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
        """A unary reply is the result, as JSON; the request has credit and the timeout of a stream."""
        opened = self.open(timeout=2.0, limit=9.0)
        (sent,) = self.sent()
        expected = {
            "id": 1,
            "path": "/x",
            "data": {"a": 1},
            "meta": {"m": "n"},
            "auth_token": "t",
        }
        self.assertEqual(sent, expected | {"timeout": 9.0, "credit": WINDOW})
        self.receive(b'{"id":1,"code":200,"data":{ "b":1.50}}\n')
        self.assertEqual(self.successResultOf(opened), Raw(b'{ "b":1.50}'))
        self.assertEqual((self.reactor.getDelayedCalls(), len(self.client._pool)), ([], 1))

    def test_head(self) -> None:
        """A reply with a head is a Reply, with its body as it is; it may have a location, too."""
        opened = self.open()
        self.sent()
        head = b'{"status":202,"headers":[["X-A","b"]],"media_type":"image/png","form":"base64"}'
        self.receive(b'{"id":1,"code":200,"location":"/y","head":%b,"data":"/w=="}\n' % head)
        reply = self.successResultOf(opened)
        self.assertEqual((reply.body, reply.location), (b"\xff", "/y"))
        self.assertEqual(reply.head, ReplyHead(202, (("X-A", "b"),), "image/png", "base64"))

    def test_wrong_body(self) -> None:
        """A body of another form than the head says is 502."""
        opened = self.open()
        self.sent()
        self.receive(b'{"id":1,"code":200,"head":{"form":"base64"},"data":7}\n')
        self.failureResultOf(opened, BadGateway)

    def test_stream_head(self) -> None:
        """A stream has the head of its first item."""
        opened = self.open()
        self.sent()
        self.receive(b'{"id":1,"more":true,"head":{"headers":[["X-A","b"]]},"data":1}\n')
        stream = self.successResultOf(opened)
        self.addCleanup(stream._cancel)
        self.assertEqual(stream.head, ReplyHead(headers=(("X-A", "b"),)))

    def test_error(self) -> None:
        """Errors and timeouts are those of a unary call."""
        opened = self.open()
        self.receive(b'{"id":1,"status":"error","code":404,"message":"Not found","detail":"no"}\n')
        self.assertFails(opened, NotFound)
        opened = self.open(timeout=2.0)
        self.assertNotIn("timeout", self.sent()[-1])
        self.reactor.advance(2.0)
        self.assertFails(opened, DeadlineExceeded)
        self.assertEqual(self.sent(), [{"id": 2, "cancel": True}])

    def test_stream(self) -> None:
        """With its first item it is a stream; credit is granted as items are read."""
        stream = self.open_stream()
        self.assertEqual(self.successResultOf(self.next(stream)), Raw(b"1"))
        self.item(*range(WINDOW // 2))
        self.assertEqual(self.sent(), [])
        for each in range(WINDOW // 2):
            self.assertEqual(self.successResultOf(self.next(stream)), Raw(b"%d" % each))
        self.assertEqual(self.sent(), [{"id": 1, "credit": WINDOW // 2}])
        waiting = self.next(stream)
        self.receive(b'{"id":1,"code":200,"data":null}\n')
        self.failureResultOf(waiting, StopAsyncIteration)

    def test_stream_error(self) -> None:
        """An error is raised after the received items; a lost connection is Unavailable."""
        stream = self.open_stream()
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

    def test_retry(self) -> None:
        """It is retried before the first item."""
        opened = self.open()
        self.lose()
        self.reactor.advance(0.01)
        self.item(7)
        self.assertEqual(self.successResultOf(self.next(self.successResultOf(opened))), Raw(b"7"))

    def test_limit(self) -> None:
        """The timeout applies to the first item; the limit applies to the whole stream."""
        stream = self.open_stream(timeout=2.0, limit=9.0)
        self.successResultOf(self.next(stream))
        waiting = self.next(stream)
        self.reactor.advance(8.9)
        self.assertNoResult(waiting)
        self.reactor.advance(0.1)
        self.assertFails(waiting, DeadlineExceeded)
        self.assertEqual(self.sent(), [{"id": 1, "cancel": True}])

    def test_no_limit(self) -> None:
        """Without a limit, a stream has no deadline."""
        stream = self.open_stream(timeout=2.0)
        self.successResultOf(self.next(stream))
        waiting = self.next(stream)
        self.reactor.advance(1000.0)
        self.assertNoResult(waiting)
        waiting.addErrback(lambda _: None)

    def test_dropped(self) -> None:
        """Dropping the stream, or cancelling the call, sends a cancel."""
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


class UnexpectedReplyTests(ClientTestCase):
    """A unary reply to a request for a stream."""

    def test_no_stream(self) -> None:
        """It is an error, and the connection can be used for other calls."""
        stream = self.client.stream("GET", "/item/7")
        read = Deferred.fromCoroutine(stream.__anext__())
        self.receive(b'{"id":1,"code":200,"data":{"id":7}}\n')
        self.assertIn("not a stream", self.assertFails(read, BadGateway).detail)
        called = self.client.get("/item/7")
        self.receive(b'{"id":2,"code":200,"data":7}\n')
        self.assertEqual(self.successResultOf(called), 7)

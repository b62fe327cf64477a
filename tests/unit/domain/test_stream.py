"""Streams in HandleMessage: errors become the final reply, and a stream is counted at its end."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Coroutine
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.domain.test_handle_message import SECRET, FakeDependencies
from unixsvc.domain.coroutine import await_result
from unixsvc.domain.handle_message import HandleMessage
from unixsvc.domain.message import Reply, Request
from unixsvc.domain.stream import ReplyStream, unary_reply
from unixsvc.errors import Cancelled, NotFound


class Streams(FakeDependencies):
    """FakeDependencies that answer with a stream.

    :ivar closed: whether it was closed.
    """

    def __init__(self) -> None:
        super().__init__()
        self.closed = False

    async def _answer(self, request: Request) -> Reply:
        """Reply with a stream."""
        await super()._answer(request)
        return Reply(items=self._items())

    async def _items(self) -> AsyncGenerator[bytes, None]:
        try:
            yield b"1"
            self.time += 2
            if self.waits is not None:
                await self.waits
            if self.error is not None:
                raise self.error
        finally:
            self.closed = True


class StreamTests(SynchronousTestCase):
    """Streams of a datasource that replies immediately."""

    def setUp(self) -> None:
        """Create a use case."""
        self.around = Streams()
        around = self.around
        self.handle = HandleMessage(
            around, around, around, around, max_inflight=1, request_timeout=30.0, now=lambda: around.time
        )

    def result(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """The result of a coroutine that does not wait."""
        return self.successResultOf(Deferred.fromCoroutine(coroutine))

    def start(self, timeout: float | None = None) -> ReplyStream:
        """Start a stream."""
        stream = self.result(await_result(self.handle(Request("GET", "/", timeout=timeout))))
        assert isinstance(stream, ReplyStream)
        return stream

    def assert_counted(self, code: int, seconds: float) -> None:
        """The stream was counted once with this code and is not pending."""
        self.assertEqual((self.around.counted, self.handle.inflight), ([(code, seconds)], 0))

    def test_items(self) -> None:
        """A stream is pending until its end, and counted once with its whole duration."""
        stream = self.start()
        self.assertEqual(self.result(stream.next()), b"1")
        self.assertEqual((self.around.counted, self.handle.inflight), ([], 1))
        self.assertEqual(self.result(await_result(self.handle(Request("GET", "/")))).code, 503)
        self.around.counted.clear()
        self.assertEqual(self.result(stream.next()), Reply())
        self.assert_counted(200, 2.5)

    def test_failure(self) -> None:
        """A ServiceError becomes the final reply."""
        stream = self.start()
        self.around.error = NotFound("no x")
        self.result(stream.next())
        self.assertEqual(self.result(stream.next()), Reply(404, b"", "Not found", "no x"))
        self.assert_counted(404, 2.5)
        self.assertEqual(self.around.failures, [])

    def test_inside(self) -> None:
        """Any other exception becomes a 500 without details and is logged, also if it is no Exception."""
        for error in (RuntimeError(SECRET), SystemExit(3)):
            self.setUp()
            stream = self.start()
            self.around.error = error
            self.result(stream.next())
            self.assertEqual(self.result(stream.next()), Reply(500, b"", "Internal Server Error", None))
            self.assert_counted(500, 2.5)
            self.assertEqual(self.around.failures, [error])

    def test_close(self) -> None:
        """A stream can be closed between two items; the reason is the final reply."""
        stream = self.start()
        self.result(stream.next())
        self.assertEqual(self.result(stream.close(Cancelled())).code, 499)
        self.assertTrue(self.around.closed)
        self.assert_counted(499, 0.5)

    def test_refuse(self) -> None:
        """A stream can be refused before its start; its generator does not run."""
        reply = self.start().refuse(NotFound("x"))
        self.assertEqual((reply.code, reply.detail), (404, "x"))
        self.assertFalse(self.around.closed)
        self.assert_counted(404, 0.5)

    def test_dropped(self) -> None:
        """A stream that is dropped while it waits is not pending."""
        self.around.waits = None
        stream = self.start()
        self.result(stream.next())
        self.around.waits = Deferred()
        step = stream.next()
        step.send(None)
        step.close()
        self.assert_counted(499, 2.5)

    def test_time(self) -> None:
        """A stream has the remaining time of the caller, and a time limit for each item."""
        stream = self.start(timeout=7)
        self.assertEqual((stream.seconds, stream.item_seconds), (6.5, 30.0))
        stream.refuse(Cancelled())
        self.assertIsNone(self.start().seconds)

    def test_whole(self) -> None:
        """For a transport without streams, a stream becomes 400; other replies stay the same."""
        self.assertEqual(unary_reply(self.start()).code, 400)
        self.assert_counted(400, 0.5)
        self.assertEqual(unary_reply(Reply(200, b"1")), Reply(200, b"1"))


class LaterTests(StreamTests):
    """Streams of a datasource that returns an awaitable."""

    def setUp(self) -> None:
        """Use a datasource that returns an awaitable."""
        super().setUp()
        self.around.later = True

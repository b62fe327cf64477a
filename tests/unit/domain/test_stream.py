"""Streams in the use case: what goes wrong is their last reply, and they are counted when they end."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Coroutine
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.domain.test_handle_message import SECRET, Surroundings
from unixsvc.domain.coroutine import await_result
from unixsvc.domain.handle_message import HandleMessage
from unixsvc.domain.message import Reply, Request
from unixsvc.domain.stream import ReplyStream, unary_reply
from unixsvc.errors import Cancelled, NotFound


class Streams(Surroundings):
    """Surroundings that answer with a stream.

    :ivar closed: whether it was closed.
    """

    def __init__(self) -> None:
        super().__init__()
        self.closed = False

    async def _answer(self, request: Request) -> Reply:
        """Answer with a stream."""
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
    """Streams."""

    def setUp(self) -> None:
        """A use case."""
        self.around = Streams()
        around = self.around
        self.handle = HandleMessage(
            around, around, around, around, max_inflight=1, request_timeout=30.0, now=lambda: around.time
        )

    def result(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """What it gives."""
        return self.successResultOf(Deferred.fromCoroutine(coroutine))

    def start(self, timeout: float | None = None) -> ReplyStream:
        """A stream."""
        stream = self.result(await_result(self.handle(Request("GET", "/", timeout=timeout))))
        assert isinstance(stream, ReplyStream)
        return stream

    def assert_counted(self, code: int, seconds: float) -> None:
        """It was counted once, so, and is not in flight any more."""
        self.assertEqual((self.around.counted, self.handle.inflight), ([(code, seconds)], 0))

    def test_items(self) -> None:
        """It is in flight as long as it lasts, and counted once, with all of its time."""
        stream = self.start()
        self.assertEqual(self.result(stream.next()), b"1")
        self.assertEqual((self.around.counted, self.handle.inflight), ([], 1))
        self.assertEqual(self.result(await_result(self.handle(Request("GET", "/")))).code, 503)
        self.around.counted.clear()
        self.assertEqual(self.result(stream.next()), Reply())
        self.assert_counted(200, 2.5)

    def test_failure(self) -> None:
        """A failure that the caller may know of is the last reply."""
        stream = self.start()
        self.around.error = NotFound("no x")
        self.result(stream.next())
        self.assertEqual(self.result(stream.next()), Reply(404, b"", "Not found", "no x"))
        self.assert_counted(404, 2.5)
        self.assertEqual(self.around.failures, [])

    def test_inside(self) -> None:
        """Any other is 500 without a word, and the log has it; also what is no Exception."""
        for error in (RuntimeError(SECRET), SystemExit(3)):
            self.setUp()
            stream = self.start()
            self.around.error = error
            self.result(stream.next())
            self.assertEqual(self.result(stream.next()), Reply(500, b"", "Internal Server Error", None))
            self.assert_counted(500, 2.5)
            self.assertEqual(self.around.failures, [error])

    def test_close(self) -> None:
        """It can be closed between two items, and the reason is the last reply."""
        stream = self.start()
        self.result(stream.next())
        self.assertEqual(self.result(stream.close(Cancelled())).code, 499)
        self.assertTrue(self.around.closed)
        self.assert_counted(499, 0.5)

    def test_refuse(self) -> None:
        """It can be refused before it has begun, and nothing of it is run."""
        reply = self.start().refuse(NotFound("x"))
        self.assertEqual((reply.code, reply.detail), (404, "x"))
        self.assertFalse(self.around.closed)
        self.assert_counted(404, 0.5)

    def test_nobody_waits(self) -> None:
        """One that is dropped while it waits is not in flight any more."""
        self.around.waits = None
        stream = self.start()
        self.result(stream.next())
        self.around.waits = Deferred()
        step = stream.next()
        step.send(None)
        step.close()
        self.assert_counted(499, 2.5)

    def test_time(self) -> None:
        """It knows what is left of the caller's time, and how long an item may take."""
        stream = self.start(timeout=7)
        self.assertEqual((stream.seconds, stream.item_seconds), (6.5, 30.0))
        stream.refuse(Cancelled())
        self.assertIsNone(self.start().seconds)

    def test_whole(self) -> None:
        """A transport without streams has them refused, and any other reply left as it is."""
        self.assertEqual(unary_reply(self.start()).code, 400)
        self.assert_counted(400, 0.5)
        self.assertEqual(unary_reply(Reply(200, b"1")), Reply(200, b"1"))


class LaterTests(StreamTests):
    """The same, where the datasource gives something to await."""

    def setUp(self) -> None:
        """Such a one."""
        super().setUp()
        self.around.later = True

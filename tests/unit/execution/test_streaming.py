"""Streams item by item."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.domain.handle_message import error_to_reply
from unixsvc.domain.message import Reply
from unixsvc.domain.stream import ReplyStream
from unixsvc.errors import Cancelled, Internal, NotFound, ServiceError, Unavailable
from unixsvc.execution.streaming import RunningStream

_Items = AsyncGenerator[bytes, None]


class Reader:
    """Reads one stream.

    :ivar full: whether its buffer is full.
    :ivar writes: the items that were sent together, each time; empty ones come with the last reply alone.
    :ivar replies: the final replies; there should be one.
    :ivar ends: the ends that the use case was notified of; there should be one.
    """

    def __init__(
        self,
        items: _Items,
        credit: int | None = None,
        *,
        seconds: float | None = None,
        fills: bool = False,
        overhead: int = 0,
    ) -> None:
        self.clock = Clock()
        self.full = False
        self.fills = fills
        self.writes: list[list[bytes]] = []
        self.replies: list[Reply] = []
        self.ends: list[BaseException | None] = []
        stream = ReplyStream(items, self.ended, seconds=seconds, item_seconds=5.0)
        self.streaming = RunningStream(
            stream, self.clock, credit, lambda: self.full, self.send, overhead=overhead
        )
        self.streaming.start()

    def ended(self, error: BaseException | None, size: int) -> Reply:
        """End the stream as HandleMessage does."""
        self.ends.append(error)
        if error is None:
            return Reply()
        return error_to_reply(error if isinstance(error, ServiceError) else Internal())

    def send(self, items: list[bytes], reply: Reply | None) -> None:
        """Receive items."""
        self.writes.append(items)
        self.full = self.fills
        if reply is not None:
            self.replies.append(reply)

    def items(self) -> list[bytes]:
        """All items since the last call."""
        writes, self.writes = self.writes, []
        return [item for each in writes for item in each]

    @property
    def codes(self) -> list[int]:
        """The codes of the final replies."""
        return [each.code for each in self.replies]


class Source:
    """A generator of numbers.

    :ivar given: the number of items that it has started.
    :ivar seen: the exception that was raised in it, and its clean-up.
    :ivar waits: the Deferreds that it awaits, one before each item.
    """

    def __init__(self) -> None:
        self.given = 0
        self.seen: list[object] = []
        self.waits: list[Deferred[Any]] = []

    async def count(self, to: int = 1_000_000) -> _Items:
        """Yield numbers without waiting."""
        try:
            while self.given < to:
                self.given += 1
                yield b"%d" % self.given
        except BaseException as error:
            self.seen.append(type(error))
            raise
        finally:
            self.seen.append("cleaned")

    async def wait(self) -> _Items:
        """Yield the results of Deferreds."""
        try:
            while True:
                self.waits.append(Deferred())
                yield await self.waits[-1]
        except BaseException as error:
            self.seen.append(type(error))
            raise
        finally:
            self.seen.append("cleaned")


class GivingTests(SynchronousTestCase):
    """Delivery of items."""

    def setUp(self) -> None:
        """A source."""
        self.source = Source()

    def test_items_and_end(self) -> None:
        """Items arrive in order and batched, then the final reply once; no timer is left."""
        reader = Reader(self.source.count(3), seconds=9)
        self.assertEqual(reader.writes, [[b"1", b"2", b"3"]])
        self.assertEqual((reader.replies, reader.ends), ([Reply()], [None]))
        self.assertEqual(reader.clock.getDelayedCalls(), [])

    def test_awaited(self) -> None:
        """Awaited items are sent when they are ready; earlier items are sent before."""

        async def mixed() -> _Items:
            yield b"a"
            yield b"b"
            yield await first
            yield b"d"

        first: Deferred[bytes] = Deferred()
        reader = Reader(mixed())
        self.assertEqual(reader.writes, [[b"a", b"b"]])
        first.callback(b"c")
        self.assertEqual(reader.writes, [[b"a", b"b"], [b"c", b"d"]])
        self.assertEqual(reader.codes, [200])
        self.assertEqual(reader.clock.getDelayedCalls(), [])

    def test_failures(self) -> None:
        """An exception ends the stream after the previous items."""
        for error, code in ((NotFound("x"), 404), (ValueError("x"), 500)):

            async def failing(error: Exception = error) -> _Items:
                yield b"1"
                raise error

            reader = Reader(failing())
            self.assertEqual((reader.items(), reader.codes, reader.ends), ([b"1"], [code], [error]))

    def test_not_a_deferred(self) -> None:
        """Awaiting another object than a Deferred is an error, as in any action."""

        class Odd:
            def __await__(self) -> Any:
                yield 7

        async def wrong() -> _Items:
            yield await Odd()

        reader = Reader(wrong())
        self.assertEqual(reader.codes, [500])
        self.assertIn("no asyncio event loop for the int", str(reader.ends[0]))

    def test_turns(self) -> None:
        """After 64 items without waiting, other requests have a turn; the items of a turn are one batch."""
        reader = Reader(self.source.count(150))
        self.assertEqual([len(each) for each in reader.writes], [64])
        others: list[int] = []
        reader.clock.callLater(0, lambda: others.append(len(reader.writes)))
        reader.clock.advance(0)
        self.assertEqual([len(each) for each in reader.writes], [64, 64, 22])
        self.assertEqual(others, [2])
        self.assertEqual(reader.codes, [200])

    def test_large_items(self) -> None:
        """A batch has at most 64 KiB, so that the transport can stop the stream in time."""

        async def large() -> _Items:
            for _ in range(9):
                yield b"x" * 40_000

        reader = Reader(large(), fills=True)
        self.assertEqual([len(each) for each in reader.writes], [2])

    def test_size_as_sent(self) -> None:
        """What is sent with each item counts: many small items with a long id fill a batch as well."""

        async def small() -> _Items:
            for _ in range(64):
                yield b"1"

        reader = Reader(small(), fills=True, overhead=9_999)
        self.assertEqual([len(each) for each in reader.writes], [7])

    def test_many(self) -> None:
        """Many items do not deepen the recursion."""
        reader = Reader(self.source.wait())
        for number in range(5_000):
            self.source.waits[-1].callback(b"%d" % number)
        self.assertEqual(len(reader.items()), 5_000)


class HeldUpTests(SynchronousTestCase):
    """Flow control."""

    def setUp(self) -> None:
        """A source."""
        self.source = Source()

    def test_credit(self) -> None:
        """The number of items is that of the credit; granted items are one batch."""
        reader = Reader(self.source.count(), 3)
        self.assertEqual((reader.items(), self.source.given), ([b"1", b"2", b"3"], 3))
        reader.clock.advance(100)
        self.assertEqual(self.source.given, 3)
        reader.streaming.grant(1)
        reader.streaming.grant(1)
        self.assertEqual(len(reader.clock.getDelayedCalls()), 1)
        reader.clock.advance(0)
        self.assertEqual(reader.writes, [[b"4", b"5"]])
        self.assertEqual(self.source.given, 5)

    def test_no_credit_at_all(self) -> None:
        """Without credit, the generator does not start."""
        reader = Reader(self.source.count(2), 0)
        self.assertEqual(self.source.given, 0)
        reader.streaming.grant(9)
        reader.clock.advance(0)
        self.assertEqual((reader.items(), reader.codes), ([b"1", b"2"], [200]))

    def test_credit_while_it_waits(self) -> None:
        """Credit that is granted during an item counts for later items."""
        reader = Reader(self.source.wait(), 1)
        reader.streaming.grant(1)
        self.assertEqual(len(reader.clock.getDelayedCalls()), 1)  # the item's time, and no turn
        for number in (1, 2):
            self.source.waits[-1].callback(b"%d" % number)
        self.assertEqual(reader.items(), [b"1", b"2"])
        self.assertEqual(len(self.source.waits), 2)

    def test_granted_without_need(self) -> None:
        """Granting credit has no effect on a stream without a limit."""
        reader = Reader(self.source.count(100))
        reader.streaming.grant(1)
        reader.clock.advance(0)
        self.assertEqual(len(reader.items()), 100)

    def test_full(self) -> None:
        """No item is computed while the transport is full; the stream resumes afterwards."""
        reader = Reader(self.source.count(100), fills=True)
        self.assertEqual(self.source.given, 64)
        reader.clock.advance(9)
        self.assertEqual(self.source.given, 64)
        reader.full = False
        reader.streaming.resume()
        reader.streaming.resume()
        reader.clock.advance(0)
        self.assertEqual((self.source.given, reader.codes), (100, [200]))

    def test_held(self) -> None:
        """A stream is blocked while it waits for its reader, but not after its end or before a turn."""
        reader = Reader(self.source.count(3), 1)
        self.assertTrue(reader.streaming.blocked)
        reader.full = True
        reader.streaming.grant(9)
        self.assertTrue(reader.streaming.blocked)
        reader.full = False
        self.assertFalse(reader.streaming.blocked)
        reader.clock.advance(0)
        self.assertEqual((reader.codes, reader.streaming.blocked), ([200], False))
        reader.full = True
        self.assertFalse(reader.streaming.blocked)
        working = Reader(Source().wait(), 1)
        working.full = True
        self.assertFalse(working.streaming.blocked)

    def test_its_time(self) -> None:
        """The time limit of an item does not run while the stream is blocked; that of the caller does."""
        reader = Reader(self.source.count(), 1, seconds=100)
        reader.clock.pump([9] * 11)
        self.assertEqual(reader.codes, [])
        reader.clock.advance(2)
        self.assertEqual((reader.codes, self.source.seen), ([504], [GeneratorExit, "cleaned"]))


class EndingTests(SynchronousTestCase):
    """The end of streams."""

    def setUp(self) -> None:
        """A source."""
        self.source = Source()

    def assert_ended(self, reader: Reader, code: int, seen: list[object]) -> None:
        """It ended once with this code; the source saw this; no timer is left."""
        self.assertEqual((reader.codes, self.source.seen), ([code], seen))
        self.assertEqual(len(reader.ends), 1)
        self.assertEqual(reader.clock.getDelayedCalls(), [])
        reader.streaming.cancel(Unavailable())
        reader.streaming.grant(7)
        reader.clock.advance(100)
        self.assertEqual((reader.codes, self.source.seen), ([code], seen))

    def test_cancelled_while_it_waits(self) -> None:
        """The reason is raised where the generator waits, and the awaited Deferred is cancelled."""
        reader = Reader(self.source.wait(), seconds=9)
        reader.streaming.cancel(Cancelled())
        self.assertTrue(self.source.waits[0].called)
        self.assert_ended(reader, 499, [Cancelled, "cleaned"])

    def test_cancelled_while_held_up(self) -> None:
        """A blocked stream is closed after its last item."""
        reader = Reader(self.source.count(), 2, seconds=9)
        reader.streaming.cancel(Cancelled())
        self.assert_ended(reader, 499, [GeneratorExit, "cleaned"])
        self.assertEqual(self.source.given, 2)

    def test_cancelled_between_turns(self) -> None:
        """A stream between two turns is closed after its last item."""
        reader = Reader(self.source.count())
        reader.streaming.cancel(Unavailable())
        self.assert_ended(reader, 503, [GeneratorExit, "cleaned"])

    def test_cancelled_before_it_began(self) -> None:
        """The generator of a stream that was cancelled before its start does not run."""
        reader = Reader(self.source.count(), 0)
        reader.streaming.cancel(Cancelled())
        self.assert_ended(reader, 499, [])

    def test_cancelled_by_itself(self) -> None:
        """A generator may cancel its own stream; it is closed at its next item."""

        async def suicidal() -> _Items:
            yield await first
            try:
                readers[0].streaming.cancel(Cancelled())
                yield b"2"
            finally:
                self.source.seen.append("cleaned")

        first: Deferred[bytes] = Deferred()
        readers = [Reader(suicidal())]
        first.callback(b"1")
        self.assertEqual(readers[0].items(), [b"1"])
        self.assert_ended(readers[0], 499, ["cleaned"])

    def test_time_of_an_item(self) -> None:
        """Each item has a time limit."""
        reader = Reader(self.source.wait())
        for _ in range(3):
            reader.clock.advance(4)
            self.source.waits[-1].callback(b"x")
        self.assertEqual(len(reader.items()), 3)
        reader.clock.advance(4.9)
        self.assertEqual(reader.codes, [])
        reader.clock.advance(0.2)
        self.assertEqual(reader.codes, [504])

    def test_time_of_an_item_in_several_waits(self) -> None:
        """The time limit of an item includes all its waits."""
        waits: list[Deferred[Any]] = [Deferred() for _ in range(3)]

        async def slow() -> _Items:
            for each in waits:
                await each
            yield b"x"

        reader = Reader(slow())
        for each in waits[:2]:
            reader.clock.advance(2)
            each.callback(None)
        reader.clock.advance(1.1)
        self.assertEqual(reader.codes, [504])

    def test_time_of_all(self) -> None:
        """The time limit of the caller is for the whole stream."""
        reader = Reader(self.source.wait(), seconds=9)
        for _ in range(2):
            reader.clock.advance(4)
            self.source.waits[-1].callback(b"x")
        reader.clock.advance(1.1)
        self.assertEqual((reader.codes, len(reader.items())), ([504], 2))

    def test_waits_while_it_cleans_up(self) -> None:
        """The final reply does not wait for a ``finally`` that waits; the request is pending until then."""
        for held in (True, False):
            cleaning: Deferred[None] = Deferred()
            seen: list[str] = []

            async def source(
                held: bool = held, cleaning: Deferred[None] = cleaning, seen: list[str] = seen
            ) -> _Items:
                try:
                    yield b"1"
                    await Deferred()
                finally:
                    await cleaning
                    seen.append("cleaned")

            reader = Reader(source(), 1 if held else None)
            reader.streaming.cancel(Cancelled())
            self.assertEqual((reader.codes, reader.ends, seen), ([499], [], []))
            self.assertEqual(reader.clock.getDelayedCalls(), [])
            cleaning.callback(None)
            self.assertEqual((reader.codes, len(reader.ends), seen), ([499], 1, ["cleaned"]))

    def test_swallowed(self) -> None:
        """A generator that ignores its cancellation is closed at its next item, which is dropped."""
        for at_once in (True, False):
            seen: list[object] = []
            second: Deferred[bytes] = Deferred()

            async def stubborn(
                at_once: bool = at_once, seen: list[object] = seen, second: Deferred[bytes] = second
            ) -> _Items:
                try:
                    await Deferred()
                except Cancelled:
                    seen.append("swallowed")
                try:
                    yield b"1" if at_once else await second
                finally:
                    seen.append("cleaned")

            reader = Reader(stubborn())
            reader.streaming.cancel(Cancelled())
            self.assertEqual(reader.codes, [499])
            second.callback(b"2")
            self.assertEqual((reader.codes, reader.items()), ([499], []))
            self.assertEqual((len(reader.ends), seen), (1, ["swallowed", "cleaned"]))

    def test_swallowed_and_slow(self) -> None:
        """A generator that ignores its cancellation, and waits when it is closed, leaves no timer behind."""
        waits: list[Deferred[Any]] = [Deferred() for _ in range(2)]

        async def stubborn() -> _Items:
            try:
                with contextlib.suppress(Cancelled):
                    await Deferred()
                yield await waits[0]
            finally:
                await waits[1]

        reader = Reader(stubborn())
        reader.streaming.cancel(Cancelled())
        waits[0].callback(b"1")
        self.assertEqual((reader.clock.getDelayedCalls(), reader.ends), ([], []))
        waits[1].callback(None)
        self.assertEqual((reader.codes, len(reader.ends)), ([499], 1))

    def test_fails_while_it_cleans_up(self) -> None:
        """Exceptions during the cancellation are logged, whether it waited or was blocked."""
        for credit in (1, None):

            async def failing() -> _Items:
                try:
                    yield b"1"
                    await Deferred()
                finally:
                    raise ValueError

            reader = Reader(failing(), credit)
            reader.streaming.cancel(Cancelled())
            self.assertEqual(reader.codes, [500])
            self.assertIsInstance(reader.ends[0], ValueError)

    def test_will_not_be_closed(self) -> None:
        """A generator that yields instead of ending on close is logged, and the stream ends."""

        async def clinging() -> _Items:
            try:
                yield b"1"
            finally:
                yield b"2"

        reader = Reader(clinging(), 1)
        reader.streaming.cancel(Cancelled())
        self.assertEqual((reader.items(), reader.codes), ([b"1"], [500]))
        self.assertIsInstance(reader.ends[0], RuntimeError)

"""Streams, item by item."""

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

    :ivar full: whether it takes nothing.
    :ivar writes: the items that were sent together, each time; empty ones come with the last reply alone.
    :ivar replies: the last ones; there should be one.
    :ivar ends: what the use case was told, in order; there should be one.
    """

    def __init__(
        self, items: _Items, credit: int | None = None, *, seconds: float | None = None, fills: bool = False
    ) -> None:
        self.clock = Clock()
        self.full = False
        self.fills = fills
        self.writes: list[list[bytes]] = []
        self.replies: list[Reply] = []
        self.ends: list[BaseException | None] = []
        stream = ReplyStream(items, self.ended, seconds=seconds, item_seconds=5.0)
        self.streaming = RunningStream(stream, self.clock, credit, lambda: self.full, self.send)
        self.streaming.start()

    def ended(self, error: BaseException | None) -> Reply:
        """As the use case does it."""
        self.ends.append(error)
        if error is None:
            return Reply()
        return error_to_reply(error if isinstance(error, ServiceError) else Internal())

    def send(self, items: list[bytes], reply: Reply | None) -> None:
        """Take items."""
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
        """How it has ended."""
        return [each.code for each in self.replies]


class Source:
    """Gives numbers.

    :ivar given: how many it has begun with.
    :ivar seen: what was raised where it stood, and that it has cleaned up.
    :ivar waits: what it waits for, before each.
    """

    def __init__(self) -> None:
        self.given = 0
        self.seen: list[object] = []
        self.waits: list[Deferred[Any]] = []

    async def count(self, to: int = 1_000_000) -> _Items:
        """Give them without waiting."""
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
        """Give what is waited for."""
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
    """How items come."""

    def setUp(self) -> None:
        """A source."""
        self.source = Source()

    def test_items_and_end(self) -> None:
        """All items come in order and together, then the reply, once; no timer is left."""
        reader = Reader(self.source.count(3), seconds=9)
        self.assertEqual(reader.writes, [[b"1", b"2", b"3"]])
        self.assertEqual((reader.replies, reader.ends), ([Reply()], [None]))
        self.assertEqual(reader.clock.getDelayedCalls(), [])

    def test_awaited(self) -> None:
        """What is awaited comes when it is there, and what was given before does not wait for it."""

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
        """What goes wrong ends it, after the items before that."""
        for error, code in ((NotFound("x"), 404), (ValueError("x"), 500)):

            async def failing(error: Exception = error) -> _Items:
                yield b"1"
                raise error

            reader = Reader(failing())
            self.assertEqual((reader.items(), reader.codes, reader.ends), ([b"1"], [code], [error]))

    def test_not_a_deferred(self) -> None:
        """What cannot be awaited here is said as for any action."""

        class Odd:
            def __await__(self) -> Any:
                yield 7

        async def wrong() -> _Items:
            yield await Odd()

        reader = Reader(wrong())
        self.assertEqual(reader.codes, [500])
        self.assertIn("from_asyncio", str(reader.ends[0]))

    def test_turns(self) -> None:
        """After 64 items that never waited, others have their turn; a turn's items are sent together."""
        reader = Reader(self.source.count(150))
        self.assertEqual([len(each) for each in reader.writes], [64])
        others: list[int] = []
        reader.clock.callLater(0, lambda: others.append(len(reader.writes)))
        reader.clock.advance(0)
        self.assertEqual([len(each) for each in reader.writes], [64, 64, 22])
        self.assertEqual(others, [2])
        self.assertEqual(reader.codes, [200])

    def test_large_items(self) -> None:
        """No more than 64 KiB is put together, so that the transport can say in time that it is full."""

        async def large() -> _Items:
            for _ in range(9):
                yield b"x" * 40_000

        reader = Reader(large(), fills=True)
        self.assertEqual([len(each) for each in reader.writes], [2])

    def test_many(self) -> None:
        """However many there are, they are no deeper recursion."""
        reader = Reader(self.source.wait())
        for number in range(5_000):
            self.source.waits[-1].callback(b"%d" % number)
        self.assertEqual(len(reader.items()), 5_000)


class HeldUpTests(SynchronousTestCase):
    """A reader that does not want more for now."""

    def setUp(self) -> None:
        """A source."""
        self.source = Source()

    def test_credit(self) -> None:
        """As many items are made as are wanted, not one more; those that are granted come together."""
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
        """With a credit of 0 nothing is begun."""
        reader = Reader(self.source.count(2), 0)
        self.assertEqual(self.source.given, 0)
        reader.streaming.grant(9)
        reader.clock.advance(0)
        self.assertEqual((reader.items(), reader.codes), ([b"1", b"2"], [200]))

    def test_credit_while_it_waits(self) -> None:
        """What is granted while it works on an item counts for those after it."""
        reader = Reader(self.source.wait(), 1)
        reader.streaming.grant(1)
        self.assertEqual(len(reader.clock.getDelayedCalls()), 1)  # the item's time, and no turn
        for number in (1, 2):
            self.source.waits[-1].callback(b"%d" % number)
        self.assertEqual(reader.items(), [b"1", b"2"])
        self.assertEqual(len(self.source.waits), 2)

    def test_granted_without_need(self) -> None:
        """Where there is no limit, a grant makes none."""
        reader = Reader(self.source.count(100))
        reader.streaming.grant(1)
        reader.clock.advance(0)
        self.assertEqual(len(reader.items()), 100)

    def test_full(self) -> None:
        """Nothing is made while the reader takes nothing, and it goes on when that is over."""
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
        """It is held up where the reader wants nothing, not where it works, has its turn soon, or is over."""
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
        """The time in which it is held up is not that of an item; the caller's own time goes on."""
        reader = Reader(self.source.count(), 1, seconds=100)
        reader.clock.pump([9] * 11)
        self.assertEqual(reader.codes, [])
        reader.clock.advance(2)
        self.assertEqual((reader.codes, self.source.seen), ([504], [GeneratorExit, "cleaned"]))


class EndingTests(SynchronousTestCase):
    """Streams that are stopped."""

    def setUp(self) -> None:
        """A source."""
        self.source = Source()

    def assert_ended(self, reader: Reader, code: int, seen: list[object]) -> None:
        """It has, once, with this code; the source saw this; nothing is left to happen."""
        self.assertEqual((reader.codes, self.source.seen), ([code], seen))
        self.assertEqual(len(reader.ends), 1)
        self.assertEqual(reader.clock.getDelayedCalls(), [])
        reader.streaming.cancel(Unavailable())
        reader.streaming.grant(7)
        reader.clock.advance(100)
        self.assertEqual((reader.codes, self.source.seen), ([code], seen))

    def test_cancelled_while_it_waits(self) -> None:
        """It gets the reason where it waits, and what it waits for is cancelled."""
        reader = Reader(self.source.wait(), seconds=9)
        reader.streaming.cancel(Cancelled())
        self.assertTrue(self.source.waits[0].called)
        self.assert_ended(reader, 499, [Cancelled, "cleaned"])

    def test_cancelled_while_held_up(self) -> None:
        """It is closed where it has given an item."""
        reader = Reader(self.source.count(), 2, seconds=9)
        reader.streaming.cancel(Cancelled())
        self.assert_ended(reader, 499, [GeneratorExit, "cleaned"])
        self.assertEqual(self.source.given, 2)

    def test_cancelled_between_turns(self) -> None:
        """Likewise where its next turn is to come."""
        reader = Reader(self.source.count())
        reader.streaming.cancel(Unavailable())
        self.assert_ended(reader, 503, [GeneratorExit, "cleaned"])

    def test_cancelled_before_it_began(self) -> None:
        """Of one that has not begun nothing is run."""
        reader = Reader(self.source.count(), 0)
        reader.streaming.cancel(Cancelled())
        self.assert_ended(reader, 499, [])

    def test_cancelled_by_itself(self) -> None:
        """It may bring that about with its own hands; it is closed at its next item."""

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
        """Each single item has its time."""
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
        """An item's time is not that of each of its waits."""
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
        """The caller's time is for the whole stream."""
        reader = Reader(self.source.wait(), seconds=9)
        for _ in range(2):
            reader.clock.advance(4)
            self.source.waits[-1].callback(b"x")
        reader.clock.advance(1.1)
        self.assertEqual((reader.codes, len(reader.items())), ([504], 2))

    def test_waits_while_it_cleans_up(self) -> None:
        """It may wait in its "finally"; the reader does not wait for that. It counts until it is done."""
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
        """One that goes on all the same is closed at its next item, which nobody gets."""
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
        """One that goes on, and waits when it is closed for that, leaves no timer for an item behind."""
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
        """What goes wrong there is told, whether it was waiting or held up."""
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
        """One that gives an item instead of ending is told to the log, and ends."""

        async def clinging() -> _Items:
            try:
                yield b"1"
            finally:
                yield b"2"

        reader = Reader(clinging(), 1)
        reader.streaming.cancel(Cancelled())
        self.assertEqual((reader.items(), reader.codes), ([b"1"], [500]))
        self.assertIsInstance(reader.ends[0], RuntimeError)

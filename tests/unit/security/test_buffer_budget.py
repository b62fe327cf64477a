"""The budget for what unauthenticated peers send, and for what they do not take."""

from __future__ import annotations

from collections.abc import Awaitable

from msgspec.structs import replace
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.config.settings import Limits
from unixsvc.errors import Unavailable
from unixsvc.security.buffer_budget import BufferBudget, Room
from unixsvc.security.waiting_requests import Wait

_MIB = 1 << 20
_LIMITS = Limits(max_message_bytes=_MIB, max_buffered_bytes=9 * _MIB)  # paused above 6 MiB


async def _awaiting(waited: Awaitable[None]) -> None:
    await waited


class Holder:
    """A connection.

    :ivar events: the calls of the budget.
    """

    def __init__(self, budget: BufferBudget) -> None:
        self._budget = budget
        self.delayed = False
        self.events: list[str] = []

    def hold(self, size: int) -> Room:
        """Hold so many bytes."""
        return self._budget.hold(self, size)

    def resume_reading(self) -> None:
        """Note it."""
        self.events.append("resumed")

    def expire(self) -> None:
        """Note it, and hold nothing more."""
        self.events.append("expired")
        self.hold(0)


class Sender:
    """A connection whose peer does not take its replies.

    :ivar left: the number of bytes that the peer has not taken.
    :ivar expired: true if it was aborted.
    """

    def __init__(self, budget: BufferBudget) -> None:
        self._budget = budget
        self.left = 0
        self.expired = False

    def hold(self, size: int) -> bool:
        """Have so many bytes wait."""
        self.left = size
        return self._budget.hold_unsent(self, size)

    def unsent(self) -> int:
        """The number of bytes."""
        return self.left

    def expire(self) -> None:
        """Note it; the memory is free later."""
        self.expired = True


class BudgetTestCase(SynchronousTestCase):
    """A test case with a budget."""

    def setUp(self) -> None:
        """An empty budget."""
        self.refused = 0
        self.wait: Wait | None = None
        self.budget = BufferBudget(_LIMITS, self._refused, self._hold_back)

    def _refused(self) -> None:
        self.refused += 1

    def _hold_back(self, wait: Wait | None) -> None:
        self.wait = wait

    def senders(self, count: int, size: int) -> list[Sender]:
        """Connections with so many unsent bytes each."""
        found = [Sender(self.budget) for _ in range(count)]
        for each in found:
            self.assertTrue(each.hold(size))
        return found

    def request(self) -> Deferred[None]:
        """A request that is held back."""
        assert self.wait is not None
        return ensureDeferred(_awaiting(self.wait()))

    def holders(self, count: int, size: int = 0) -> list[Holder]:
        """Connections that hold so much each, and may read on."""
        found = [Holder(self.budget) for _ in range(count)]
        for each in found:
            self.assertIs(each.hold(size), Room.ENOUGH)
        return found

    def check(self, *times: float) -> None:
        """Check at these times."""
        for each in times:
            self.budget.check(each)


class BudgetTests(BudgetTestCase):
    """Which connections read on, which wait, and which are refused."""

    def test_below(self) -> None:
        """Up to three quarters of the budget without one message, every connection reads on."""
        self.holders(6, _MIB)
        self.assertTrue(self.budget.has_room(2 * _MIB))

    def test_waits(self) -> None:
        """Above that, a connection that has received more waits; it goes on when another is done."""
        first, *_ = self.holders(6, _MIB)
        late = Holder(self.budget)
        self.assertIs(late.hold(1000), Room.LATER)
        self.assertEqual(late.events, [])
        first.hold(0)
        self.assertEqual(late.events, ["resumed"])
        self.assertIs(late.hold(2000), Room.ENOUGH)

    def test_grows(self) -> None:
        """So does one that was there before and has received more."""
        holders = self.holders(7, _MIB * 6 // 7)
        self.assertIs(holders[3].hold(_MIB), Room.LATER)

    def test_in_turn(self) -> None:
        """Those that wait go on in the order in which they came, and only as many as there is room for."""
        first, second, *_ = self.holders(6, _MIB)
        waiting = [Holder(self.budget) for _ in range(8)]
        for each in waiting:
            self.assertIs(each.hold(100_000), Room.LATER)
        first.hold(0)
        self.assertEqual([each.events for each in waiting], [["resumed"]] + [[]] * 7)
        second.hold(0)
        self.assertEqual([each.events for each in waiting], [["resumed"]] * 5 + [[]] * 3)

    def test_never_all(self) -> None:
        """One connection always goes on, as no other would make room."""
        first, *others = self.holders(6, _MIB)
        late = Holder(self.budget)
        late.hold(1000)
        for each in others:
            each.hold(_MIB + 1)
        self.assertIs(first.hold(_MIB + 1), Room.ENOUGH)

    def test_exhausted(self) -> None:
        """What does not fit is refused at once; the size of one message is kept for one that has waited."""
        first, *_ = holders = self.holders(6, _MIB)
        for each in holders:
            each.delayed = True
        late, other, refused = Holder(self.budget), Holder(self.budget), Holder(self.budget)
        self.assertIs(late.hold(_MIB), Room.LATER)
        self.assertIs(other.hold(_MIB), Room.LATER)
        self.assertTrue(self.budget.has_room(0))
        self.assertIs(refused.hold(1), Room.NONE)
        self.assertEqual(self.refused, 1)
        self.assertFalse(self.budget.has_room(1))
        refused.hold(0)
        first.hold(0)
        self.assertEqual(late.events, [])
        self.check(0.0, 1.0)
        self.assertEqual(late.events, ["resumed"])
        refused.hold(_MIB)
        self.assertIs(late.hold(2 * _MIB), Room.LATER)

    def test_gone(self) -> None:
        """A connection that is lost while it waits is forgotten."""
        first, *_ = self.holders(6, _MIB)
        late, next_one = Holder(self.budget), Holder(self.budget)
        late.hold(1)
        next_one.hold(1)
        late.hold(0)
        first.hold(0)
        self.assertEqual((late.events, next_one.events), ([], ["resumed"]))

    def test_small(self) -> None:
        """The budget has room for at least four messages, whatever is configured."""
        self.budget = BufferBudget(Limits(max_message_bytes=4 * _MIB, max_buffered_bytes=_MIB))
        self.holders(2, 4 * _MIB)
        self.assertIs(Holder(self.budget).hold(_MIB), Room.ENOUGH)
        self.assertIs(Holder(self.budget).hold(1), Room.LATER)


class StalledTests(BudgetTestCase):
    """Peers that make no progress while others wait."""

    def test_expires(self) -> None:
        """After a second, the oldest ones are refused, but no more than are needed."""
        holders = self.holders(6, _MIB)
        late = Holder(self.budget)
        late.hold(1)
        self.check(0.0, 0.9)
        self.assertEqual([each.events for each in holders], [[]] * 6)
        self.check(1.0)
        self.assertEqual([each.events for each in holders], [["expired"]] + [[]] * 5)
        self.assertEqual((late.events, self.refused), (["resumed"], 1))

    def test_no_pressure(self) -> None:
        """While no other waits, a peer may take its time."""
        holders = self.holders(6, _MIB)
        self.check(0.0, 1.0, 100.0)
        self.assertEqual([each.events for each in holders], [[]] * 6)

    def test_new_pressure(self) -> None:
        """The second starts again when others wait again."""
        first, *_ = self.holders(6, _MIB)
        late = Holder(self.budget)
        late.hold(1)
        self.check(0.0)
        late.hold(0)
        self.check(5.0)
        late.hold(1)
        self.check(10.0, 10.5)
        self.assertEqual(first.events, [])

    def test_progress(self) -> None:
        """A peer that sends a kilobyte in a second is kept, one that sends single bytes is not."""
        for step, outcome in ((1024, []), (1, ["expired"])):
            self.budget = BufferBudget(_LIMITS)
            (sender,) = self.holders(1, _MIB)
            late = Holder(self.budget)
            self.assertIs(late.hold(6 * _MIB), Room.LATER)
            for second in range(3):
                self.check(second)
                if not sender.events:
                    sender.hold(_MIB + step * (second + 1))
            self.assertEqual(sender.events, outcome)

    def test_delayed(self) -> None:
        """A peer whose request the server is still working on is not refused."""
        holders = self.holders(6, _MIB)
        holders[0].delayed = True
        Holder(self.budget).hold(1)
        self.check(0.0, 1.0)
        self.assertEqual((holders[0].events, holders[1].events), ([], ["expired"]))

    def test_no_starvation(self) -> None:
        """Peers that are not refused do not keep the others waiting: those go on after a second."""
        for each in self.holders(6, _MIB):
            each.delayed = True
        late = Holder(self.budget)
        late.hold(1)
        self.check(0.0)
        self.assertEqual(late.events, [])
        self.check(1.0)
        self.assertEqual(late.events, ["resumed"])


class UnsentTests(BudgetTestCase):
    """Replies that wait for peers that do not take them."""

    def test_shared(self) -> None:
        """They are counted together with what is received."""
        self.senders(3, _MIB)
        self.holders(3, _MIB)
        self.assertIs(Holder(self.budget).hold(1), Room.LATER)

    def test_held_back(self) -> None:
        """Above three quarters requests are held back, and released in their order when a peer has read."""
        first, *_ = self.senders(6, _MIB)
        self.assertIsNone(self.wait)
        self.senders(1, 1)
        one, two = self.request(), self.request()
        self.assertNoResult(one)
        first.hold(_MIB // 2)
        self.successResultOf(one)
        self.successResultOf(two)
        self.assertIsNone(self.wait)

    def test_in_turn(self) -> None:
        """No more are released at once than there is room for; new ones wait behind the others."""
        first, second, *_ = self.senders(7, _MIB)
        waiting = [self.request() for _ in range(8)]
        first.hold(0)
        self.assertEqual([each.called for each in waiting], [True] + [False] * 7)
        second.hold(0)
        self.assertEqual([each.called for each in waiting], [True] * 6 + [False] * 2)
        self.assertIsNotNone(self.wait)
        self.check(0.0)
        self.assertIsNone(self.wait)

    def test_reply_at_once(self) -> None:
        """A released request whose reply has to wait as well keeps the others back."""
        first, *_ = self.senders(7, _MIB)
        one, two = self.request(), self.request()
        one.addCallback(lambda _: self.senders(1, 2 * _MIB))
        first.hold(0)
        self.assertTrue(one.called)
        self.assertNoResult(two)

    def test_received_only(self) -> None:
        """What is received holds back no whole request: its reply may well be sent at once."""
        self.holders(6, _MIB)
        Holder(self.budget).hold(1)
        self.assertIsNone(self.wait)

    def test_no_room(self) -> None:
        """What exceeds the budget without one message is refused."""
        self.senders(8, _MIB)
        self.assertEqual(self.refused, 0)
        self.assertFalse(Sender(self.budget).hold(1))
        self.assertEqual(self.refused, 1)

    def test_may_send(self) -> None:
        """A reply that would exceed it is refused before it is written."""
        self.senders(7, _MIB)
        self.assertTrue(self.budget.may_send(_MIB))
        self.assertFalse(self.budget.may_send(_MIB + 1))
        self.assertEqual(self.refused, 1)

    def test_queue_limit(self) -> None:
        """Half of the pending requests may wait; further ones get 503."""
        self.budget = BufferBudget(replace(_LIMITS, max_inflight=4), hold_back=self._hold_back)
        self.senders(7, _MIB)
        self.assertEqual([self.request().called for _ in range(2)], [False, False])
        self.assertRaises(Unavailable, self.request)

    def test_expires(self) -> None:
        """After a second, peers that take nothing are refused, the oldest first, no more than are needed."""
        senders = self.senders(7, _MIB)
        waiting = self.request()
        self.check(0.0, 0.9)
        self.assertEqual([each.expired for each in senders], [False] * 7)
        self.check(1.0)
        self.assertEqual([each.expired for each in senders], [True] * 2 + [False] * 5)
        self.assertNoResult(waiting)  # until the memory is free
        senders[0].hold(0)
        self.successResultOf(waiting)

    def test_no_pressure(self) -> None:
        """While nothing waits for room, a peer may take its time."""
        senders = self.senders(7, _MIB)
        self.check(0.0, 1.0, 100.0)
        self.assertFalse(any(each.expired for each in senders))

    def test_progress(self) -> None:
        """A peer that takes a kilobyte in a second is kept."""
        first, second, *_ = self.senders(7, _MIB)
        self.request()
        for second_number in range(3):
            self.check(second_number)
            first.left -= 1024
            second.left -= 1
        self.assertEqual((first.expired, second.expired), (False, True))

    def test_partial_messages_wait(self) -> None:
        """They are refused also for partial messages that wait, which go on when the memory is free."""
        senders = self.senders(6, _MIB)
        self.holders(1, 0)
        one, late = Holder(self.budget), Holder(self.budget)
        self.assertIs(one.hold(1), Room.ENOUGH)
        self.assertIs(late.hold(1), Room.LATER)
        self.check(0.0, 1.0)
        self.assertEqual([each.expired for each in senders], [True] + [False] * 5)
        senders[0].hold(0)
        self.assertEqual(late.events, ["resumed"])

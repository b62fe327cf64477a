"""Calls of the Twisted client that share a connection: coalesced writes, deadlines, and first attempts."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred

from tests.unit.client.twisted.test_client import ClientTestCase, Item
from unixsvc.errors import BadGateway, DeadlineExceeded, NotFound, Unavailable


def replies(*numbers: int) -> bytes:
    """Replies to these calls."""
    return b"".join(b'{"id":%d,"code":200,"data":%d}\n' % (each, each) for each in numbers)


class CoalescedWritesTests(ClientTestCase):
    """On one connection."""

    def setUp(self) -> None:
        """Make a connection, and record each write."""
        super().setUp()
        self.client._pool._limit = 1
        first = self.client.get("/first")
        self.receive(replies(1))
        self.successResultOf(first)
        self.writes: list[bytes] = []
        self.reactor.adopted[0][0].multiplexer._write = self.writes.append

    def call_with_followers(self, path: str, times: int = 1, **data: Any) -> Deferred[Any]:
        """Make a call whose callback makes others."""

        def ask(result: Any) -> Any:
            for _ in range(times):
                self.client.get(path, **data)
            return result

        return self.client.get("/item/7").addCallback(ask)

    def test_one_write(self) -> None:
        """Calls made because of replies in one read are sent in one write; others at once."""
        asked = [self.call_with_followers(f"/{number}") for number in range(3)]
        self.assertEqual(len(self.writes), 3)
        self.receive(replies(4, 2, 3))
        (together,) = self.writes[3:]
        self.assertEqual([together.count(each) for each in (b"/0", b"/1", b"/2", b"\n")], [1, 1, 1, 3])
        self.assertEqual([self.successResultOf(each) for each in asked], [2, 3, 4])
        self.client.get("/after")
        self.assertEqual(len(self.writes), 5)

    def test_bounded(self) -> None:
        """Large messages are not held back."""
        self.call_with_followers("/long", times=9, text="x" * 4000)
        self.call_with_followers("/short")
        self.receive(replies(2, 3))
        lengths = [len(each) for each in self.writes[2:]]
        self.assertEqual(len(lengths), 2)
        self.assertTrue(16_384 < lengths[0] < 24_000)
        self.assertEqual(b"".join(self.writes[2:]).count(b"\n"), 10)

    def test_closed_meanwhile(self) -> None:
        """Messages that were held back are sent before the connection is closed."""
        called = self.client.get("/one")
        other = self.client.get("/never")
        closed: list[int] = []

        def close(result: Any) -> None:
            other.cancel()
            self.client.close()
            closed.append(len(self.writes))

        called.addCallback(close)
        self.client.get("/two")
        self.receive(replies(2, 4))
        self.failureResultOf(other, CancelledError)
        self.assertEqual((closed, self.writes[-1]), ([4], b'{"id":3,"cancel":true}\n'))

    def test_deadlines(self) -> None:
        """Each call has its own deadline; without pending calls there is no delayed call."""
        calls = [self.client.call("GET", "/never", timeout=each) for each in (4.0, 2.0, 3.0, 1.0)]
        over = []
        for _ in range(4):
            self.assertEqual(len(self.reactor.getDelayedCalls()), 1)
            self.reactor.advance(0.9)
            over.append([each.called for each in calls])
            self.reactor.advance(0.1)
            over.append([each.called for each in calls])
        ended = [[number for number, each in enumerate(row) if each] for row in over]
        self.assertEqual(ended, [[], [3], [3], [1, 3], [1, 3], [1, 2, 3], [1, 2, 3], [0, 1, 2, 3]])
        for each in calls:
            self.failureResultOf(each, DeadlineExceeded)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_first_try(self) -> None:
        """The first attempt on an open connection fails like any other."""
        missing, wrong = self.client.get("/item/7"), self.client.call("GET", "/item/7", type=Item)
        posted = self.client.post("/item")
        self.receive(
            b'{"id":2,"status":"error","code":404,"message":"Not found","detail":"no"}\n' + replies(3)
        )
        self.assertFails(missing, NotFound)
        self.assertFails(wrong, BadGateway)
        self.lose()
        self.assertIn("may have run", str(self.assertFails(posted, Unavailable)))

    def test_time_is_one(self) -> None:
        """A second attempt has the time that the first has left; the caller can still cancel the call."""
        called, other = (self.client.call("GET", each, timeout=2.0) for each in ("/item/7", "/other"))
        self.reactor.advance(1.5)
        self.lose()
        self.reactor.advance(0.01)
        sent = {each["path"]: each for each in self.sent(1)}  # in random order
        self.assertAlmostEqual(sent["/item/7"]["timeout"], 0.49)
        other.cancel()
        self.failureResultOf(other, CancelledError)
        self.assertEqual(self.sent(1), [{"id": sent["/other"]["id"], "cancel": True}])
        self.reactor.advance(0.49)
        self.assertEqual(self.assertFails(called, DeadlineExceeded).detail, "no answer within 2 s")

    def test_budget(self) -> None:
        """A call is counted once in the retry budget."""
        self.client._budget.spent = 90.0
        self.client.get("/item/7").addErrback(lambda _: None)
        self.assertAlmostEqual(self.client._budget.spent, 89.8)
        self.lose()
        self.reactor.advance(0.01)
        self.assertAlmostEqual(self.client._budget.spent, 90.8)

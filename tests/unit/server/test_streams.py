"""Streams on a connection, beside each other and other requests."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.domain.test_handle_message import FakeDependencies
from tests.unit.support.memory_connection import ServerConnection
from unixsvc.config.settings import Limits, Security
from unixsvc.domain.handle_message import HandleMessage
from unixsvc.domain.message import Reply, Request
from unixsvc.errors import NotFound
from unixsvc.server.pending import MAX_PENDING, MAX_STREAMS


class Sources(FakeDependencies):
    """Answers ``/count`` with the numbers to its data's ``to``, ``/wait`` with what is awaited, else at once.

    :ivar given: how many numbers were made.
    :ivar cleaned: how many streams have cleaned up.
    :ivar waiting: what streams wait for, in their order.
    """

    def __init__(self) -> None:
        super().__init__()
        self.given = 0
        self.cleaned = 0
        self.waiting: list[Deferred[Any]] = []

    async def handle(self, request: Request) -> Reply:
        """Answer by the path."""
        data = json.loads(bytes(request.data))
        if request.path == "/count":
            return Reply(items=self._count(**data))
        if request.path == "/wait":
            return Reply(items=self._wait())
        if request.path == "/later":
            self.waiting.append(Deferred())
            await self.waiting[-1]
            return Reply(items=self._count(2))
        if request.path == "/stubborn":
            await Deferred(lambda deferred: deferred.callback(None))  # it cannot be cancelled
            return Reply(items=self._count(2))
        return Reply(200, bytes(request.data))

    async def _count(self, to: int, size: int = 0, fails: bool = False) -> AsyncGenerator[bytes, None]:
        try:
            for each in range(to):
                self.given += 1
                yield json.dumps("x" * size if size else each).encode()
            if fails:
                raise NotFound("the rest")
        finally:
            self.cleaned += 1

    async def _wait(self) -> AsyncGenerator[bytes, None]:
        try:
            while True:
                self.waiting.append(Deferred())
                yield await self.waiting[-1]
        finally:
            self.cleaned += 1


def count(id: Any, to: int, credit: int | None = None, **data: Any) -> dict[str, Any]:
    """A request for a stream of numbers."""
    fields = {} if credit is None else {"credit": credit}
    return {"id": id, "path": "/count", "data": {"to": to, **data}} | fields


class StreamTestCase(SynchronousTestCase):
    """A test with a client and a service with streams."""

    limits = Limits(idle_timeout=20)

    def setUp(self) -> None:
        """A client."""
        self.sources = Sources()
        around = self.sources
        self.handle = HandleMessage(around, around, around, around, max_inflight=9999, request_timeout=30.0)
        self.client = ServerConnection(self.limits, Security(token="off"), self.handle)

    def codes(self) -> list[int]:
        """The codes of the replies since the last call, without the items."""
        return [each["code"] for each in self.client.received() if "more" not in each]

    def data(self, id: Any) -> list[Any]:
        """The items of a stream since the last call."""
        return [each["data"] for each in self.client.received() if each["id"] == id and "more" in each]

    def assert_counted(self, *codes: int) -> None:
        """Check the metrics; nothing is in flight."""
        counted = [code for code, _ in self.sources.counted]
        self.assertEqual((counted, self.handle.inflight), (list(codes), 0))


class ItemTests(StreamTestCase):
    """Items and the end of a stream."""

    def test_items(self) -> None:
        """Each item has the id; an envelope without data ends the stream and frees the id."""
        for each in (7, "x"):
            self.client.send(count(each, 2))
            self.assertEqual(
                self.client.received(),
                [
                    {"id": each, "more": True, "data": 0},
                    {"id": each, "more": True, "data": 1},
                    {"id": each, "code": 200, "data": None},
                ],
            )
        self.client.send(count(7, 0))
        self.assertEqual(self.client.received(), [{"id": 7, "code": 200, "data": None}])
        self.assert_counted(200, 200, 200)

    def test_failure(self) -> None:
        """A failure ends the stream after its items."""
        self.client.send(count(1, 1, fails=True))
        item, end = self.client.received()
        self.assertEqual((item["data"], end["code"], end["detail"]), (0, 404, "the rest"))
        self.assert_counted(404)

    def test_no_id(self) -> None:
        """Without an id it is 400, which names the field, in the order of the bare replies."""
        self.client.send({"path": "/count", "data": {"to": 2}}, {"path": "/later"}, {"path": "/now"})
        [refused] = self.client.received()
        self.assertEqual((refused["code"], refused["detail"][0]["field"]), (400, "id"))
        self.sources.waiting[0].callback(None)
        refused, now = self.client.received()
        self.assertEqual((refused["code"], now), (400, {}))
        self.assertEqual(self.sources.given, 0)
        self.assert_counted(400, 200, 400)

    def test_oneway(self) -> None:
        """A oneway stream is 400, which is counted and not sent."""
        for named in ({}, {"id": 3}):
            for path in ("/count", "/later"):
                self.client.send({"path": path, "data": {"to": 2}, "oneway": True, **named})
        for each in self.sources.waiting:
            each.callback(None)
        self.assertEqual((self.client.received(), self.sources.given), ([], 0))
        self.assert_counted(400, 400, 400, 400)

    def test_one_message_exchange(self) -> None:
        """A client of the original system gets 400, and the end."""
        self.client.raw(b'{"path":"/count","data":{"to":1}}')
        self.assertEqual(self.codes(), [400])
        self.assertEqual(self.client.transport.closed, "lose")

    def test_suspended_action(self) -> None:
        """A suspended action may become a stream; credit and cancel reach it."""
        self.client.send({"id": 1, "path": "/later", "credit": 1})
        self.sources.waiting[0].callback(None)
        self.assertEqual(self.data(1), [0])
        self.client.send({"id": 1, "cancel": True})
        self.assertEqual(self.codes(), [499])
        self.assert_counted(499)

    def test_cancelled_before_start(self) -> None:
        """An action that becomes a stream after its cancel is not started, and not in flight."""
        self.client.send({"id": 1, "path": "/stubborn"})
        self.client.connection.connectionLost()
        self.client.turn(1)
        self.assertEqual(self.sources.given, 0)
        self.assert_counted(499)

    def test_other_requests(self) -> None:
        """Other requests are answered between the turns of a stream that never waits."""
        self.client.send(count(1, 1000), {"id": 2, "path": "/now"})
        received = self.client.received()
        self.assertEqual((len(received), received[-1]["id"]), (65, 2))
        self.client.turn()
        self.assertEqual(len(self.data(1)), 1000 - 64)


class CreditTests(StreamTestCase):
    """Streams with credit."""

    def test_credit(self) -> None:
        """No more items are made than there is credit; other requests are answered meanwhile."""
        self.client.send(count(1, 5, 2), {"id": 2, "path": "/now"})
        self.assertEqual([each["id"] for each in self.client.received()], [1, 1, 2])
        self.client.send({"id": 1, "credit": 1})
        self.client.turn()
        self.assertEqual((self.data(1), self.sources.given), ([2], 3))
        self.client.send({"id": 1, "credit": 10})
        self.client.turn()
        self.assertEqual(len(self.client.received()), 3)
        self.assert_counted(200, 200)

    def test_crossed(self) -> None:
        """Credit for an id that is not a pending stream is ignored."""
        self.client.send(count(1, 1, 9))
        self.client.received()
        self.client.send({"id": 1, "credit": 1}, {"id": "new", "credit": 3}, {"id": 1, "credit": 0})
        self.client.turn()
        self.assertEqual(self.client.received(), [])
        self.assert_counted(200)

    def test_id_in_use(self) -> None:
        """A request with credit is a request, and its id must not be in use."""
        self.client.send(count(1, 5, 0), count(1, 5, 1))
        self.assertEqual(self.codes(), [400])
        self.assertEqual(self.sources.given, 0)

    def test_wrong_types(self) -> None:
        """Credit that is not a number of items is 400."""
        wrong: Any
        for wrong in (-1, "1", 1.5, True, []):
            self.client.send({"id": 1, "path": "/count", "credit": wrong})
            [refused] = self.client.received()
            self.assertEqual((refused["code"], refused["detail"][0]["field"]), (400, "credit"))

    def test_many(self) -> None:
        """The server reads on while 128 streams wait for credit, and refuses further ones."""
        self.client.send(*[count(n, 1, 0) for n in range(MAX_STREAMS + 1)])
        self.client.turn()
        self.assertEqual(self.codes(), [503])
        self.assertTrue(self.client.transport.reading)
        self.client.send({"id": 5, "credit": 2}, {"id": "now", "path": "/now"})
        self.client.turn()
        self.assertEqual(self.codes(), [200, 200])
        self.client.send(count("one", 1))
        self.assertEqual(self.codes(), [200])

    def test_separate_limit(self) -> None:
        """Streams do not count among the 128 pending requests."""
        self.client.send(*[count(f"s{n}", 1, 0) for n in range(MAX_STREAMS - 1)])
        self.client.turn()
        self.client.send(*[{"id": n, "path": "/later"} for n in range(MAX_PENDING - 1)])
        self.client.turn()
        self.client.send(count("more", 1, 0))
        self.assertTrue(self.client.transport.reading)
        self.client.send({"id": "last", "path": "/later"})
        self.assertFalse(self.client.transport.reading)


class BackPressureTests(StreamTestCase):
    """A client that does not take its items."""

    def test_full(self) -> None:
        """No more items are made than the transport takes; it goes on when the client has taken them."""
        self.client.transport.slow = True
        self.client.send(count(1, 100, size=40_000))
        self.client.turn(3)
        self.assertEqual(self.sources.given, 2)
        for _ in range(3):
            self.client.connection.resumeProducing()
            self.client.turn()
        self.assertEqual(self.sources.given, 8)

    def test_idle(self) -> None:
        """A client that takes nothing is aborted after the idle time-out, and its stream is closed."""
        self.client.transport.slow = True
        self.client.send(count(1, 1000))
        self.client.turn(19)
        self.assertEqual(self.client.transport.closed, "")
        self.client.turn(3)
        self.assertEqual(self.client.transport.closed, "abort")
        self.client.connection.connectionLost()
        self.assertEqual(self.sources.cleaned, 1)
        self.assert_counted(499)

    def test_slow_but_not_idle(self) -> None:
        """A client that takes items or grants credit is not idle."""
        self.client.transport.slow = True
        self.client.send(count(1, 10_000))
        for _ in range(5):
            self.client.turn(15)
            self.client.connection.resumeProducing()
        self.assertEqual(self.client.transport.closed, "")
        self.setUp()
        self.client.send(count(1, 10_000, 1))
        for _ in range(5):
            self.client.turn(15)
            self.client.send({"id": 1, "credit": 1})
        self.assertEqual(self.client.transport.closed, "")
        self.client.turn(25)
        self.assertEqual(self.client.transport.closed, "abort")


class EndTests(StreamTestCase):
    """How streams are stopped."""

    def start_three(self) -> None:
        """One stream that waits, one without credit, one between its turns."""
        self.client.send({"id": 1, "path": "/wait"}, count(2, 5, 1), count(3, 1000))
        self.client.received()

    def test_cancel(self) -> None:
        """A cancel ends each with 499, and each has cleaned up."""
        self.start_three()
        self.client.send(*[{"id": each, "cancel": True} for each in (1, 2, 3)])
        self.assertEqual(self.codes(), [499, 499, 499])
        self.assertEqual(self.sources.cleaned, 3)
        self.assert_counted(499, 499, 499)
        self.client.turn(1)
        self.assertEqual(self.client.received(), [])

    def test_lost(self) -> None:
        """A disconnect closes all of them, and nothing is written."""
        self.start_three()
        self.client.connection.connectionLost()
        self.client.turn(1)
        self.assertEqual((self.client.received(), self.sources.cleaned), ([], 3))
        self.assert_counted(499, 499, 499)

    def test_half_close(self) -> None:
        """A client that has shut down its sending side gets its stream to the end."""
        self.client.send(count(1, 100))
        self.client.connection.readConnectionLost()
        self.assertEqual(self.client.transport.closed, "")
        self.client.turn()
        self.assertEqual((len(self.client.received()), self.client.transport.closed), (101, "lose"))

    def test_abort(self) -> None:
        """An abort ends each with 503 and closes the connection."""
        self.start_three()
        self.client.connection.abort()
        self.assertEqual(self.codes(), [503, 503, 503])
        self.assertEqual((self.sources.cleaned, self.client.transport.closed), (3, "lose"))

    def test_draining(self) -> None:
        """A draining connection serves its streams until they end."""
        self.client.send(count(2, 5, 1))
        self.client.registry.drain(wait_for_idle=False)
        self.client.turn(5)
        self.assertEqual(self.client.transport.closed, "")
        self.assertIn({"goaway": True}, self.client.received())
        self.client.send({"id": 2, "credit": 9})
        self.client.turn(1)
        self.assertEqual(self.codes(), [200])
        self.client.turn(2)
        self.assertEqual(self.client.transport.closed, "lose")

    def test_deadline(self) -> None:
        """The caller's time ends it with 504, wanted or not."""
        self.client.send(count(2, 5, 1) | {"timeout": 3})
        self.client.turn(2)
        self.assertEqual(self.codes(), [])
        self.client.turn(2)
        self.assertEqual(self.codes(), [504])
        self.assert_counted(504)

    def test_request_timeout(self) -> None:
        """The server's own limit is for each item."""
        self.client.send({"id": 1, "path": "/wait"})
        for _ in range(3):
            self.client.turn(29)
            self.sources.waiting[-1].callback(b"0")
        self.assertEqual((self.codes(), self.client.transport.closed), ([], ""))  # nor was it idle
        self.client.turn(31)
        self.assertEqual(self.codes(), [504])

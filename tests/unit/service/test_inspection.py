"""The requests in flight of a service in this process."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from unixsvc import GET, App, Cancelled
from unixsvc.config.settings import Limits, Security, ServiceSettings
from unixsvc.domain.notable import NotedRequest
from unixsvc.service.inspection.model import Cancellation, RequestInFlight
from unixsvc.testing.host import MemoryHost

_caught: list[str] = []


async def wait(id: int) -> None:
    """Wait until the request is cancelled."""
    try:
        await Deferred()
    except Cancelled:
        _caught.append(f"{id} was cancelled")
        raise


async def shielded() -> None:
    """Wait whatever the caller does."""
    await Deferred()


class InspectionTests(SynchronousTestCase):
    """A service with one client."""

    def setUp(self) -> None:
        """Connect the client."""
        app = App([GET("/wait/{id:int}", wait), GET("/shielded", shielded, shield=True)])
        memory = MemoryHost(app, ServiceSettings("x:app"), Limits(), Security(token="off"))
        self.clock = memory.clock
        self.host = self.successResultOf(memory.when_started())
        self.host.listen(probe=False)
        self.protocol, self.transport = memory.endpoint.connect()
        _caught.clear()

    def send(self, **message: Any) -> None:
        """Send a request."""
        self.protocol.dataReceived(json.dumps(message).encode() + b"\n")

    def inspect(self, topic: str, kind: Any, **options: str) -> Any:
        """The answer to a question."""
        asked = Deferred.fromCoroutine(self.host.inspect(topic, options))
        return msgspec.json.decode(self.successResultOf(asked), type=kind)

    def listed(self) -> list[RequestInFlight]:
        """The requests in flight."""
        found: list[RequestInFlight] = self.inspect("requests", list[RequestInFlight])
        return found

    def test_requests(self) -> None:
        """Each request has its route, its age, the time that is left, and the place where it waits."""
        self.send(id=1, path="/wait/7?secret=1", meta={"request_id": "first"}, timeout=10)
        self.clock.advance(2)
        self.send(id=2, path="/wait/8", meta={"request_id": "second"})
        self.clock.advance(1)
        first, second = self.listed()
        self.assertEqual((first.id, first.route, first.path), ("first", "GET /wait/{id:int}", "/wait/7"))
        self.assertEqual((first.kind, first.age, first.deadline), ("call", 3.0, 7.0))
        self.assertEqual((second.id, second.age, second.deadline), ("second", 1.0, 29.0))
        self.assertIn(f"{__file__}:", first.where)
        self.assertTrue(first.where.endswith(" wait"))
        self.assertEqual(first.stack, (first.where,))

    def test_ended(self) -> None:
        """Requests that are answered or too late are not listed."""
        self.assertEqual(self.listed(), [])
        self.send(id=1, path="/wait/7", timeout=1)
        self.send(id=2, path="/-/ping")
        self.assertEqual(len(self.listed()), 1)
        self.clock.advance(1)
        self.assertEqual(self.listed(), [])

    def test_cancel(self) -> None:
        """The action gets Cancelled, and the caller 499; other requests go on."""
        for number in (1, 2):
            self.send(id=number, path=f"/wait/{number}", meta={"request_id": f"r{number}"})
        self.assertEqual(self.inspect("cancel", Cancellation, request_id="r2"), Cancellation(1))
        [reply] = self.transport.lines()
        self.assertEqual((reply["id"], reply["code"]), (2, 499))
        self.assertEqual(_caught, ["2 was cancelled"])
        self.assertEqual([each.id for each in self.listed()], ["r1"])
        self.assertEqual(self.inspect("cancel", Cancellation, request_id="r2"), Cancellation())

    def test_shielded(self) -> None:
        """A shielded action goes on."""
        self.send(id=1, path="/shielded", meta={"request_id": "r"})
        self.assertTrue(self.listed()[0].shielded)
        self.assertEqual(self.inspect("cancel", Cancellation, request_id="r"), Cancellation(0, 1))
        self.assertEqual(len(self.listed()), 1)

    def test_notable(self) -> None:
        """Requests that have ended are among the slowest, and those with a code of 500 or more the failed."""
        self.send(id=1, path="/wait/7", meta={"request_id": "late"}, timeout=1)
        self.clock.advance(1)
        self.send(id=2, path="/-/ping", meta={"request_id": "quick"})
        slowest = self.inspect("slowest", list[NotedRequest])
        self.assertEqual([(each.id, each.route) for each in slowest[:1]], [("late", "GET /wait/{id:int}")])
        self.assertIn("quick", [each.id for each in slowest])
        failed = self.inspect("failed", list[NotedRequest])
        self.assertEqual([(each.id, each.code, each.seconds) for each in failed], [("late", 504, 1.0)])

    def test_unknown(self) -> None:
        """An unknown topic is an error."""
        self.failureResultOf(Deferred.fromCoroutine(self.host.inspect("weather", {})), LookupError)

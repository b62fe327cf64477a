"""What a service of this process asks of others."""

from __future__ import annotations

import gc
from typing import Any

import svcs
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.datasource.test_unix import FakeServices
from unixsvc import GET, App, Cancelled, DeadlineExceeded, Group, IServices, Request
from unixsvc.domain.request_context import current_request
from unixsvc.errors import ConfigError, Internal
from unixsvc.orchestrator.worker.messages import encode_line
from unixsvc.telemetry.metrics.snapshot import ClientStats
from unixsvc.testing import MemoryService


class CallingController:
    """A controller that calls another service."""

    def __init__(self, services: IServices) -> None:
        self._services = services

    async def ask(self) -> Any:
        """Call the other service."""
        return await self._services.call("shop", "GET", "/x")

    async def remaining(self, request: Request) -> float | None:
        """The remaining time of the current request."""
        return _left(request)


def _left(request: Request) -> float | None:
    current = current_request()
    if current is None:
        return None
    assert current[0] == request
    return current[1]


async def with_container(request: Request, container: svcs.Container) -> float | None:
    """The same, with a container that may provide everything."""
    return _left(request)


class WaitingController:
    """A controller whose actions wait for a Deferred of the test."""

    waits: Deferred[Any]

    async def wait(self) -> Any:
        """Wait."""
        return await self.waits

    async def wait_after_collection(self) -> Any:
        """Wait, after the garbage collector has run."""
        gc.collect()
        return await self.waits

    async def at_once(self) -> int:
        """Return at once."""
        return 1


WAITING = App(
    [
        Group(
            "",
            WaitingController,
            [
                GET("/shielded", WaitingController.wait, shield=True),
                GET("/shielded-after-collection", WaitingController.wait_after_collection, shield=True),
                GET("/plain", WaitingController.wait),
                GET("/at-once", WaitingController.at_once, shield=True),
            ],
        )
    ]
)


class ServicesTests(SynchronousTestCase):
    def remaining(self, service: MemoryService) -> Any:
        """What an action sees of its request."""
        return self.successResultOf(service.call("GET", "/seen", {}, timeout=5))

    def test_given(self) -> None:
        """A controller gets what asks others; a test gives it a fake."""
        fake = FakeServices()
        service = MemoryService(
            App([Group("", CallingController, [GET("/ask", CallingController.ask)])]), services=fake
        )
        asked = service.get("/ask")
        fake.answer.callback(7)
        self.assertEqual(self.successResultOf(asked), 7)
        self.assertEqual(fake.calls[0][:3], ("shop", "GET", "/x"))

    def test_no_fake(self) -> None:
        """Without one, the log says what to do."""
        service = MemoryService(App([Group("", CallingController, [GET("/ask", CallingController.ask)])]))
        self.failureResultOf(service.get("/ask"), Internal)
        [failure] = self.flushLoggedErrors(LookupError)
        self.assertIn("services=", str(failure.value))

    def test_deadline(self) -> None:
        """The deadline of the request that an action serves is known, on the service's clock."""
        asking = MemoryService(
            App([Group("", CallingController, [GET("/seen", CallingController.remaining)])])
        )
        asking.clock.advance(100)
        self.assertEqual(self.remaining(asking), 105)
        self.assertEqual(self.remaining(MemoryService(App([GET("/seen", with_container)]))), 5)

    def test_reported(self) -> None:
        """Which others were asked, and how they do, is in the figures, and takes no room where none was."""
        service_host = self.successResultOf(
            MemoryService(App([GET("/seen", with_container)]))._host.when_started()
        )
        self.assertNotIn(b"services", encode_line(service_host.stats()))
        service_host._core.clients._client("shop")
        self.assertEqual(service_host.stats().services, {"shop": ClientStats(closed=1)})
        shop = service_host._core.statistics.as_json()["services"]["shop"]
        self.assertEqual((shop["open"], shop["calls"], shop["budget"]), (False, 0, 1.0))

    def test_wrong_mount(self) -> None:
        """A mount that hides a route is an error at start."""
        app = App([GET("/users/{id}", with_container)], mounts={"/users": "user"})
        self.assertRaises(ConfigError, MemoryService, app)


class ShieldTests(SynchronousTestCase):
    def setUp(self) -> None:
        """A service."""
        WaitingController.waits = Deferred()
        self.service = MemoryService(WAITING)

    def cancel(self, number: int) -> None:
        """Cancel a request."""
        self.service._send(number, cancel=True)

    def test_cancel(self) -> None:
        """A cancel does not stop a shielded action, whose result is the reply; it stops any other."""
        shielded, waits = self.service.get("/shielded"), WaitingController.waits
        WaitingController.waits = Deferred()
        plain = self.service.get("/plain")
        self.cancel(1)
        self.cancel(2)
        self.assertNoResult(shielded)
        self.failureResultOf(plain, Cancelled)
        waits.callback(7)
        self.assertEqual(self.successResultOf(shielded), 7)

    def test_not_the_next(self) -> None:
        """A shielded action that does not wait leaves the next action unshielded."""
        self.assertEqual(self.successResultOf(self.service.get("/at-once")), 1)
        plain = self.service.get("/plain")
        self.cancel(2)
        self.failureResultOf(plain, Cancelled)

    def test_abandoned(self) -> None:
        """A shielded action that the garbage collector closes leaves the shield of a starting one."""
        gc.disable()
        self.addCleanup(gc.enable)
        MemoryService(WAITING).get("/shielded")
        WaitingController.waits = Deferred()
        shielded = self.service.get("/shielded-after-collection")
        self.cancel(1)
        self.assertNoResult(shielded)

    def test_deadline(self) -> None:
        """A shield does not protect an action from its deadline."""
        shielded = self.service.call("GET", "/shielded", {}, timeout=3)
        self.service.clock.advance(3)
        self.failureResultOf(shielded, DeadlineExceeded)

    def test_drain(self) -> None:
        """A service that drains waits for shielded actions, even if their client has disconnected."""
        self.service.get("/shielded")
        done = self.service.close()
        self.service.clock.pump([0.1] * 20)
        self.assertNoResult(done)
        WaitingController.waits.callback(7)
        self.service.clock.pump([0.1] * 20)
        self.successResultOf(done)

    def test_abort(self) -> None:
        """It does not where its time for draining is over."""
        self.service.get("/shielded").addErrback(lambda _: None)
        done = self.service.close()
        self.service.clock.pump([0.1] * 5)
        self.successResultOf(self.service._host.when_started()).abort()
        self.service.clock.pump([0.1] * 5)
        self.successResultOf(done)

    def test_closed(self) -> None:
        """When the clients have gone, others are asked no more."""
        done = self.service.close()
        self.assertTrue(self.successResultOf(self.service._host.when_started())._core.clients._closed)
        self.successResultOf(done)

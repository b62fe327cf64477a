"""A service in the orchestrator's own process, and the orchestrator's own service."""

from __future__ import annotations

import json
import os
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyClass, verifyObject

from tests.unit.orchestrator.processes import orders_for
from unixsvc import GET, App
from unixsvc.domain.interfaces import IOrchestrator, IServicePool
from unixsvc.errors import ConfigError
from unixsvc.orchestrator.control import control_app
from unixsvc.orchestrator.hosting import Hosted
from unixsvc.orchestrator.inline import Inline
from unixsvc.orchestrator.messages import Status
from unixsvc.orchestrator.service import Orchestrator
from unixsvc.orchestrator.status import PoolFigures, ServiceStatus, WorkerFigures, describe
from unixsvc.telemetry.metrics import Snapshot
from unixsvc.testing import ImmediateRunner, MemoryEndpoint, MemoryService


def hello() -> str:
    """Say hello."""
    return "hello"


class InlineTests(SynchronousTestCase):
    """It looks like a pool."""

    def setUp(self) -> None:
        """A service that is not started."""
        self.clock, self.endpoint = Clock(), MemoryEndpoint()
        self.inline = Inline("home", self.clock, self.make, drain_timeout=5)

    def make(self) -> Hosted:
        """The service itself."""
        return Hosted(orders_for(), App([GET("/", hello)]), self.endpoint, self.clock, ImmediateRunner())

    def ask(self) -> tuple[Any, Any]:
        """Have it answer something; the connection and its transport."""
        connection, transport = self.endpoint.connect()
        token = orders_for().token
        connection.dataReceived(json.dumps({"id": 1, "auth_token": token}).encode() + b"\n")
        self.assertEqual(transport.lines()[0]["data"], "hello")
        return connection, transport

    def test_interface(self) -> None:
        """It is what the orchestrator takes for a service."""
        verifyObject(IServicePool, self.inline)

    def test_serves(self) -> None:
        """Once started it serves, and has figures as a worker has."""
        self.assertEqual(self.inline.figures(), PoolFigures([]))
        self.inline.startService()
        self.successResultOf(self.inline.booted())
        self.ask()
        self.clock.advance(3)
        self.successResultOf(self.inline.refresh())
        [worker] = self.inline.figures().workers
        self.assertEqual((worker.pid, worker.phase, worker.uptime), (os.getpid(), "ready", 3))
        self.assertEqual((worker.status.snapshot.requests, worker.status.connections), (1, 1))

    def test_drains(self) -> None:
        """It is stopped when the last client is gone."""
        self.inline.startService()
        connection, transport = self.ask()
        stopped = self.inline.stopService()
        self.clock.pump([0.1] * 3)
        self.assertEqual(transport.closed, "lose")
        self.assertNoResult(stopped)
        connection.connectionLost()
        self.successResultOf(stopped)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_patience(self) -> None:
        """A client that does not go is cut off after the drain time-out."""
        self.inline.startService()
        _, transport = self.ask()
        self.inline.stopService()
        self.clock.pump([1.0] * 5)
        self.assertEqual(transport.closed, "abort")

    def test_cannot_start(self) -> None:
        """Why it cannot start is said with its name; what an application raises is in the log."""

        def broken() -> Hosted:
            raise RuntimeError("no disk")

        def wrong() -> Hosted:
            raise ConfigError("home:app", "is no App")

        for make, words, logged in ((broken, "RuntimeError: no disk", 1), (wrong, "is no App", 0)):
            inline = Inline("home", self.clock, make)
            inline.startService()
            error = self.failureResultOf(inline.booted(), ConfigError).value
            self.assertIn("services.home", str(error))
            self.assertIn(words, str(error))
            self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), logged)
            self.successResultOf(inline.stopService())


@implementer(IOrchestrator)
class _Orchestrator:
    """Has one service."""

    def register(self, name: str, settings: Any) -> None:
        """Not used."""

    async def status(self) -> dict[str, ServiceStatus]:
        """One service with one worker."""
        worker = WorkerFigures(7, "ready", 1.5, Status(Snapshot(requests=3)))
        return {"home": describe("home:app", PoolFigures([worker]), stopping=False)}


class ControlTests(SynchronousTestCase):
    """What the orchestrator tells."""

    def test_interface(self) -> None:
        """The real one, and the one of this test, are orchestrators."""
        verifyClass(IOrchestrator, Orchestrator)
        verifyObject(IOrchestrator, _Orchestrator())

    def test_status(self) -> None:
        """Every service with the names that scripts read."""
        service = MemoryService(control_app(_Orchestrator()))
        status = self.successResultOf(service.get("/status"))["home"]
        self.assertEqual((status["pid"], status["class"], status["requests"]), (7, "home:app", 3))
        self.assertEqual(status["avgResponseTime"], 0)

    def test_services(self) -> None:
        """A list of what is configured."""
        service = MemoryService(control_app(_Orchestrator()))
        expected = [{"name": "home", "app": "home:app", "status": "ready"}]
        self.assertEqual(self.successResultOf(service.get("/services")), expected)

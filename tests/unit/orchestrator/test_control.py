"""Tests of the control API."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyClass, verifyObject

from unixsvc.config.settings import CONTROL_SERVICE
from unixsvc.errors import ConfigError, Conflict, Internal, Invalid, NotFound, Unauthorized
from unixsvc.orchestrator.control import control_app, control_settings
from unixsvc.orchestrator.interfaces import IOrchestrator
from unixsvc.orchestrator.orchestrator import Orchestrator
from unixsvc.orchestrator.status import PoolSnapshot, ServiceStatus, WorkerSnapshot, describe
from unixsvc.service.spec import StatsReport
from unixsvc.telemetry.metrics import MetricsSnapshot
from unixsvc.testing import MemoryService


@implementer(IOrchestrator)
class FakeOrchestrator:
    """Has one service and records its calls.

    :ivar calls: the calls, in order.
    :ivar answer: the result of each operation.
    """

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.answer: Deferred[None] = succeed(None)

    def register(self, name: str, settings: Any) -> None:
        """Not used."""

    async def status(self) -> dict[str, ServiceStatus]:
        """One service with one worker."""
        worker = WorkerSnapshot(7, "ready", 1.5, StatsReport(MetricsSnapshot(requests=3)), 4)
        return {"home": describe("home:app", PoolSnapshot([worker], problem="no disk"), stopping=False)}

    def healthy(self) -> bool:
        """Its worker is ready."""
        return True

    def reload(self, name: str = "") -> Deferred[None]:
        """Record it."""
        return self._ask("reload", name)

    def start(self, name: str = "") -> Deferred[None]:
        """Record it."""
        return self._ask("start", name)

    def stop(self, name: str = "") -> Deferred[None]:
        """Record it."""
        return self._ask("stop", name)

    def restart(self, name: str = "") -> Deferred[None]:
        """Record it."""
        return self._ask("restart", name)

    def scale(self, name: str, workers: int) -> Deferred[None]:
        """Record it."""
        return self._ask("scale", name, workers)

    def set_log_level(self, level: str) -> None:
        """Record it."""
        self.calls.append(("level", level))

    def _ask(self, *what: Any) -> Deferred[None]:
        self.calls.append(what)
        return self.answer


class ControlTests(SynchronousTestCase):
    """The routes of the control API."""

    def setUp(self) -> None:
        """Serve the control API in memory."""
        self.orchestrator = FakeOrchestrator()
        self.service = MemoryService(control_app(self.orchestrator))

    def test_interface(self) -> None:
        """The orchestrator and the fake provide the interface."""
        verifyClass(IOrchestrator, Orchestrator)
        verifyObject(IOrchestrator, self.orchestrator)

    def test_status(self) -> None:
        """The status of every service has the keys that scripts read."""
        status = self.successResultOf(self.service.get("/status"))["home"]
        self.assertEqual((status["pid"], status["class"], status["requests"]), (7, "home:app", 3))
        self.assertEqual((status["avgResponseTime"], status["problem"]), (0, "no disk"))
        self.assertEqual(status["workers"][0]["generation"], 4)

    def test_services(self) -> None:
        """The configured services are listed."""
        expected = [{"name": "home", "app": "home:app", "status": "ready"}]
        self.assertEqual(self.successResultOf(self.service.get("/services")), expected)

    def test_operations(self) -> None:
        """Operations act on all services or on one; the reply is sent when they are done."""
        for command in "reload", "restart", "start", "stop":
            self.orchestrator.answer = Deferred()
            one = self.service.post(f"/{command}", service="home")
            self.assertNoResult(one)
            self.orchestrator.answer.callback(None)
            self.assertIsNone(self.successResultOf(one))
            self.assertIsNone(self.successResultOf(self.service.post(f"/{command}")))
            self.assertEqual(self.orchestrator.calls, [(command, "home"), (command, "")])
            self.orchestrator.calls.clear()

    def test_scale(self) -> None:
        """The number of workers is validated."""
        self.successResultOf(self.service.post("/scale", service="home", workers=3))
        for wrong in 0, -1, 1025, "many":
            self.failureResultOf(self.service.post("/scale", service="home", workers=wrong), Invalid)
        self.assertEqual(self.orchestrator.calls, [("scale", "home", 3)])

    def test_log_level(self) -> None:
        """The log level is validated."""
        self.successResultOf(self.service.put("/log/level", level="debug"))
        self.failureResultOf(self.service.put("/log/level", level="loud"), Invalid)
        self.assertEqual(self.orchestrator.calls, [("level", "debug")])

    def test_conflict(self) -> None:
        """An operation that cannot succeed is a conflict, with the whole error."""
        error = ConfigError("services.home", "cannot start: no disk", "buy one")
        for command in "reload", "restart", "start", "stop":
            self.orchestrator.answer = fail(error)
            found = self.failureResultOf(self.service.post(f"/{command}"), Conflict).value
            self.assertEqual(found.detail, "services.home: cannot start: no disk; buy one")

    def test_no_such_service(self) -> None:
        """An unknown service is a 404."""
        self.orchestrator.answer = fail(NotFound("there is no service 'hose'; there are: home"))
        found = self.failureResultOf(self.service.post("/start", service="hose"), NotFound).value
        self.assertIn("there are: home", found.detail)

    def test_unexpected_error(self) -> None:
        """An unexpected error is logged and not sent to the client."""
        self.orchestrator.answer = fail(ValueError("secret"))
        found = self.failureResultOf(self.service.post("/reload"), Internal).value
        self.assertIsNone(found.detail)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_token(self) -> None:
        """Every route requires the token."""
        service = MemoryService(control_app(self.orchestrator), token=None)
        for calls in service.get("/status"), service.post("/stop"), service.put("/log/level", level="debug"):
            self.failureResultOf(calls, Unauthorized)
        self.assertEqual(self.orchestrator.calls, [])

    def test_settings(self) -> None:
        """The control API runs inline, with a long request timeout."""
        settings = control_settings()
        self.assertEqual((CONTROL_SERVICE, settings.isolation), ("orchestrator", "inline"))
        self.assertGreaterEqual(settings.request_timeout or 0, 3600)

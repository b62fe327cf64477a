"""Tests of the messages to systemd while the orchestrator runs."""

from __future__ import annotations

from typing import Any, cast

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.support.counted import replies
from unixsvc.config.settings import ServiceSettings
from unixsvc.orchestrator.interfaces import IOrchestrator
from unixsvc.orchestrator.status import PoolSnapshot, ServiceStatus, WorkerSnapshot, describe
from unixsvc.orchestrator.systemd.activation import Activation
from unixsvc.orchestrator.systemd.service import SystemdService, summary
from unixsvc.service.spec import StatsReport


def status_of(*phases: str, requests: int = 0, state: str = "") -> ServiceStatus:
    """A service with workers in these phases."""
    workers = [WorkerSnapshot(None, each, 1.0, StatsReport()) for each in phases]
    stats = PoolSnapshot(workers, replies(requests), state)
    return describe(ServiceSettings("home:app"), stats, stopping=False)


class Notifier:
    """Records the messages to systemd.

    :param listening: whether systemd listens.
    """

    def __init__(self, listening: bool = True) -> None:
        self._listening = listening
        self.messages: list[str] = []
        self.statuses: list[str] = []

    def __bool__(self) -> bool:
        return self._listening

    def ready(self, status: str) -> None:
        """Record it."""
        self.messages.append("ready")
        self.statuses.append(status)

    def reloading(self) -> None:
        """Record it."""
        self.messages.append("reloading")

    def stopping(self) -> None:
        """Record it."""
        self.messages.append("stopping")

    def status(self, text: str) -> None:
        """Record it."""
        self.messages.append(text)

    def alive(self) -> None:
        """Record it."""
        self.messages.append("alive")


class Orchestrator:
    """A fake orchestrator.

    :ivar status_requests: how often its status was requested.
    """

    def __init__(self) -> None:
        self.well = True
        self.status_requests = 0
        self.requests = 0

    def healthy(self) -> bool:
        """As the test has set it."""
        return self.well

    async def status(self) -> dict[str, ServiceStatus]:
        """One service."""
        self.status_requests += 1
        return {"home": status_of("ready", requests=self.requests)}


class SystemdTests(SynchronousTestCase):
    """Messages from the start to the stop."""

    def setUp(self) -> None:
        """Start the service with a watchdog time of six seconds."""
        self.clock, self.orchestrator = Clock(), Orchestrator()
        self.make(Notifier())

    def make(self, notifier: Any, watchdog: float | None = 6.0) -> None:
        """Make and start another one."""
        self.notifier = notifier
        activation = Activation(self.notifier, watchdog, {})
        self.systemd = SystemdService(activation, cast(IOrchestrator, self.orchestrator), self.clock)
        self.systemd.startService()

    def new_messages(self) -> list[str]:
        """The messages since the last call."""
        messages, self.notifier.messages = self.notifier.messages, []
        return list(messages)

    def test_ready(self) -> None:
        """Nothing is sent before all services are ready; then READY and the status."""
        self.clock.advance(60)
        self.assertEqual(self.new_messages(), [])
        self.systemd.ready()
        messages = self.new_messages()
        self.assertEqual(messages[0], "ready")
        self.assertIn("1 services, 1 workers ready; 0 requests, 0/s", messages)

    def test_alive(self) -> None:
        """Watchdog messages are sent three times in the watchdog time."""
        self.systemd.ready()
        self.new_messages()
        self.clock.pump([0.5] * 12)
        self.assertEqual(self.new_messages().count("alive"), 3)

    def test_unhealthy(self) -> None:
        """Without a ready worker of a service, no watchdog message is sent."""
        self.systemd.ready()
        self.orchestrator.well = False
        self.new_messages()
        self.clock.pump([0.5] * 12)
        self.assertNotIn("alive", self.new_messages())
        self.orchestrator.well = True
        self.clock.pump([0.5] * 4)
        self.assertIn("alive", self.new_messages())

    def test_no_watchdog(self) -> None:
        """Without a watchdog time, no watchdog message is sent."""
        self.make(Notifier(), watchdog=None)
        self.systemd.ready()
        self.clock.pump([0.5] * 40)
        self.assertNotIn("alive", self.new_messages())

    def test_status(self) -> None:
        """The status is sent every five seconds, with the requests per second since the last one."""
        self.orchestrator.requests = 50
        self.systemd.ready()
        self.new_messages()
        self.orchestrator.requests = 150
        self.clock.pump([0.5] * 9)
        self.assertEqual([each for each in self.new_messages() if each != "alive"], [])
        self.clock.advance(0.5)
        self.assertIn("1 services, 1 workers ready; 150 requests, 20/s", self.new_messages())

    def test_reload(self) -> None:
        """A reload is announced at its begin and its end; the other messages continue."""
        self.systemd.ready()
        self.new_messages()
        self.systemd.reloading()
        self.systemd.reloaded("")
        self.assertEqual(self.new_messages(), ["reloading", "ready"])
        self.clock.pump([0.5] * 12)
        self.assertEqual(self.new_messages().count("alive"), 3)

    def test_failed_reload(self) -> None:
        """After a failed reload the status tells why, until the next one."""
        failed = "the last reload has failed: services.home: no"
        self.systemd.ready()
        self.systemd.reloading()
        self.new_messages()
        self.systemd.reloaded("services.home: no")
        self.assertEqual(self.notifier.statuses[-1], failed)
        self.clock.pump([0.5] * 10)
        self.assertIn(f"{failed}; 1 services, 1 workers ready; 0 requests, 0/s", self.new_messages())
        self.systemd.reloading()
        self.systemd.reloaded("")
        self.assertEqual(self.notifier.statuses[-1], "ready")
        self.clock.pump([0.5] * 10)
        self.assertIn("1 services, 1 workers ready; 0 requests, 0/s", self.new_messages())

    def test_stop(self) -> None:
        """During a stop, watchdog messages continue, healthy or not; the status is not sent."""
        self.systemd.ready()
        self.new_messages()
        self.systemd.stopping()
        self.systemd.stopService()
        self.orchestrator.well = False
        self.clock.pump([0.5] * 12)
        self.assertEqual(self.new_messages(), ["stopping", "alive", "alive", "alive"])
        self.assertEqual(self.orchestrator.status_requests, 1)

    def test_reload_before_all_are_ready(self) -> None:
        """A reload before the first start is complete sends nothing."""
        self.systemd.reloading()
        self.systemd.reloaded("")
        self.assertEqual(self.new_messages(), [])
        self.systemd.ready()
        self.assertEqual(self.new_messages()[0], "ready")

    def test_ready_during_stop(self) -> None:
        """READY is not sent during a stop."""
        self.systemd.ready()
        self.systemd.reloading()
        self.systemd.stopping()
        self.systemd.stopService()
        self.new_messages()
        self.systemd.reloaded("")
        self.systemd.ready()
        self.assertEqual(self.new_messages(), [])

    def test_no_systemd(self) -> None:
        """Without systemd there is no delayed call."""
        self.make(Notifier(listening=False))
        self.systemd.ready()
        self.assertEqual(self.clock.getDelayedCalls(), [])


class SummaryTests(SynchronousTestCase):
    """The status text."""

    def test_all(self) -> None:
        """The status has services, ready workers and requests, and names services that are not ready."""
        services = {
            "home": status_of("ready", "starting", requests=1000),
            "user": status_of("starting", requests=1),
            "shop": status_of(state="failed"),
        }
        expected = "3 services, 1 workers ready; 1001 requests, 12/s; user is starting; shop is failed"
        self.assertEqual(summary(services, 12.4), expected)

    def test_one_line(self) -> None:
        """The status is one line."""
        self.assertNotIn("\n", summary({}, 0.0))

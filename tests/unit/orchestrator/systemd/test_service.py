"""What systemd is told while the orchestrator runs."""

from __future__ import annotations

from typing import Any, cast

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.orchestrator.interfaces import IOrchestrator
from unixsvc.orchestrator.status import PoolSnapshot, ServiceStatus, WorkerSnapshot, describe
from unixsvc.orchestrator.systemd.activation import Activation
from unixsvc.orchestrator.systemd.service import SystemdService, summary
from unixsvc.service.spec import StatsReport
from unixsvc.telemetry.metrics import MetricsSnapshot


def status_of(*phases: str, requests: int = 0, state: str = "") -> ServiceStatus:
    """A service with workers in these phases."""
    workers = [WorkerSnapshot(None, each, 1.0, StatsReport()) for each in phases]
    stats = PoolSnapshot(workers, MetricsSnapshot(requests=requests), state)
    return describe("home:app", stats, stopping=False)


class Notifier:
    """Notes what systemd is told.

    :param hears: whether systemd is there.
    """

    def __init__(self, hears: bool = True) -> None:
        self._hears = hears
        self.told: list[str] = []

    def __bool__(self) -> bool:
        return self._hears

    def ready(self, status: str) -> None:
        """Started, or reloaded."""
        self.told.append("ready")

    def reloading(self) -> None:
        """A reload begins."""
        self.told.append("reloading")

    def stopping(self) -> None:
        """The end begins."""
        self.told.append("stopping")

    def status(self, text: str) -> None:
        """How we are."""
        self.told.append(text)

    def alive(self) -> None:
        """We are not stuck."""
        self.told.append("alive")


class Orchestrator:
    """Is as the test says.

    :ivar asked: how often it was asked for its figures.
    """

    def __init__(self) -> None:
        self.well = True
        self.asked = 0
        self.requests = 0

    def healthy(self) -> bool:
        """Whether all is well."""
        return self.well

    async def status(self) -> dict[str, ServiceStatus]:
        """One service."""
        self.asked += 1
        return {"home": status_of("ready", requests=self.requests)}


class SystemdTests(SynchronousTestCase):
    """From the start to the end."""

    def setUp(self) -> None:
        """Start it, with a watchdog of six seconds."""
        self.clock, self.orchestrator = Clock(), Orchestrator()
        self.make(Notifier())

    def make(self, notifier: Any, watchdog: float | None = 6.0) -> None:
        """Another one."""
        self.notifier = notifier
        activation = Activation(self.notifier, watchdog, {})
        self.systemd = SystemdService(activation, cast(IOrchestrator, self.orchestrator), self.clock)
        self.systemd.startService()

    def heard(self) -> list[str]:
        """What was told since the last call."""
        told, self.notifier.told = self.notifier.told, []
        return list(told)

    def test_ready(self) -> None:
        """Nothing is told before all are ready; then that, and how it is."""
        self.clock.advance(60)
        self.assertEqual(self.heard(), [])
        self.systemd.ready()
        told = self.heard()
        self.assertEqual(told[0], "ready")
        self.assertIn("1 services, 1 workers ready; 0 requests, 0/s", told)

    def test_alive(self) -> None:
        """It is told that we live, three times in the watchdog's time."""
        self.systemd.ready()
        self.heard()
        self.clock.pump([0.5] * 12)
        self.assertEqual(self.heard().count("alive"), 3)

    def test_not_well(self) -> None:
        """As long as a service has no worker that answers, it is not."""
        self.systemd.ready()
        self.orchestrator.well = False
        self.heard()
        self.clock.pump([0.5] * 12)
        self.assertNotIn("alive", self.heard())
        self.orchestrator.well = True
        self.clock.pump([0.5] * 4)
        self.assertIn("alive", self.heard())

    def test_no_watchdog(self) -> None:
        """Nor is it where systemd does not listen for that."""
        self.make(Notifier(), watchdog=None)
        self.systemd.ready()
        self.clock.pump([0.5] * 40)
        self.assertNotIn("alive", self.heard())

    def test_status(self) -> None:
        """Every five seconds it is told how we are, with the requests of a second since the last time."""
        self.orchestrator.requests = 50
        self.systemd.ready()
        self.heard()
        self.orchestrator.requests = 150
        self.clock.pump([0.5] * 9)
        self.assertEqual([each for each in self.heard() if each != "alive"], [])
        self.clock.advance(0.5)
        self.assertIn("1 services, 1 workers ready; 150 requests, 20/s", self.heard())

    def test_reload(self) -> None:
        """Around a reload it is told that one begins, and that it is over; the rest goes on as it was."""
        self.systemd.ready()
        self.heard()
        self.systemd.reloading()
        self.systemd.reloaded()
        self.assertEqual(self.heard(), ["reloading", "ready"])
        self.clock.pump([0.5] * 12)
        self.assertEqual(self.heard().count("alive"), 3)

    def test_stop(self) -> None:
        """While we stop it is told that we live, well or not, as draining takes its time; and no figures."""
        self.systemd.ready()
        self.heard()
        self.systemd.stopping()
        self.systemd.stopService()
        self.orchestrator.well = False
        self.clock.pump([0.5] * 12)
        self.assertEqual(self.heard(), ["stopping", "alive", "alive", "alive"])
        self.assertEqual(self.orchestrator.asked, 1)

    def test_reload_before_all_are_ready(self) -> None:
        """A reload before all are ready for the first time is nothing to tell, and makes nobody ready."""
        self.systemd.reloading()
        self.systemd.reloaded()
        self.assertEqual(self.heard(), [])
        self.systemd.ready()
        self.assertEqual(self.heard()[0], "ready")

    def test_ready_too_late(self) -> None:
        """What is ready, or reloaded, when we stop already is not told as if we went on."""
        self.systemd.ready()
        self.systemd.reloading()
        self.systemd.stopping()
        self.systemd.stopService()
        self.heard()
        self.systemd.reloaded()
        self.systemd.ready()
        self.assertEqual(self.heard(), [])

    def test_not_there(self) -> None:
        """Where systemd is not, nothing goes on at all."""
        self.make(Notifier(hears=False))
        self.systemd.ready()
        self.assertEqual(self.clock.getDelayedCalls(), [])


class SummaryTests(SynchronousTestCase):
    """One line."""

    def test_all(self) -> None:
        """Services, workers that are ready, requests; and who is not well."""
        services = {
            "home": status_of("ready", "starting", requests=1000),
            "user": status_of("starting", requests=1),
            "shop": status_of(state="failed"),
        }
        expected = "3 services, 1 workers ready; 1001 requests, 12/s; user is starting; shop is failed"
        self.assertEqual(summary(services, 12.4), expected)

    def test_one_line(self) -> None:
        """It is one line, whatever there is."""
        self.assertNotIn("\n", summary({}, 0.0))

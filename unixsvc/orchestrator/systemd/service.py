"""Reports the state of the orchestrator to systemd while it runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall

from unixsvc.orchestrator.interfaces import IOrchestrator
from unixsvc.orchestrator.status import ServiceStatus
from unixsvc.orchestrator.systemd.activation import Activation

__all__ = ["SystemdService", "summary"]

# Interval of the text in ``systemctl status``, in seconds.
_STATUS_INTERVAL: Final = 5.0
# Watchdog messages within the watchdog time; sd_watchdog_enabled(3) recommends two, so one may be late.
_MESSAGES_PER_WATCHDOG: Final = 3


class SystemdService(Service):
    """Sends state, status and watchdog messages; does nothing if systemd does not run this process.

    :param activation: what systemd has passed.
    :param orchestrator: its status and health are reported.
    """

    def __init__(self, activation: Activation, orchestrator: IOrchestrator, reactor: IReactorTime) -> None:
        self._notifier = activation.notifier
        self._watchdog = activation.watchdog
        self._orchestrator = orchestrator
        self._reactor = reactor
        self._status_call: LoopingCall | None = None
        self._is_ready = False
        self._reload_failure = ""
        self._last: tuple[float, int] | None = None

    def ready(self) -> None:
        """Every service is ready."""
        if not (self.running and self._notifier):
            return
        self._is_ready = True
        self._notifier.ready("ready")
        self._status_call = self._repeat(self._send_status, _STATUS_INTERVAL)
        if self._watchdog is not None:
            self._repeat(self._send_alive, self._watchdog / _MESSAGES_PER_WATCHDOG)

    def reloading(self) -> None:
        """A reload begins. Before the first start is complete, this is not reported."""
        if self._is_ready:
            self._notifier.reloading()

    def reloaded(self, error: str) -> None:
        """The reload has ended.

        :param error: why it has failed; empty if it has not. The status has it until the next reload.
        """
        self._reload_failure = f"the last reload has failed: {error}" if error else ""
        if self._is_ready and self.running:
            self._notifier.ready(self._reload_failure or "ready")

    def stopping(self) -> None:
        """The orchestrator begins to stop."""
        self._notifier.stopping()

    def stopService(self) -> None:
        """Stop to send the status, but not the watchdog messages, as draining takes time."""
        super().stopService()
        if self._status_call is not None and self._status_call.running:
            self._status_call.stop()

    def _repeat(self, call: Callable[[], object], seconds: float) -> LoopingCall:
        repeating = LoopingCall(call)
        repeating.clock = self._reactor
        repeating.start(seconds)
        return repeating

    def _send_alive(self) -> None:
        # If a service has no ready worker, systemd should restart us; while we stop, that is normal.
        if not self.running or self._orchestrator.healthy():
            self._notifier.alive()

    def _send_status(self) -> Deferred[None]:
        return Deferred.fromCoroutine(self._request_status())

    async def _request_status(self) -> None:
        services = await self._orchestrator.status()
        now, requests = self._reactor.seconds(), sum(service.requests for service in services.values())
        before, self._last = self._last, (now, requests)
        rate = (requests - before[1]) / (now - before[0]) if before and now > before[0] else 0.0
        if self.running:
            parts = [self._reload_failure, summary(services, rate)]
            self._notifier.status("; ".join(filter(None, parts)))


def summary(services: dict[str, ServiceStatus], rate: float) -> str:
    """The status of all services in one line.

    :param rate: requests per second.
    """
    workers = [worker for service in services.values() for worker in service.workers]
    ready = sum(worker.status == "ready" for worker in workers)
    requests = sum(service.requests for service in services.values())
    not_ready = [
        f"{name} is {service.status}" for name, service in services.items() if service.status != "ready"
    ]
    parts = [
        f"{len(services)} services, {ready} workers ready",
        f"{requests} requests, {rate:.0f}/s",
        *not_ready,
    ]
    return "; ".join(parts)

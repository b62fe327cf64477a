"""Tells systemd how the orchestrator is, for as long as it runs."""

from __future__ import annotations

from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall

from unixsvc.orchestrator.status import ServiceStatus
from unixsvc.orchestrator.systemd.notify import Activation

__all__ = ["SystemdService", "summary"]

_STATUS_SECONDS: Final = 5.0


class SystemdService(Service):
    """Does nothing where systemd is not.

    :param activation: what systemd has handed to us.
    :param orchestrator: is asked how it is.
    """

    def __init__(self, activation: Activation, orchestrator: Any, reactor: Any) -> None:
        self._notifier = activation.notifier
        self._watchdog = activation.watchdog
        self._orchestrator = orchestrator
        self._reactor = reactor
        self._calls: list[LoopingCall] = []
        self._is_ready = False
        self._last: tuple[float, int] | None = None

    def ready(self) -> None:
        """Every service is ready."""
        if not (self.running and self._notifier):
            return
        self._is_ready = True
        self._notifier.ready("ready")
        self._repeat(self._tell_status, _STATUS_SECONDS)
        if self._watchdog is not None:
            self._repeat(self._tell_alive, self._watchdog / 3)  # one may be late

    def reloading(self) -> None:
        """A reload begins; before all are ready for the first time that is nothing to tell."""
        if self._is_ready:
            self._notifier.reloading()

    def reloaded(self) -> None:
        """It is over, however it went."""
        if self._is_ready and self.running:
            self._notifier.ready("ready")

    def stopping(self) -> None:
        """The end begins."""
        self._notifier.stopping()

    def stopService(self) -> None:
        """Say no more, but go on to say that we live: to drain takes its time."""
        super().stopService()
        for each in self._calls:
            if each.running and each.f == self._tell_status:
                each.stop()

    def _repeat(self, call: Any, seconds: float) -> None:
        repeating = LoopingCall(call)
        repeating.clock = self._reactor
        self._calls.append(repeating)
        repeating.start(seconds)

    def _tell_alive(self) -> None:
        # Where a service has no worker that answers, systemd is to restart us; while we stop, they go.
        if not self.running or self._orchestrator.healthy():
            self._notifier.alive()

    def _tell_status(self) -> Deferred[None]:
        return Deferred.fromCoroutine(self._tell_figures())

    async def _tell_figures(self) -> None:
        services = await self._orchestrator.status()
        now, requests = self._reactor.seconds(), sum(each.requests for each in services.values())
        before, self._last = self._last, (now, requests)
        rate = (requests - before[1]) / (now - before[0]) if before and now > before[0] else 0.0
        if self.running:
            self._notifier.status(summary(services, rate))


def summary(services: dict[str, ServiceStatus], rate: float) -> str:
    """One line on how the services are.

    :param rate: requests a second.
    """
    workers = [worker for each in services.values() for worker in each.workers]
    ready = sum(worker.status == "ready" for worker in workers)
    requests = sum(each.requests for each in services.values())
    troubled = [f"{name} is {each.status}" for name, each in services.items() if each.status != "ready"]
    parts = [
        f"{len(services)} services, {ready} workers ready",
        f"{requests} requests, {rate:.0f}/s",
        *troubled,
    ]
    return "; ".join(parts)

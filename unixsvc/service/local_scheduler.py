"""The schedules of a service in this process."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IReactorTime

from unixsvc.schedules.moment import Moment
from unixsvc.schedules.state import Run, ScheduleStatus
from unixsvc.service.host import ServiceHost
from unixsvc.service.scheduler import Scheduler, current_moment

__all__ = ["LocalScheduler"]


class LocalScheduler:
    """Runs the jobs of one service host after the other: the counters outlive a restart.

    :param service: the name of the service, for the log.
    :param now: the clocks.
    """

    def __init__(
        self, service: str, reactor: IReactorTime, now: Callable[[], Moment] = current_moment
    ) -> None:
        self._scheduler = Scheduler(service, reactor, self._find_worker, now)
        self._host: ServiceHost | None = None
        self._runs: set[int] = set()

    def start(self, host: ServiceHost) -> None:
        """Run the jobs of a host from now on."""
        self._host = host
        self._scheduler.adopt(host.schedules)

    def stop(self) -> None:
        """Start no more runs; those in progress go on."""
        self._host = None
        self._scheduler.stop()

    def host_ended(self) -> None:
        """The host has stopped: runs in progress are interrupted."""
        runs, self._runs = self._runs, set()
        self._scheduler.lost(runs)

    def status(self) -> tuple[ScheduleStatus, ...]:
        """The state of each schedule."""
        return self._scheduler.status()

    def _find_worker(self, schedule: str) -> Callable[[Run], None] | None:
        return None if self._host is None else self._run

    def _run(self, run: Run) -> None:
        if self._host is not None:
            self._runs.add(run.number)
            start = self._host.accept_job(run, lambda error: self._ended(run.number, error))
            self._scheduler.started(run.number)
            start()

    def _ended(self, number: int, error: str) -> None:
        if number in self._runs:
            self._runs.remove(number)
            self._scheduler.ended(number, error)

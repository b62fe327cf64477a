"""The events of the workers of one service."""

from __future__ import annotations

from collections.abc import Mapping
from signal import SIGTERM
from typing import TYPE_CHECKING

from unixsvc.domain.json import Json
from unixsvc.orchestrator.events.log import Record
from unixsvc.telemetry.metrics.snapshot import ClientStats

if TYPE_CHECKING:
    from unixsvc.orchestrator.pool.process import WorkerExit
    from unixsvc.orchestrator.pool.worker_record import WorkerRecord

__all__ = ["WorkerEvents", "breaker_changes"]

_CLOSED = "closed"


class WorkerEvents:
    """Records what happens to workers.

    :param service: their service.
    """

    def __init__(self, service: str, record: Record) -> None:
        self._service = service
        self._record = record

    def started(self, worker: WorkerRecord) -> None:
        """A process was started."""
        self._note("worker.started", worker, generation=worker.spec.number)

    def ready(self, worker: WorkerRecord) -> None:
        """Clients can connect to it."""
        self._note("worker.ready", worker, generation=worker.spec.number)

    def draining(self, worker: WorkerRecord) -> None:
        """A signal has made it drain."""
        self._note("worker.draining", worker, "it received a signal")

    def recycled(self, worker: WorkerRecord) -> None:
        """It has reached a limit, and is replaced."""
        self._note("worker.recycled", worker, worker.recycle_reason)

    def ended(self, worker: WorkerRecord, end: WorkerExit) -> None:
        """It has exited."""
        details: dict[str, Json] = {} if end.signal is None else {"signal": end.signal}
        if end.code is not None:
            details["exit_code"] = end.code
        if worker.kill_reason:
            details["killed_for"] = worker.kill_reason
        reason = f"{end} ({worker.kill_reason})" if worker.kill_reason else str(end)
        obeyed = not end.failed or end.signal == SIGTERM  # the latter before it could drain
        asked = worker.retiring and obeyed
        self._note("worker.ended" if asked else "worker.died", worker, reason, **details)

    def reported(self, worker: WorkerRecord) -> None:
        """It has reported the state of its clients of other services."""
        services = worker.process.status.services
        if services or worker.breakers:
            for other, state in breaker_changes(worker.breakers, services or {}):
                worker.breakers[other] = state
                self._note(f"breaker.{state}", worker, f"calls to {other}", to=other)

    def failed(self, reason: str) -> None:
        """The service has failed."""
        self._record("service.failed", self._service, reason=reason)

    def _note(self, kind: str, worker: WorkerRecord, reason: str = "", **details: Json) -> None:
        process = worker.process
        self._record(kind, self._service, pid=process.last_pid, slot=process.slot, reason=reason, **details)


def breaker_changes(known: Mapping[str, str], services: Mapping[str, ClientStats]) -> list[tuple[str, str]]:
    """The circuit breakers of one worker that have another state than before.

    :param known: the states before, by the other service; those that are missing were closed.
    :returns: the other services, with ``open``, ``half_open`` or ``closed``.
    """
    found = {name: _state_of(each) for name, each in services.items()}
    return [(name, state) for name, state in found.items() if state != known.get(name, _CLOSED)]


def _state_of(stats: ClientStats) -> str:
    if stats.open:
        return "open"
    return "half_open" if stats.half_open else _CLOSED

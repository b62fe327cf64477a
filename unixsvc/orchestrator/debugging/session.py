"""One debug session, as the control API sees it."""

from __future__ import annotations

import os
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace
from twisted.internet.defer import Deferred, DeferredQueue
from twisted.python.failure import Failure

from unixsvc.orchestrator.pool.interfaces import IServicePool
from unixsvc.orchestrator.pool.process import InheritedFds, WorkerExit, WorkerOwner, WorkerProcess
from unixsvc.orchestrator.pool.spec import WorkerSpec

__all__ = ["DebugEvent", "DebugSession"]


class DebugEvent(Struct, frozen=True):
    """A step of a debug session.

    :ivar state: ``starting`` when a worker gets the terminal, ``ready`` when it alone accepts connections,
        ``draining`` when it accepts none any more, and ``ended``.
    :ivar pid: of the worker, where it is known.
    :ivar problem: why it has ended, if it has failed.
    """

    state: Literal["starting", "ready", "draining", "ended"]
    pid: int | None = None
    problem: str = ""


class DebugSession:
    """Reports what happens to the worker of one session, and ends the session when the worker ends.

    :param terminal: the descriptor of the terminal, which is closed at the end.
    """

    def __init__(self, terminal: int) -> None:
        self.terminal = terminal
        self._events: DeferredQueue[DebugEvent] = DeferredQueue()
        self._pool: IServicePool | None = None
        self._worker: WorkerProcess | None = None
        self._ended = False

    def begin(self, pool: IServicePool, spec: WorkerSpec) -> None:
        """Begin.

        :param spec: of a worker with the terminal.
        :raises unixsvc.errors.ConfigError: if the service has no workers.
        """

        def make(slot: int, fds: InheritedFds, owner: WorkerOwner) -> WorkerProcess:
            self._worker = spec.make(slot, fds, _Observer(owner, self))
            self._events.put(DebugEvent("starting"))
            return self._worker

        self._pool = pool
        pool.debug(replace(spec, make=make)).addCallbacks(self._serves_alone, self._not_ready)

    def next_event(self) -> Deferred[DebugEvent]:
        """Wait for the next event."""
        return self._events.get()

    def close(self) -> None:
        """End the session: the caller has gone, or the last event was reported."""
        self._end_in_pool()
        if not self._has_process():
            self._end("")

    def draining(self, pid: int | None) -> None:
        """The worker accepts no connections any more."""
        self._events.put(DebugEvent("draining", pid))
        self._end_in_pool()

    def worker_ended(self, end: WorkerExit) -> None:
        """The worker has exited."""
        self._end(end.reason if end.failed else "")
        self._end_in_pool()

    def _serves_alone(self, _: None) -> None:
        self._events.put(DebugEvent("ready", None if self._worker is None else self._worker.pid))

    def _not_ready(self, failure: Failure) -> None:
        self._end_in_pool()
        if not self._has_process():
            self._end(failure.getErrorMessage())

    def _has_process(self) -> bool:
        return self._worker is not None and self._worker.pid is not None

    def _end_in_pool(self) -> None:
        if self._pool is not None:
            self._pool.end_debug()

    def _end(self, problem: str) -> None:
        if not self._ended:
            self._ended = True
            os.close(self.terminal)
            self._events.put(DebugEvent("ended", problem=problem))


class _Observer:
    """Stands between a worker and its pool, so that a session ends before the pool replaces the worker.

    :param owner: the pool.
    """

    def __init__(self, owner: WorkerOwner, session: DebugSession) -> None:
        self._owner = owner
        self._session = session
        self.worker_ready = owner.worker_ready
        self.worker_reported = owner.worker_reported
        self.job_reported = owner.job_reported

    def worker_draining(self, worker: WorkerProcess) -> None:
        """It accepts no connections any more."""
        self._session.draining(worker.pid)
        self._owner.worker_draining(worker)

    def worker_ended(self, worker: WorkerProcess, end: WorkerExit) -> None:
        """It has exited."""
        self._session.worker_ended(end)
        self._owner.worker_ended(worker, end)

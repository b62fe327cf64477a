"""One worker process, as the orchestrator sees it."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any, Final, Protocol

import msgspec
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from unixsvc.orchestrator.worker.messages import (
    COMMANDS_FD,
    LISTENING_FD,
    REPORTS_FD,
    TALLY_FD,
    Command,
    DrainCommand,
    Report,
    ReportStats,
    WorkerDraining,
    WorkerFailed,
    WorkerReady,
    decode_report,
    encode_line,
)
from unixsvc.service.spec import StatsReport, WorkerConfig
from unixsvc.telemetry.logs import relay

__all__ = ["InheritedFds", "WorkerOwner", "WorkerProcess"]

_MAX_LINE: Final = 524_288
# What a worker has written may still be in its pipes when it has ended; a child of its own may keep them
# open for ever. So long is waited for the rest, in seconds.
_LAST_WORDS: Final = 0.5


class InheritedFds(msgspec.Struct, frozen=True):
    """Where a worker serves: descriptors of the orchestrator's that it is given.

    :ivar listening: the listening sockets.
    :ivar tally: the page on which workers count their connections.
    :ivar place: of the worker, on that page.
    """

    listening: tuple[int, ...]
    tally: int
    place: int


class WorkerOwner(Protocol):
    """Who is told what becomes of a worker."""

    def worker_ready(self, worker: WorkerProcess) -> None:
        """Clients can connect to it."""

    def worker_draining(self, worker: WorkerProcess) -> None:
        """It was told to end, by whomever, and nobody can connect to it any more."""

    def worker_reported(self, worker: WorkerProcess) -> None:
        """It has told its figures, which is a sign of life."""

    def worker_ended(self, worker: WorkerProcess, how: str) -> None:
        """It is gone; ``how`` says why, in words."""


class WorkerProcess(ProcessProtocol):
    """Starts a worker, reads what it reports, passes its output on to the log.

    :param config: what it is to be.
    :param seat: where it serves.
    :param owner: is told what becomes of it.
    :ivar seat: where it serves.
    :ivar status: its latest figures.
    :ivar failure: why it could not start, if it has said so.
    """

    transport: Any

    def __init__(self, reactor: Any, config: WorkerConfig, seat: InheritedFds, owner: WorkerOwner) -> None:
        self._reactor = reactor
        self._config = config
        self.seat = seat
        self._owner = owner
        self._log = Logger(namespace=f"{config.service}[{config.slot}]")
        self._lines = {
            # Events come on standard error alone: what is printed is text, whatever it looks like.
            1: _Lines(lambda line: self._log.info("{text}", text=line.decode("utf-8", "replace"))),
            2: _Lines(lambda line: relay(self._log, line, "error")),
            REPORTS_FD: _Lines(self._report),
        }
        self._asked: list[Deferred[None]] = []
        self._deaf = False  # it has closed the pipe of its commands
        self.status = StatsReport()
        self.failure = ""
        self.started = reactor.seconds()

    @property
    def slot(self) -> int:
        """Its number."""
        return self._config.slot

    @property
    def pid(self) -> int | None:
        """Its process id; None before it is started, and once it has ended."""
        pid: int | None = None if self.transport is None else self.transport.pid
        return pid

    def start(self) -> None:
        """Start the process."""
        command = [sys.executable, "-u", "-m", "unixsvc.orchestrator.worker.__main__"]
        environment = os.environ | self._config.settings.environment
        nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        descriptors = {
            0: nothing, 1: "r", 2: "r", REPORTS_FD: "r", COMMANDS_FD: "w",
            TALLY_FD: self.seat.tally,
        }  # fmt: skip
        descriptors |= dict(enumerate(self.seat.listening, LISTENING_FD))
        try:
            self._reactor.spawnProcess(self, command[0], command, environment, childFDs=descriptors)
        finally:
            os.close(nothing)
        self.transport.writeToChild(COMMANDS_FD, encode_line(self._config))

    def ask(self, seconds: float) -> Deferred[None]:
        """Ask for the figures; fires when they have come, it has ended, or the time is over."""
        if self._deaf or self.pid is None:
            return succeed(None)
        asked: Deferred[None] = Deferred()
        self._asked.append(asked)
        asked.addTimeout(seconds, self._reactor, lambda result, _: None)
        self.send(ReportStats())
        return asked

    def send(self, command: Command) -> None:
        """Send a command; one that has ended, or closed its pipe, does not hear it."""
        if not self._deaf and self.pid is not None:
            self.transport.writeToChild(COMMANDS_FD, encode_line(command))

    def drain(self, *, wait_for_idle: bool) -> None:
        """Have it answer what it has been asked, and end.

        :param wait_for_idle: as in :class:`~unixsvc.orchestrator.worker.messages.DrainCommand`.
        """
        if self._deaf:
            self.signal("TERM")  # says the same to one that does not listen
        else:
            self.send(DrainCommand(wait_for_idle))

    def signal(self, name: str) -> None:
        """Send a signal, as ``TERM``; one that has ended does not get it."""
        if self.pid is None:
            return
        try:
            self.transport.signalProcess(signal.Signals[f"SIG{name}"])
        except ProcessExitedAlready:
            self._log.debug("has ended before {name} reached it", name=name)

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        """The worker has written something."""
        self._lines[childFD].feed(data)

    def childConnectionLost(self, childFD: int) -> None:
        """The worker has closed a pipe, most often by ending."""
        if childFD == COMMANDS_FD:
            self._deaf = True

    def processExited(self, reason: Failure) -> None:
        """The worker is gone; its pipes may not be empty yet."""
        self._reactor.callLater(_LAST_WORDS, self._close_pipes)

    def _close_pipes(self) -> None:
        """Not wait for more: a child of the worker's own may have its pipes, for as long as it lives."""
        self.transport.loseConnection()
        for descriptor in (REPORTS_FD, COMMANDS_FD):
            self.transport.closeChildFD(descriptor)

    def processEnded(self, reason: Failure) -> None:
        """The worker is gone, and nothing more comes from it."""
        for each in self._lines.values():
            each.end()
        self._answer_asked()
        value: Any = reason.value
        how = f"signal {value.signal}" if value.signal else f"exit code {value.exitCode or 0}"
        self._owner.worker_ended(self, self.failure or f"ended with {how}")

    def _report(self, line: bytes) -> None:
        try:
            report: Report = decode_report(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self._log.error("reports what cannot be read: {line!r}", line=line[:200])
            return
        _REACTIONS[type(report)](self, report)

    def _is_ready(self, report: WorkerReady) -> None:
        self._owner.worker_ready(self)

    def _is_draining(self, report: WorkerDraining) -> None:
        self._owner.worker_draining(self)

    def _has_failed(self, report: WorkerFailed) -> None:
        self.failure = report.reason

    def _has_figures(self, report: StatsReport) -> None:
        self.status = report
        self._owner.worker_reported(self)
        self._answer_asked()

    def _answer_asked(self) -> None:
        asked, self._asked = self._asked, []
        for each in asked:
            if not each.called:  # some may be past their time
                each.callback(None)


_REACTIONS: Final[dict[type, Callable[[WorkerProcess, Any], None]]] = {
    WorkerReady: WorkerProcess._is_ready,
    WorkerDraining: WorkerProcess._is_draining,
    WorkerFailed: WorkerProcess._has_failed,
    StatsReport: WorkerProcess._has_figures,
}


class _Lines:
    """Cuts a stream into lines; longer ones than a log should have are cut again."""

    def __init__(self, deliver: Callable[[bytes], None]) -> None:
        self._deliver = deliver
        self._rest = b""

    def feed(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._deliver(line)
        while len(self._rest) > _MAX_LINE:
            self._deliver(self._rest[:_MAX_LINE])
            self._rest = self._rest[_MAX_LINE:]

    def end(self) -> None:
        if self._rest:
            self._deliver(self._rest)
            self._rest = b""

"""A reactor that starts fake processes."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

import msgspec
from twisted.internet.error import ProcessDone, ProcessExitedAlready, ProcessTerminated
from twisted.internet.interfaces import IProcessTransport, IReactorFromThreads
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from zope.interface import implementer

from tests.unit.orchestrator.fake_sockets import Sockets
from unixsvc.config.settings import Limits, Log, Security, ServiceSettings
from unixsvc.domain.message import Caller
from unixsvc.orchestrator.reactor import IPoolReactor
from unixsvc.orchestrator.worker.messages import COMMANDS_FD, METRICS_FD, REPORTS_FD, Report, encode_line
from unixsvc.service.spec import WorkerConfig
from unixsvc.telemetry.metrics.page import PageWriter
from unixsvc.telemetry.metrics.service_metrics import ServiceMetrics

__all__ = ["TOKEN", "FakeProcess", "Processes", "config_for"]

TOKEN = "ab" * 32


def config_for(slot: int = 1, settings: ServiceSettings | None = None) -> WorkerConfig:
    """The configuration of a worker of the service ``home``."""
    return WorkerConfig(
        "home", slot, "/srv", settings or ServiceSettings("home:app"), Limits(), Security(), Log(), TOKEN
    )


@implementer(IProcessTransport)
class FakeProcess:
    """The transport of a process that does not exist; tests decide what it does.

    :ivar arguments: the arguments of its start.
    :ivar closed: the pipes that were closed, in order; ``all`` for the standard three.
    :ivar signals: the signals that it was sent, as ``TERM``.
    """

    def __init__(self, pid: int, protocol: Any, **arguments: Any) -> None:
        self.pid: int | None = pid
        self.protocol = protocol
        self.arguments = arguments
        self.signals: list[str] = []
        self.closed: list[int | str] = []
        self._written = b""
        self._metrics: ServiceMetrics | None = None

    # What its protocol calls.

    def writeToChild(self, childFD: int, data: bytes) -> None:
        """Record a command."""
        assert childFD == COMMANDS_FD
        self._written += data

    def signalProcess(self, signalID: Any) -> None:
        """Record a signal."""
        if self.pid is None:
            raise ProcessExitedAlready
        self.signals.append(signal.Signals(signalID).name.removeprefix("SIG"))

    def loseConnection(self) -> None:
        """Close the standard pipes."""
        self.closed.append("all")

    def closeChildFD(self, descriptor: int) -> None:
        """Close one pipe."""
        self.closed.append(descriptor)

    # What a test calls.

    def count(self, number: int, code: int = 200) -> None:
        """Count replies, as the worker does in memory that it shares with its pool."""
        if self._metrics is None:
            self._metrics = ServiceMetrics(PageWriter(self.arguments["childFDs"][METRICS_FD]))
        for _ in range(number):
            self._metrics.count(self._metrics.no_route, Caller(), code, 0.0)

    @property
    def commands(self) -> list[str]:
        """The tags of the commands that it was sent after its configuration."""
        return [each["type"] for each in self.sent_commands]

    @property
    def sent_commands(self) -> list[dict[str, Any]]:
        """The decoded commands."""
        return [msgspec.json.decode(line) for line in self._written.splitlines()[1:]]

    @property
    def worker_config(self) -> WorkerConfig:
        """The configuration that it was sent first."""
        return msgspec.json.decode(self._written.splitlines()[0], type=WorkerConfig)

    def report(self, report: Report) -> None:
        """Send a report to the orchestrator."""
        self.protocol.childDataReceived(REPORTS_FD, encode_line(report))

    def end(self, code: int | None = None, by: int | None = None) -> None:
        """Exit with a code, or by a signal."""
        self.pid = None
        reason = ProcessTerminated(code, by) if code or by else ProcessDone(0)
        self.protocol.processExited(Failure(reason))
        self.protocol.processEnded(Failure(reason))

    # The rest of the interface, which is not used.

    def closeStdin(self) -> None:
        """Not used."""

    def closeStdout(self) -> None:
        """Not used."""

    def closeStderr(self) -> None:
        """Not used."""

    def write(self, data: bytes) -> None:
        """Not used."""

    def writeSequence(self, data: Any) -> None:
        """Not used."""

    def getPeer(self) -> Any:
        """Not used."""

    def getHost(self) -> Any:
        """Not used."""


@implementer(IPoolReactor, IReactorFromThreads)
class Processes(Sockets, Clock):
    """A reactor with a clock that tests advance.

    :ivar started: all processes, in the order of their start.
    :ivar refuse: raised at the next start instead, if not None.
    """

    def __init__(self) -> None:
        super().__init__()
        self.started: list[FakeProcess] = []
        self.refuse: OSError | None = None

    @property
    def running(self) -> list[FakeProcess]:
        """The processes that have not exited."""
        return [each for each in self.started if each.pid is not None]

    def callFromThread(self, callable: Callable[..., Any], *args: object, **kwargs: object) -> None:
        """Call a function in the next turn."""
        self.callLater(0, callable, *args, **kwargs)

    def spawnProcess(self, processProtocol: Any, executable: Any, *args: Any, **kwargs: Any) -> FakeProcess:
        """Add a process to those that were started."""
        if self.refuse is not None:
            raise self.refuse
        arguments, environment = args
        process = FakeProcess(
            1000 + len(self.started),
            processProtocol,
            executable=executable,
            args=arguments,
            env=environment,
            **kwargs,
        )
        self.started.append(process)
        processProtocol.makeConnection(process)
        return process

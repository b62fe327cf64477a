"""The worker's end of the two pipes to the orchestrator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

from twisted.internet.interfaces import IConsumer, IPullProducer, ITransport
from twisted.protocols.basic import LineOnlyReceiver
from twisted.python.failure import Failure
from zope.interface import implementer

from unixsvc.orchestrator.worker.messages import (
    Command,
    DrainCommand,
    Inspect,
    Report,
    ReportAppMetrics,
    ReportStats,
    RunJob,
    SetCertificates,
    SetLogLevel,
    SetTokens,
    decode_command,
    encode_line,
)

__all__ = ["CommandHandler", "ControlLine"]


class CommandHandler(Protocol):
    """Executes commands."""

    def drain(self, command: DrainCommand) -> None:
        """Drain and exit."""

    def inspect(self, command: Inspect) -> None:
        """Answer a question of an operator."""

    def report_app_metrics(self, command: ReportAppMetrics) -> None:
        """Report the metrics of the application."""

    def report_stats(self, command: ReportStats) -> None:
        """Report the statistics."""

    def run_job(self, command: RunJob) -> None:
        """Run a job."""

    def set_log_level(self, command: SetLogLevel) -> None:
        """Set the log level."""

    def set_tokens(self, command: SetTokens) -> None:
        """Set the valid tokens."""

    def set_certificates(self, command: SetCertificates) -> None:
        """Set the certificates of endpoints."""

    def disconnected(self) -> None:
        """The pipes are closed."""


class _Pipes(ITransport, IConsumer):
    """What StandardIO implements."""


@implementer(IPullProducer)
class ControlLine(LineOnlyReceiver):
    """Reads commands and writes reports.

    :param handler: executes the commands.
    """

    delimiter = b"\n"
    MAX_LENGTH = 2**31  # of a command: many tokens or certificates exceed Twisted's 16 KiB
    transport: _Pipes

    def __init__(self, handler: CommandHandler) -> None:
        self._handler = handler
        self._when_written: list[Callable[[], object]] = []
        self._registering = False

    def report(self, report: Report) -> None:
        """Send a report."""
        self.transport.write(encode_line(report))

    def report_before(self, report: Report, call: Callable[[], object]) -> None:
        """Send a report, and call a function once it is in the pipe."""
        self.report(report)
        self._when_written.append(call)
        if len(self._when_written) == 1:
            # A pull producer is called when everything is written, and once at the beginning.
            self._registering = True
            self.transport.registerProducer(self, False)
            self._registering = False

    def resumeProducing(self) -> None:
        """All reports are in the pipe."""
        if not self._registering:
            self.transport.unregisterProducer()
            self._call_pending()

    def stopProducing(self) -> None:
        """The pipe is closed, as the orchestrator has died: no other worker will do the work."""
        self._call_pending()

    def _call_pending(self) -> None:
        calls, self._when_written = self._when_written, []
        for call in calls:
            call()

    def close(self) -> None:
        """Close the pipes once all reports are written."""
        self.transport.loseConnection()

    def lineReceived(self, line: bytes) -> None:
        """Execute a command."""
        command = decode_command(line)
        _COMMANDS[type(command)](self._handler, command)

    def connectionLost(self, reason: Failure | None = None) -> None:
        """The orchestrator has closed its end, or both pipes are closed."""
        self._handler.disconnected()


# The handlers take the type of their key, which the type of a dict cannot express.
_COMMANDS: Final[dict[type[Command], Callable[[CommandHandler, Any], None]]] = {
    DrainCommand: lambda handler, command: handler.drain(command),
    Inspect: lambda handler, command: handler.inspect(command),
    ReportAppMetrics: lambda handler, command: handler.report_app_metrics(command),
    ReportStats: lambda handler, command: handler.report_stats(command),
    RunJob: lambda handler, command: handler.run_job(command),
    SetCertificates: lambda handler, command: handler.set_certificates(command),
    SetLogLevel: lambda handler, command: handler.set_log_level(command),
    SetTokens: lambda handler, command: handler.set_tokens(command),
}

"""The worker's end of the two pipes to the orchestrator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

from twisted.internet.interfaces import ITransport
from twisted.protocols.basic import LineOnlyReceiver
from twisted.python.failure import Failure

from unixsvc.orchestrator.worker.messages import (
    Command,
    DrainCommand,
    Report,
    ReportStats,
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

    def report_stats(self, command: ReportStats) -> None:
        """Report the statistics."""

    def set_log_level(self, command: SetLogLevel) -> None:
        """Set the log level."""

    def set_tokens(self, command: SetTokens) -> None:
        """Set the valid tokens."""

    def disconnected(self) -> None:
        """The pipes are closed."""


class ControlLine(LineOnlyReceiver):
    """Reads commands and writes reports.

    :param handler: executes the commands.
    """

    delimiter = b"\n"
    transport: ITransport

    def __init__(self, handler: CommandHandler) -> None:
        self._handler = handler

    def report(self, report: Report) -> None:
        """Send a report."""
        self.transport.write(encode_line(report))

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
    ReportStats: lambda handler, command: handler.report_stats(command),
    SetLogLevel: lambda handler, command: handler.set_log_level(command),
    SetTokens: lambda handler, command: handler.set_tokens(command),
}

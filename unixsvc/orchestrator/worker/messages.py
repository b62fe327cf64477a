"""What an orchestrator and its workers tell each other, one JSON object a line."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct

from unixsvc.service.spec import StatsReport, WorkerConfig

__all__ = [
    "COMMANDS_FD",
    "LISTENING_FD",
    "REPORTS_FD",
    "TALLY_FD",
    "Command",
    "DrainCommand",
    "Report",
    "ReportStats",
    "SetLogLevel",
    "WorkerDraining",
    "WorkerFailed",
    "WorkerReady",
    "decode_command",
    "decode_orders",
    "decode_report",
    "encode_line",
]

# The descriptors of a worker, besides the standard three.
REPORTS_FD: Final = 3
COMMANDS_FD: Final = 4
TALLY_FD: Final = 5
LISTENING_FD: Final = 6  # and the following ones, where there are several


class DrainCommand(Struct, frozen=True, tag="drain"):
    """Answer what you have been asked, and end.

    :ivar wait_for_idle: whether clients that hold a connection without using it are waited for: others serve
        meanwhile, so there is no hurry.
    """

    wait_for_idle: bool = False


class ReportStats(Struct, frozen=True, tag="figures"):
    """Report your figures. As it is asked every second, it is a sign of life as well."""


class SetLogLevel(Struct, frozen=True, tag="log"):
    """Log what is at least at this level."""

    level: str


class WorkerDraining(Struct, frozen=True, tag="draining"):
    """The worker has been told to end, whoever has told it, and accepts nobody any more."""


class WorkerReady(Struct, frozen=True, tag="ready"):
    """It has answered itself on the path that clients take, and they can connect."""


class WorkerFailed(Struct, frozen=True, tag="failed"):
    """The worker cannot start, and ends."""

    reason: str


Command = DrainCommand | ReportStats | SetLogLevel
Report = WorkerReady | WorkerDraining | WorkerFailed | StatsReport

decode_command = msgspec.json.Decoder(Command).decode
decode_report = msgspec.json.Decoder(Report).decode
decode_orders = msgspec.json.Decoder(WorkerConfig).decode


def encode_line(message: WorkerConfig | Command | Report) -> bytes:
    """A message as it goes through the pipe."""
    return msgspec.json.encode(message) + b"\n"

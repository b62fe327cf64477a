"""What an orchestrator and its workers tell each other, one JSON object a line."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct

from unixsvc.config import Limits, Log, Security, ServiceSettings
from unixsvc.telemetry.metrics import Snapshot

__all__ = [
    "COMMANDS_FD",
    "LISTENING_FD",
    "REPORTS_FD",
    "AskFigures",
    "Command",
    "Drain",
    "Failed",
    "Orders",
    "Ready",
    "Report",
    "Status",
    "decode_command",
    "decode_orders",
    "decode_report",
    "encode_line",
]

# The descriptors of a worker, besides the standard three.
LISTENING_FD: Final = 3
REPORTS_FD: Final = 4
COMMANDS_FD: Final = 5


class Orders(Struct, frozen=True):
    """What a worker is to be: the first line that it reads.

    It goes through a pipe, as other processes can read arguments and environments.

    :ivar folder: first on the import path.
    :ivar token: empty if none is needed.
    """

    service: str
    slot: int
    folder: str
    settings: ServiceSettings
    limits: Limits
    security: Security
    log: Log
    token: str

    def __repr__(self) -> str:
        # The generated one would show the token, and a repr ends up in logs.
        return f"<Orders {self.service} [{self.slot}]>"


class Drain(Struct, frozen=True, tag="drain"):
    """Answer what you have been asked, and end."""


class AskFigures(Struct, frozen=True, tag="figures"):
    """Report your figures. As it is asked every second, it is a sign of life as well."""


class Ready(Struct, frozen=True, tag="ready"):
    """Clients can connect."""


class Failed(Struct, frozen=True, tag="failed"):
    """The worker cannot start, and ends."""

    reason: str


class Status(Struct, frozen=True, tag="status"):
    """The figures of a worker."""

    snapshot: Snapshot = Snapshot()
    connections: int = 0
    inflight: int = 0


Command = Drain | AskFigures
Report = Ready | Failed | Status

decode_command = msgspec.json.Decoder(Command).decode
decode_report = msgspec.json.Decoder(Report).decode
decode_orders = msgspec.json.Decoder(Orders).decode


def encode_line(message: Orders | Command | Report) -> bytes:
    """A message as it goes through the pipe."""
    return msgspec.json.encode(message) + b"\n"

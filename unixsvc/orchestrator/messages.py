"""What an orchestrator and its workers tell each other, one JSON object a line."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct

from unixsvc.config import Limits, Log, Security, ServiceSettings
from unixsvc.config_http import Http
from unixsvc.orchestrator.privileges import Privileges
from unixsvc.telemetry.metrics import Snapshot

__all__ = [
    "COMMANDS_FD",
    "LISTENING_FD",
    "REPORTS_FD",
    "TALLY_FD",
    "AskFigures",
    "Command",
    "Drain",
    "Draining",
    "Failed",
    "Orders",
    "Ready",
    "Report",
    "SetLogLevel",
    "Status",
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


class Orders(Struct, frozen=True):
    """What a worker is to be: the first line that it reads.

    It goes through a pipe, as other processes can read arguments and environments.

    :ivar folder: first on the import path.
    :ivar token: empty if none is needed.
    :ivar privileges: what it is to give up.
    :ivar socket_dir: where its socket is; empty if it has none.
    :ivar http: what is particular to it, if it answers over HTTP.
    :ivar place: where it counts its connections, as :meth:`unixsvc.socket.tally.Tally.take` gives it.
    """

    service: str
    slot: int
    folder: str
    settings: ServiceSettings
    limits: Limits
    security: Security
    log: Log
    token: str
    privileges: Privileges = Privileges()
    socket_dir: str = ""
    place: int = 0
    http: Http | None = None

    def __repr__(self) -> str:
        # The generated one would show the token, and a repr ends up in logs.
        return f"<Orders {self.service} [{self.slot}]>"


class Drain(Struct, frozen=True, tag="drain"):
    """Answer what you have been asked, and end.

    :ivar patient: whether clients that hold a connection without using it are waited for: others serve
        meanwhile, so there is no hurry.
    """

    patient: bool = False


class AskFigures(Struct, frozen=True, tag="figures"):
    """Report your figures. As it is asked every second, it is a sign of life as well."""


class SetLogLevel(Struct, frozen=True, tag="log"):
    """Log what is at least at this level."""

    level: str


class Draining(Struct, frozen=True, tag="draining"):
    """The worker has been told to end, whoever has told it, and accepts nobody any more."""


class Ready(Struct, frozen=True, tag="ready"):
    """It has answered itself on the path that clients take, and they can connect."""


class Failed(Struct, frozen=True, tag="failed"):
    """The worker cannot start, and ends."""

    reason: str


class Status(Struct, frozen=True, tag="status"):
    """The figures of a worker.

    :ivar memory: resident, in bytes.
    """

    snapshot: Snapshot = Snapshot()
    connections: int = 0
    inflight: int = 0
    memory: int = 0


Command = Drain | AskFigures | SetLogLevel
Report = Ready | Draining | Failed | Status

decode_command = msgspec.json.Decoder(Command).decode
decode_report = msgspec.json.Decoder(Report).decode
decode_orders = msgspec.json.Decoder(Orders).decode


def encode_line(message: Orders | Command | Report) -> bytes:
    """A message as it goes through the pipe."""
    return msgspec.json.encode(message) + b"\n"

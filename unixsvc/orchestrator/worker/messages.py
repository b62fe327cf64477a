"""The protocol between the orchestrator and a worker: one JSON object a line, through two pipes.

The first line is the :class:`~unixsvc.service.spec.WorkerConfig`. The orchestrator sends commands after it,
the worker sends reports. Both sides have the same version, so the protocol may change; a worker with another
interpreter compares the versions first.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct

from unixsvc.domain.json import Json
from unixsvc.errors import ConfigError
from unixsvc.listen.certificates import ServerCertificate
from unixsvc.schedules.spec import ScheduleSpec
from unixsvc.schedules.state import Run
from unixsvc.security.access import AcceptedToken
from unixsvc.service.spec import StatsReport, WorkerConfig
from unixsvc.telemetry.log_levels import LevelRule

__all__ = [
    "COMMANDS_FD",
    "COUNTS_FD",
    "LIMITS_FD",
    "LISTENING_FD",
    "METRICS_FD",
    "REPORTS_FD",
    "AppMetrics",
    "Command",
    "DrainCommand",
    "Inspect",
    "Inspected",
    "JobEnded",
    "JobStarted",
    "Report",
    "ReportAppMetrics",
    "ReportStats",
    "RequestExamples",
    "RunJob",
    "SetCertificates",
    "SetLogLevel",
    "SetTokens",
    "WorkerDraining",
    "WorkerFailed",
    "WorkerLeadsGroup",
    "WorkerReady",
    "access_descriptor",
    "check_version",
    "decode_command",
    "decode_config",
    "encode_line",
    "installed_version",
]

# The file descriptors of a worker, in addition to the standard three.
REPORTS_FD: Final = 3
COMMANDS_FD: Final = 4
COUNTS_FD: Final = 5
LIMITS_FD: Final = 6
METRICS_FD: Final = 7
LISTENING_FD: Final = 8  # the first of one or more


def access_descriptor(listening: int) -> int:
    """The descriptor for the lines of the access log, if there is one.

    :param listening: the number of listening sockets.
    """
    return LISTENING_FD + listening


class DrainCommand(Struct, frozen=True, tag="drain"):
    """Send the pending replies, and exit.

    :ivar wait_for_idle: whether to wait for idle clients to disconnect, as other workers accept connections
        meanwhile.
    """

    wait_for_idle: bool = False


class ReportStats(Struct, frozen=True, tag="stats"):
    """Report the statistics. It is sent every second, so the reports show that the event loop runs.

    :ivar sent: when, on the monotonic clock, which is the same for all processes.
    """

    sent: float = 0.0


class ReportAppMetrics(Struct, frozen=True, tag="app_metrics"):
    """Report the metrics of the application, and :class:`RequestExamples`, if there are such.

    It is sent at each scrape.
    """


class SetLogLevel(Struct, frozen=True, tag="log"):
    """Set the lowest level that is logged.

    :ivar loggers: the levels of some loggers, by their names.
    :ivar rules: levels that count more than those.
    """

    level: str
    loggers: dict[str, str] = {}
    rules: tuple[LevelRule, ...] = ()


class SetTokens(Struct, frozen=True, tag="tokens"):
    """Set the valid tokens.

    :ivar token: the shared token, which is also sent to other services.
    :ivar tokens: the other tokens that clients may present.
    """

    token: str
    tokens: tuple[AcceptedToken, ...]

    def __repr__(self) -> str:
        # The default one would show the token in logs.
        return f"<SetTokens {len(self.tokens)}>"


class SetCertificates(Struct, frozen=True, tag="certificates"):
    """Set the certificates of endpoints; connections that are accepted later get them.

    :ivar certificates: by endpoint string.
    """

    certificates: dict[str, ServerCertificate]

    def __repr__(self) -> str:
        # The default one would show the private keys in logs.
        return f"<SetCertificates {[*self.certificates]}>"


class WorkerDraining(Struct, frozen=True, tag="draining"):
    """The worker was asked to exit, by a command or a signal, and accepts no connections any more."""


class WorkerLeadsGroup(Struct, frozen=True, tag="group"):
    """The worker leads a process group of its own."""


class WorkerReady(Struct, frozen=True, tag="ready"):
    """The worker has passed its health check, and clients can connect.

    :ivar schedules: those of its application.
    """

    schedules: tuple[ScheduleSpec, ...] = ()


class WorkerFailed(Struct, frozen=True, tag="failed"):
    """The worker cannot start, and exits."""

    reason: str


class RunJob(Struct, frozen=True, tag="run"):
    """Call the job of a schedule. A worker that drains ignores it."""

    run: Run


class JobStarted(Struct, frozen=True, tag="job_started"):
    """The job is called when this report is in the pipe, and so known even if the worker is killed then.

    :ivar number: that of the run.
    """

    number: int


class JobEnded(Struct, frozen=True, tag="job_ended"):
    """The job has returned.

    :ivar number: that of the run.
    :ivar error: the type of the exception; empty if there is none.
    """

    number: int
    error: str = ""


class Inspect(Struct, frozen=True, tag="inspect"):
    """Answer a question of an operator, see :func:`unixsvc.service.inspection.topics.answer`.

    :ivar number: of the question; the answer has it too.
    """

    number: int
    topic: str
    options: dict[str, Json] = {}


class Inspected(Struct, frozen=True, tag="inspected"):
    """A part of an answer: lines are limited in length.

    :ivar number: of the question.
    :ivar part: of the answer, as JSON.
    :ivar more: whether another part follows.
    :ivar error: why there is no answer; empty if there is one.
    """

    number: int
    part: str = ""
    more: bool = False
    error: str = ""


class AppMetrics(Struct, frozen=True, tag="app_metrics"):
    """A part of the metrics of the application, see :mod:`unixsvc.service.app_metrics`.

    :ivar part: of the JSON text.
    :ivar more: whether another part follows.
    """

    part: str
    more: bool = False


class RequestExamples(Struct, frozen=True, tag="examples"):
    """Requests that are recorded, as examples of latencies.

    :ivar found: of each its route, the ids of its trace and its span, its duration and its end in
        seconds; see ``SpanExample`` in :mod:`unixsvc.tracing.exemplars`.
    """

    found: Sequence[tuple[str, str, str, float, float]]


Command = (
    DrainCommand
    | Inspect
    | ReportAppMetrics
    | ReportStats
    | RunJob
    | SetCertificates
    | SetLogLevel
    | SetTokens
)
Report = (
    WorkerLeadsGroup
    | WorkerReady
    | WorkerDraining
    | WorkerFailed
    | StatsReport
    | JobStarted
    | JobEnded
    | Inspected
    | AppMetrics
    | RequestExamples
)

decode_command = msgspec.json.Decoder(Command).decode
decode_config = msgspec.json.Decoder(WorkerConfig).decode


def encode_line(message: WorkerConfig | Command | Report) -> bytes:
    """Encode a message with its line end."""
    return msgspec.json.encode(message) + b"\n"


def installed_version() -> str:
    """The version of unixsvc that this interpreter has."""
    from importlib import metadata  # late: few workers compare versions

    try:
        return metadata.version("unixsvc")
    except metadata.PackageNotFoundError:
        return "unknown"


def check_version(expected: str) -> None:
    """Check that this interpreter has the version of unixsvc that the orchestrator has.

    :raises ConfigError: if it has another.
    """
    found = installed_version()
    if found != expected:
        problem = f"has unixsvc {found}, and the orchestrator {expected}"
        raise ConfigError(sys.executable, problem, "install the same version, or upgrade and restart it")

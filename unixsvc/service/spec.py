"""The configuration of a worker, and the statistics that it reports."""

from __future__ import annotations

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from unixsvc.config.access import AccessRule
from unixsvc.config.http import Http
from unixsvc.config.nats import NatsAccess
from unixsvc.config.settings import Limits, Log, Security, ServiceSettings
from unixsvc.config.tracing import Tracing
from unixsvc.listen.certificates import ServerCertificate
from unixsvc.security.access import AcceptedToken
from unixsvc.telemetry.log_levels import LevelRule
from unixsvc.telemetry.metrics.snapshot import ClientStats, MetricsSnapshot, TaskStats

__all__ = ["Privileges", "StatsReport", "WorkerConfig"]


class Privileges(Struct, frozen=True):
    """The user and the resource limits of a worker; None keeps those of the orchestrator.

    :ivar groups: all supplementary groups; only with a ``gid``.
    :ivar umask: for files that the worker creates.
    :ivar open_files: maximum number of file descriptors.
    :ivar memory: maximum address space, in bytes.
    :ivar home: the home directory; only with a ``uid``.
    :ivar name: the user name; only with a ``uid``, and empty if the user has none.
    """

    uid: int | None = None
    gid: int | None = None
    groups: tuple[int, ...] = ()
    umask: int | None = None
    open_files: int | None = None
    memory: int | None = None
    home: str = ""
    name: str = ""

    @property
    def is_other_user(self) -> bool:
        """Whether the worker becomes another user than root, the one that it starts as."""
        return bool(self.uid)


class WorkerConfig(Struct, frozen=True):
    """The configuration of one worker.

    The orchestrator sends it through a pipe, as other processes can read arguments and environments.

    :ivar folder: the folder of the configuration, last on the import path.
    :ivar token: the shared token; empty if none is required.
    :ivar tokens: the other tokens that clients may present.
    :ivar privileges: the user and the resource limits that the worker switches to.
    :ivar socket_dir: the socket directory; empty if there is none.
    :ivar counts_slot: its :class:`~unixsvc.listen.balance.connection_counts.WorkerSlot`, as a number.
    :ivar http: the HTTP settings of the gateway; None for other services.
    :ivar certificates: those of the endpoints of the gateway with TLS, by endpoint string.
    :ivar owner: the uid of the orchestrator.
    :ivar access: the rules about who may call it, by their names.
    :ivar log_rules: levels of the log that were set at run time.
    :ivar debugged: whether it has a terminal as its standard input, output and error.
    :ivar tracing: traces of requests.
    :ivar nats: how it logs in to the cluster; None without one.
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
    counts_slot: int = 0
    http: Http | None = None
    owner: int = 0
    tokens: tuple[AcceptedToken, ...] = ()
    debugged: bool = False
    access: dict[str, AccessRule] = {}
    certificates: dict[str, ServerCertificate] = {}
    log_rules: tuple[LevelRule, ...] = ()
    tracing: Tracing = Tracing()
    nats: NatsAccess | None = None

    def __repr__(self) -> str:
        # The default one would show the token and private keys in logs.
        return f"<WorkerConfig {self.service} [{self.slot}]>"


class StatsReport(Struct, frozen=True, tag="status"):
    """The statistics of a worker.

    The replies are counted in memory that the worker shares with the orchestrator.

    :ivar memory: resident memory, in bytes.
    :ivar lag: how late the event loop was when the report was requested, in seconds.
    :ivar services: the clients of other services by name; unset if there are none, to keep reports short.
    :ivar tasks: the tasks by name; unset if there are none.
    :ivar queued: the number of requests and tasks that wait: for memory, as requests without a token do, or
        for a thread.
    """

    connections: int = 0
    inflight: int = 0
    memory: int = 0
    lag: float = 0.0
    services: dict[str, ClientStats] | UnsetType = UNSET
    tasks: dict[str, TaskStats] | UnsetType = UNSET
    queued: int = 0

    def add_to(self, counted: MetricsSnapshot) -> MetricsSnapshot:
        """The metrics of the worker.

        :param counted: the replies.
        """
        return replace(counted, services=self.services or {}, tasks=self.tasks or {})

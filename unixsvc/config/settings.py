"""The settings as checked values."""

# Annotations are not postponed: msgspec would compile the text of each when a worker starts.

import graphlib
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct

from unixsvc.config.access import AccessRule
from unixsvc.config.control import ControlAccess
from unixsvc.config.dashboard import Dashboard
from unixsvc.config.hooks import Hook
from unixsvc.config.http import Http
from unixsvc.config.metrics import MetricsEndpoint
from unixsvc.config.nats import OWN_SERVICE, Nats
from unixsvc.config.tracing import Tracing
from unixsvc.config.types import Count, NoLimit, Seconds
from unixsvc.errors import ConfigError
from unixsvc.limiting.service_rate import ServiceRate

__all__ = [
    "CONTROL_SERVICE",
    "HTTP_SERVICE",
    "NATS_SERVICE",
    "SHARED_TOKEN",
    "ClientSettings",
    "Limits",
    "Log",
    "NamedToken",
    "ResourceLimits",
    "Security",
    "ServiceOptions",
    "ServiceSettings",
    "Settings",
    "start_order",
]

LogLevel: TypeAlias = Literal["debug", "info", "warn", "error"]

CONTROL_SERVICE: Final = "orchestrator"
HTTP_SERVICE: Final = "http"
NATS_SERVICE: Final = OWN_SERVICE
SHARED_TOKEN: Final = "default"
"""The name of the token that has no table."""


class Limits(Struct, frozen=True, forbid_unknown_fields=True):
    """The limits of one worker: the table ``[limits]``.

    :ivar request_timeout: maximum time for a reply, in seconds.
    :ivar message_timeout: maximum time from the first byte of a message to its last, in seconds.
    :ivar idle_timeout: a connection without a message for this time is closed, in seconds.
    :ivar max_message_bytes: maximum size of a message.
    :ivar max_connections: further connections get a reply with code 503.
    :ivar max_inflight: pending requests over all connections; further requests get a reply with code 503.
    :ivar backlog: connections that may wait to be accepted, see ``listen(2)``.
    :ivar authentication_timeout: a client without a valid token that sends no whole message for this time is
        disconnected where the policy demands a token, in seconds.
    :ivar max_buffered_bytes: bytes of messages of unauthenticated clients that the worker buffers.
    :ivar max_connections_per_user: as ``max_connections``, for each user; 0 for half of
        ``max_connections``.
    """

    request_timeout: Seconds = 30.0
    message_timeout: Seconds = 30.0
    idle_timeout: Seconds = 300.0
    max_message_bytes: Annotated[int, Meta(ge=64)] = 1_048_576
    max_connections: Count = 1024
    max_inflight: Count = 1024
    backlog: Count = 1024
    authentication_timeout: Seconds = 5.0
    max_buffered_bytes: Annotated[int, Meta(ge=64)] = 67_108_864
    max_connections_per_user: NoLimit = 0

    @property
    def connections_per_user(self) -> int:
        """The most connections that one user may have."""
        return self.max_connections_per_user or (self.max_connections + 1) // 2


class Security(Struct, frozen=True, forbid_unknown_fields=True):
    """Access to the services: the table ``[security]``.

    :ivar token: ``required`` for every message, ``private`` for routes that are not public, or ``off``.
    :ivar allow_uids: if not empty, only processes of these users may connect.
    :ivar allow_gids: if not empty, only processes of these groups may connect.
    """

    token: Literal["required", "private", "off"] = "required"
    allow_uids: tuple[int, ...] = ()
    allow_gids: tuple[int, ...] = ()


class NamedToken(Struct, frozen=True, forbid_unknown_fields=True):
    """One token besides the shared one: a table ``[tokens.NAME]``.

    :ivar sha256: the SHA-256 digest of the token, in hexadecimal; several while it is being replaced.
    :ivar services: the services that it may call; ``*`` is any.
    :ivar routes: the routes that it may call there, such as ``GET /user/{id}``; empty for all.
    """

    sha256: str | tuple[str, ...]
    services: tuple[str, ...]
    routes: tuple[str, ...] = ()

    @property
    def digests(self) -> tuple[str, ...]:
        """All digests."""
        return (self.sha256,) if isinstance(self.sha256, str) else self.sha256


class ResourceLimits(Struct, frozen=True, forbid_unknown_fields=True):
    """Resource limits of one worker, see ``setrlimit(2)``; None keeps the limit of the orchestrator.

    :ivar open_files: number of file descriptors (``RLIMIT_NOFILE``).
    :ivar memory: bytes of address space (``RLIMIT_AS``), which is more than the resident memory.
    """

    open_files: Count | None = None
    memory: Annotated[int, Meta(ge=1, le=2**63 - 1)] | None = None


class ServiceOptions(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The keys that ``[services.NAME]`` and ``[http]`` have in common.

    :ivar workers: number of processes; ``auto`` is one for each CPU that the orchestrator may use.
    :ivar threads: number of blocking actions that run at the same time in each worker.
    :ivar depends_on: services that must be ready before this one starts and that stop after it; of a gateway,
        those that it mounts too, as it is loaded.
    :ivar essential: whether the orchestrator exits with code 4 when this service has failed.
    :ivar boot_timeout: a worker that is not ready after this time is killed, in seconds.
    :ivar drain_delay: how long a worker that stops still accepts connections while ``/-/ready`` is 503, so
        that load balancers see it, in seconds. Workers that others replace do not wait.
    :ivar drain_timeout: maximum time for a draining worker to send its pending replies, in seconds.
    :ivar kill_timeout: maximum time for it to exit after that before it is killed, in seconds.
    :ivar watchdog: a worker whose event loop is blocked for this time is killed, in seconds.
    :ivar ready_timeout: a check of ``/-/ready`` that takes longer has failed, in seconds.
    :ivar start_limit: the service has failed when this number of workers in a row has died early within
        ``start_interval``.
    :ivar start_interval: the time in which these workers have died early, in seconds.
    :ivar stable_after: a worker that was ready for this time has not died early, in seconds.
    :ivar max_requests: a worker is recycled after about this number of requests; 0 for never.
    :ivar max_memory: a worker is recycled when its resident memory exceeds this number of bytes; 0 for never.
    :ivar max_age: a worker is recycled after this time, in seconds; 0 for never.
    :ivar user: name or number of the user that workers run as; empty for the orchestrator's own. A different
        user requires root.
    :ivar group: name or number of their group; empty for the primary group of ``user``.
    :ivar umask: the umask of workers, in octal; empty for the orchestrator's.
    :ivar rlimits: the resource limits of each worker.
    :ivar environment: environment variables in addition to those of the orchestrator.
    :ivar options: passed to the container of the application.
    :ivar answer_ttl: how long a reply is kept for its idempotency key, in seconds.
    :ivar max_answers: maximum number of replies kept.
    :ivar max_answer_bytes: maximum size of all replies kept.
    :ivar rate_limit: how many requests a caller may make.

    The last ten override the keys of :class:`Limits` for this service.
    """

    workers: Count | Literal["auto"] = 1
    threads: Count = 8
    depends_on: tuple[str, ...] = ()
    essential: bool = False
    boot_timeout: Seconds = 10.0
    drain_delay: Annotated[float, Meta(ge=0, le=1e6)] = 0.0
    drain_timeout: Seconds = 30.0
    kill_timeout: Seconds = 5.0
    watchdog: Seconds = 10.0
    ready_timeout: Seconds = 2.0
    start_limit: Count = 5
    start_interval: Seconds = 10.0
    stable_after: Seconds = 1.0
    max_requests: NoLimit = 0
    max_memory: NoLimit = 0
    max_age: Annotated[float, Meta(ge=0, le=1e9)] = 0.0
    user: str = ""
    group: str = ""
    umask: Annotated[str, Meta(pattern="^(0?[0-7]{3})?$")] = ""
    rlimits: ResourceLimits = ResourceLimits()
    environment: dict[str, str] = {}
    options: dict[str, Any] = {}  # TOML values of any shape: the application knows which
    answer_ttl: Seconds = 600.0
    max_answers: Count = 10_000
    max_answer_bytes: Count = 67_108_864
    rate_limit: ServiceRate = ServiceRate()
    request_timeout: Seconds | None = None
    message_timeout: Seconds | None = None
    idle_timeout: Seconds | None = None
    authentication_timeout: Seconds | None = None
    max_message_bytes: Annotated[int, Meta(ge=64)] | None = None
    max_buffered_bytes: Annotated[int, Meta(ge=64)] | None = None
    max_connections: Count | None = None
    max_connections_per_user: NoLimit | None = None
    max_inflight: Count | None = None
    backlog: Count | None = None

    @property
    def worker_count(self) -> int:
        """The number of processes on this machine."""
        if self.workers != "auto":
            return self.workers
        from unixsvc.config.cpus import available_cpus  # late: only the orchestrator counts them

        return available_cpus()

    def limits(self, general: Limits) -> Limits:
        """The limits of this service: its own, else the general ones."""
        own = {name: getattr(self, name) for name in Limits.__struct_fields__}
        return msgspec.structs.replace(general, **{k: v for k, v in own.items() if v is not None})


class ServiceSettings(ServiceOptions, frozen=True, forbid_unknown_fields=True):
    """One service: a table ``[services.NAME]``.

    :ivar app: the application, as ``package.module:name``.
    :ivar handler: the factory of the :class:`~unixsvc.IRequestHandler`, in the same form.
    :ivar isolation: ``process`` for worker processes, ``inline`` for the orchestrator's own process.
    """

    app: str
    handler: str = "unixsvc.server.handler:SocketRequestHandler"
    isolation: Literal["process", "inline"] = "process"


class Log(Struct, frozen=True, forbid_unknown_fields=True):
    """The log: the table ``[log]``.

    :ivar format: ``text``, or ``json`` for one JSON object on each line.
    :ivar fields: the names in the JSON format: our own, those of the Elastic Common Schema, or those of
        OpenTelemetry's data model.
    :ivar level: the lowest level that is logged.
    :ivar file: the log file; if empty, standard output, or ``twistd.log`` for a daemon.
    :ivar loggers: the lowest levels of some loggers, and of those below them, by their names.
    :ivar access: the requests that are logged: ``off``, ``errors`` for those with a code of 400 or more,
        ``all``, or a share of them, from 0 to 1.
    :ivar ring_bytes: how much of the last events the orchestrator keeps in memory, as bytes of JSON; 0 for
        none.
    """

    format: Literal["text", "json"] = "text"
    level: LogLevel = "info"
    file: str = ""
    loggers: dict[str, LogLevel] = {}
    access: Literal["off", "errors", "all"] | Annotated[float, Meta(ge=0, le=1)] = "off"
    ring_bytes: Annotated[int, Meta(ge=0, le=2**30)] = 4_194_304
    fields: Literal["unixsvc", "ecs", "otel"] = "unixsvc"


class ClientSettings(Struct, frozen=True):
    """The part of a configuration that clients need; every path in it is absolute.

    :ivar source: the files, for messages.
    """

    source: str
    socket_dir: str
    token_file: str
    security: Security


class Settings(Struct, frozen=True):
    """A checked configuration; every path in it is absolute.

    :ivar source: the files, for messages.
    :ivar files: the files; none for the demo.
    :ivar folder: the base of relative paths; workers have it last on their import path.
    :ivar services: the tables ``[services.NAME]``; ``http`` for a table ``[http]``, and ``http-NAME`` for a
        table ``[http.NAME]``.
    :ivar gateways: the keys of these tables that no other service has, by the names of the services.
    :ivar control: who may use the control API.
    :ivar dashboard: the live page.
    :ivar metrics: metrics for Prometheus.
    :ivar tokens: the tables ``[tokens.NAME]``.
    :ivar access: the tables ``[access.NAME]``.
    :ivar python: the interpreter of the workers; empty for that of the orchestrator.
    :ivar tracing: traces of requests.
    :ivar hooks: the tables ``[[hooks]]``.
    :ivar nats: the cluster.
    """

    source: str
    folder: str
    socket_dir: str
    socket_mode: int
    token_file: str
    limits: Limits
    security: Security
    services: dict[str, ServiceSettings]
    log: Log
    gateways: dict[str, Http] = {}
    control: ControlAccess = ControlAccess()
    dashboard: Dashboard = Dashboard()
    metrics: MetricsEndpoint = MetricsEndpoint()
    tokens: dict[str, NamedToken] = {}
    access: dict[str, AccessRule] = {}
    files: tuple[str, ...] = ()
    python: str = ""
    tracing: Tracing = Tracing()
    hooks: tuple[Hook, ...] = ()
    nats: Nats = Nats()

    @property
    def directory_mode(self) -> int:
        """The mode of a new socket directory. Workers that run as other users must be able to enter it."""
        return 0o711 if any(service.user for service in self.services.values()) else 0o700


def start_order(services: dict[str, ServiceSettings], source: str = "services") -> list[str]:
    """Sort services so that each comes after the services that it depends on.

    :param source: the file, for messages.
    :raises ConfigError: if a dependency does not exist or the dependencies form a cycle.
    """
    for name, service in services.items():
        for other in service.depends_on:
            if other not in services:
                where = f"{source}: services.{name}.depends_on"
                raise ConfigError(
                    where, f"there is no service {other!r}", f"there are: {', '.join(services)}"
                )
    sorter = graphlib.TopologicalSorter({name: service.depends_on for name, service in services.items()})
    try:
        return list(sorter.static_order())
    except graphlib.CycleError as error:
        cycle = " -> ".join(reversed(error.args[1]))
        raise ConfigError(
            f"{source}: services", f"depend on each other: {cycle}", "remove one of these dependencies"
        ) from None

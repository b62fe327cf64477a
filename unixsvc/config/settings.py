"""What can be configured, as checked values."""

from __future__ import annotations

import graphlib
import os
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct

from unixsvc.config.http import Http
from unixsvc.errors import ConfigError

__all__ = [
    "CONTROL_SERVICE",
    "HTTP_SERVICE",
    "Limits",
    "Log",
    "ResourceLimits",
    "Security",
    "ServiceSettings",
    "Settings",
    "start_order",
]

CONTROL_SERVICE: Final = "orchestrator"
HTTP_SERVICE: Final = "http"

Seconds = Annotated[float, Meta(gt=0, le=1e6)]  # epoll counts milliseconds in 31 bits
Count = Annotated[int, Meta(ge=1, le=2**31 - 1)]
NoLimit = Annotated[int, Meta(ge=0, le=2**63 - 1)]  # 0 is for: none


class Limits(Struct, frozen=True, forbid_unknown_fields=True):
    """What one worker puts up with.

    :ivar request_timeout: the longest time for an answer, in seconds.
    :ivar message_timeout: the longest time for a message from its first byte to its last, in seconds.
    :ivar idle_timeout: after so many seconds without a message, a connection is closed.
    :ivar max_message_bytes: the largest accepted message.
    :ivar max_connections: further ones are answered with 503.
    :ivar max_inflight: unanswered requests over all connections; further ones are answered with 503.
    :ivar backlog: connections that may wait to be accepted.
    """

    request_timeout: Seconds = 30.0
    message_timeout: Seconds = 30.0
    idle_timeout: Seconds = 300.0
    max_message_bytes: Annotated[int, Meta(ge=64)] = 1_048_576
    max_connections: Count = 1024
    max_inflight: Count = 1024
    backlog: Count = 1024


class Security(Struct, frozen=True, forbid_unknown_fields=True):
    """Who may call.

    :ivar token: ``required`` for every message, ``private`` for routes that are not public, or ``off``.
    :ivar allow_uids: if any, only processes of these users may connect.
    :ivar allow_gids: if any, only processes of these groups may connect.
    """

    token: Literal["required", "private", "off"] = "required"
    allow_uids: tuple[int, ...] = ()
    allow_gids: tuple[int, ...] = ()


class ResourceLimits(Struct, frozen=True, forbid_unknown_fields=True):
    """What the kernel gives one worker, as ``setrlimit`` has it; None leaves what the orchestrator has.

    :ivar open_files: descriptors at a time (``RLIMIT_NOFILE``).
    :ivar memory: bytes of address space (``RLIMIT_AS``), which is more than what is resident.
    """

    open_files: Count | None = None
    memory: Annotated[int, Meta(ge=1, le=2**63 - 1)] | None = None


class ServiceSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """One service. A limit that stands here overrides the one of ``[limits]``.

    :ivar app: where its application is, as ``package.module:name``.
    :ivar workers: how many processes; ``auto`` is one for each core.
    :ivar threads: how many blocking actions may run at a time, in each worker.
    :ivar handler: the :class:`~unixsvc.server.interfaces.IRequestHandler` that listens, likewise.
    :ivar isolation: ``process``, or ``inline`` for the orchestrator's own process.
    :ivar depends_on: services that are ready before this one starts, and stop after it.
    :ivar essential: whether the orchestrator ends, with code 4, when this service has failed.
    :ivar boot_timeout: a worker that is not ready after so many seconds is killed.
    :ivar drain_timeout: how long a worker may take to answer what it has been asked, once it is to end.
    :ivar kill_timeout: how long it may take to end after that, before it is killed.
    :ivar watchdog: a worker whose event loop stands still for so many seconds is killed.
    :ivar start_limit: after so many workers in a row that died early, within ``start_interval`` seconds, the
        service has failed.
    :ivar stable_after: a worker that was ready for so many seconds has not died early.
    :ivar max_requests: after about so many requests a worker is replaced; 0 for never.
    :ivar max_memory: so many resident bytes, likewise.
    :ivar max_age: so many seconds, likewise.
    :ivar user: whom workers run as, if not as the orchestrator does; a name or a number. Only root can.
    :ivar group: likewise; without it, the user's own.
    :ivar umask: of the workers, in octal.
    :ivar rlimits: what the kernel gives each worker.
    :ivar environment: environment variables, besides the orchestrator's own.
    :ivar options: handed to the application's container.
    :ivar answer_ttl: for so many seconds an answer to an idempotency key is kept.
    :ivar max_answers: how many of them are kept.
    """

    app: str
    workers: Count | Literal["auto"] = 1
    threads: Count = 8
    handler: str = "unixsvc.server.handler:SocketRequestHandler"
    isolation: Literal["process", "inline"] = "process"
    depends_on: tuple[str, ...] = ()
    essential: bool = False
    boot_timeout: Seconds = 10.0
    drain_timeout: Seconds = 30.0
    kill_timeout: Seconds = 5.0
    watchdog: Seconds = 10.0
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
    options: dict[str, Any] = {}
    answer_ttl: Seconds = 600.0
    max_answers: Count = 10_000
    request_timeout: Seconds | None = None
    message_timeout: Seconds | None = None
    idle_timeout: Seconds | None = None
    max_message_bytes: Annotated[int, Meta(ge=64)] | None = None
    max_connections: Count | None = None
    max_inflight: Count | None = None
    backlog: Count | None = None

    @property
    def worker_count(self) -> int:
        """How many processes, on this machine."""
        return (os.cpu_count() or 1) if self.workers == "auto" else self.workers

    def limits(self, general: Limits) -> Limits:
        """The limits of this service: its own, else the general ones."""
        own = {name: getattr(self, name) for name in Limits.__struct_fields__}
        return msgspec.structs.replace(general, **{k: v for k, v in own.items() if v is not None})


class Log(Struct, frozen=True, forbid_unknown_fields=True):
    """How the log is written."""

    format: Literal["text", "json"] = "text"
    level: Literal["debug", "info", "warn", "error"] = "info"


class Settings(Struct, frozen=True):
    """A checked configuration; every path in it is absolute.

    :ivar source: where it was read, for messages.
    :ivar folder: what relative paths in it are relative to; first on the import path of workers.
    :ivar services: those of ``[services]``, and :data:`HTTP_SERVICE`, if there is a table ``[http]``.
    :ivar http: what is particular to that one.
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
    http: Http | None = None


def start_order(services: dict[str, ServiceSettings], source: str = "services") -> list[str]:
    """The services in an order in which each comes after those that it depends on.

    :param source: where they are configured, for messages.
    :raises ConfigError: if one depends on a service that there is not, or on itself.
    """
    for name, service in services.items():
        for other in service.depends_on:
            if other not in services:
                where = f"{source}: services.{name}.depends_on"
                raise ConfigError(where, f"there is no service {other!r}")
    sorter = graphlib.TopologicalSorter({name: each.depends_on for name, each in services.items()})
    try:
        return list(sorter.static_order())
    except graphlib.CycleError as error:
        circle = " -> ".join(reversed(error.args[1]))
        raise ConfigError(f"{source}: services", f"depend on each other: {circle}") from None

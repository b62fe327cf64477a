"""The configuration: what ``unixsvc.toml`` may say, checked when it is read."""

from __future__ import annotations

import difflib
import graphlib
import os
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct

from unixsvc.domain.checking import PLAIN, Problem, find_problems
from unixsvc.errors import ConfigError

__all__ = [
    "CONTROL_SERVICE",
    "FILE_NAME",
    "Limits",
    "Log",
    "ResourceLimits",
    "Security",
    "ServiceSettings",
    "Settings",
    "default_socket_dir",
    "load_settings",
    "start_order",
]

FILE_NAME: Final = "unixsvc.toml"
CONTROL_SERVICE: Final = "orchestrator"

_SERVICE_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_DEMO = {"home": {"app": "unix_app.home:app", "workers": 2}, "user": {"app": "unix_app.user:app"}}

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
    :ivar handler: the :class:`~unixsvc.domain.interfaces.IRequestHandler` that listens, likewise.
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
    handler: str = "unixsvc.socket.server:SocketRequestHandler"
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


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    """What may stand in the file, as it stands there."""

    socket_dir: str | None = None
    socket_mode: Annotated[str, Meta(pattern="^0?[0-7]{3}$")] = "0660"
    token_file: str = ".auth_token"
    limits: Limits = Limits()
    security: Security = Security()
    services: dict[str, ServiceSettings] = {}
    log: Log = Log()


class Settings(Struct, frozen=True):
    """A checked configuration; every path in it is absolute.

    :ivar source: where it was read, for messages.
    :ivar folder: what relative paths in it are relative to; first on the import path of workers.
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


def default_socket_dir(environ: dict[str, str], uid: int) -> str:
    """Where sockets are when nobody says.

    :param environ: the environment variables.
    :param uid: the user that asks.
    """
    if environ.get("RUNTIME_DIRECTORY"):
        return environ["RUNTIME_DIRECTORY"].split(":")[0]  # systemd may name several
    if environ.get("XDG_RUNTIME_DIR"):
        return os.path.join(environ["XDG_RUNTIME_DIR"], "unixsvc")
    return "/run/unixsvc" if uid == 0 else f"/tmp/unixsvc-{uid}"  # noqa: S108  # 0700 and checked before use


def load_settings(
    path: str | None = None, *, socket_dir: str | None = None, cwd: str | None = None
) -> Settings:
    """Read the configuration: the named file, else the one in the current directory, else the demo.

    :param socket_dir: overrides what the file says; relative to the current directory.
    :param cwd: the current directory, if not the process's.
    :raises ConfigError: naming what is wrong and where.
    """
    folder = Path(cwd or os.getcwd())
    fallback = default_socket_dir(dict(os.environ), os.getuid())
    override = None if socket_dir is None else str(folder / socket_dir)
    if path is None and not (folder / FILE_NAME).exists():
        # The demo has no file to be beside of, so all that it keeps is beside its sockets.
        base = Path(override or fallback)
        return _resolve(_checked({"services": _DEMO}, "the demo"), "the demo", base, override or fallback)
    file = folder / (path or FILE_NAME)
    return _resolve(_read(file), str(file), file.parent.resolve(), override or "", fallback)


def _resolve(file: _File, source: str, folder: Path, override: str, fallback: str = "") -> Settings:
    own = str(folder / file.socket_dir) if file.socket_dir else ""
    return Settings(
        source=source,
        folder=str(folder),
        socket_dir=os.path.normpath(override or own or fallback),
        socket_mode=int(file.socket_mode, 8),
        token_file=str(folder / file.token_file),
        limits=file.limits,
        security=file.security,
        services=file.services,
        log=file.log,
    )


def _read(file: Path) -> _File:
    try:
        table = tomllib.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        raise ConfigError(str(file), "no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(str(file), f"cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(str(file), f"is no TOML: {error}") from None
    except RecursionError:
        raise ConfigError(str(file), "is nested too deeply") from None
    return _checked(table, str(file))


def _checked(table: dict[str, Any], source: str) -> _File:
    problems = find_problems(_File, table, PLAIN)
    if problems:
        raise ConfigError(source, "; ".join(_explain(each) for each in problems))
    file = msgspec.convert(table, _File)
    if not file.services:
        raise ConfigError(source, "no service is configured", "add a table [services.NAME] with an app")
    for name in file.services:
        if name == CONTROL_SERVICE or not _SERVICE_NAME.fullmatch(name):
            raise ConfigError(
                f"{source}: services.{name}",
                "is no name for a service",
                f"use lower-case letters, digits, '-' and '_', and not {CONTROL_SERVICE!r}",
            )
        for variable, value in file.services[name].environment.items():
            if not variable or {"=", "\0"} & {*variable} or "\0" in value:
                where = f"{source}: services.{name}.environment"
                raise ConfigError(where, f"{variable!r} and its value cannot be in an environment")
    start_order(file.services, source)
    return file


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


def _explain(problem: Problem) -> str:
    near = ""
    if problem.message == "is unknown":
        parent, _, key = problem.field.rpartition(".")
        close = difflib.get_close_matches(key, _keys_of(parent), 1)
        near = f" (did you mean {close[0]!r}?)" if close else ""
    return f"{problem.field} {_lower(problem.message)}{near}"


def _keys_of(table: str) -> list[str]:
    kinds: dict[str, type[Struct]] = {"": _File, "limits": Limits, "security": Security, "log": Log}
    kind = kinds.get(table, _File)
    if table.startswith("services."):
        inner = table.count(".") > 1  # a service may have the name of a table
        kind = ResourceLimits if inner else ServiceSettings
    return list(kind.__struct_fields__)


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:]

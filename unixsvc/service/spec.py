"""What a service in a process is made from, and the statistics that it reports."""

from __future__ import annotations

from msgspec import Struct

from unixsvc.config.http import Http
from unixsvc.config.settings import Limits, Log, Security, ServiceSettings
from unixsvc.telemetry.metrics import MetricsSnapshot

__all__ = ["Privileges", "StatsReport", "WorkerConfig"]


class Privileges(Struct, frozen=True):
    """Whom a worker runs as, and what it gets; None leaves what the orchestrator has.

    :ivar groups: all that it is in; only if there is a ``gid``.
    :ivar umask: for the files that it makes.
    :ivar open_files: descriptors at a time.
    :ivar memory: bytes of address space.
    :ivar home: the user's directory; only if there is a ``uid``.
    :ivar name: the user's name, likewise; empty if it has none.
    """

    uid: int | None = None
    gid: int | None = None
    groups: tuple[int, ...] = ()
    umask: int | None = None
    open_files: int | None = None
    memory: int | None = None
    home: str = ""
    name: str = ""


class WorkerConfig(Struct, frozen=True):
    """What a worker is to be: the first line that it reads.

    It goes through a pipe, as other processes can read arguments and environments.

    :ivar folder: first on the import path.
    :ivar token: empty if none is needed.
    :ivar privileges: what it is to give up.
    :ivar socket_dir: where its socket is; empty if it has none.
    :ivar http: what is particular to it, if it answers over HTTP.
    :ivar place: its :class:`~unixsvc.listen.connection_counts.WorkerSlot`, as a number.
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


class StatsReport(Struct, frozen=True, tag="status"):
    """The figures of a worker.

    :ivar memory: resident, in bytes.
    """

    snapshot: MetricsSnapshot = MetricsSnapshot()
    connections: int = 0
    inflight: int = 0
    memory: int = 0

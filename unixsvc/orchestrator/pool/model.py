"""The values of the supervision policy: its parameters, what it reads, and what it returns."""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import Enum

from msgspec import Struct

__all__ = [
    "Action",
    "Drain",
    "Dump",
    "Kill",
    "Plan",
    "PoolView",
    "Recycling",
    "SlotHistory",
    "Spawn",
    "SupervisionPolicy",
    "Terminate",
    "WorkerPhase",
    "WorkerView",
]


class WorkerPhase(Enum):
    """The phases of a worker's life; the values are those of ``unixsvc status``."""

    STARTING = "starting"
    READY = "ready"
    STUCK = "stuck"
    DRAINING = "draining"
    TERMINATING = "terminating"
    KILLED = "killed"


class SupervisionPolicy(Struct, frozen=True):
    """The parameters of the policy; all times are in seconds.

    ``start_limit`` and ``start_interval`` have the defaults of systemd's ``StartLimitBurst`` and
    ``StartLimitIntervalSec``; the other defaults are choices of this project.

    :ivar boot_timeout: from the start of a worker until it must be ready.
    :ivar drain_delay: from the drain command until a worker without a successor stops to accept connections.
    :ivar drain_timeout: from then on until the worker is sent TERM.
    :ivar kill_timeout: from TERM until KILL.
    :ivar watchdog: a ready worker that has not reported for this time is stuck.
    :ivar dump_time: for a stuck worker to write its stack before it is killed.
    :ivar stable_after: a worker that was ready for this time has not died early.
    :ivar start_limit: the number of early deaths in a row within ``start_interval`` that are too many.
    :ivar first_delay: the back-off before the second replacement in a row; it doubles for each further one.
        The first replacement starts at once.
    :ivar max_delay: the maximum back-off.
    """

    boot_timeout: float
    drain_timeout: float
    kill_timeout: float
    watchdog: float = 10.0
    dump_time: float = 0.2
    stable_after: float = 1.0
    start_limit: int = 5
    start_interval: float = 10.0
    first_delay: float = 0.5
    max_delay: float = 30.0
    drain_delay: float = 0.0


class Recycling(Struct, frozen=True):
    """The limits after which a worker is replaced although it is healthy; 0 is for no limit.

    :ivar max_memory: resident memory, in bytes.
    :ivar max_age: in seconds.
    """

    max_requests: int = 0
    max_memory: int = 0
    max_age: float = 0.0


class WorkerView(Struct, frozen=True):
    """One worker, as the policy sees it.

    :ivar number: counts all workers that the service ever had; newer workers have higher numbers.
    :ivar slot: the slot that it fills, from 1.
    :ivar since: when it entered its phase, in seconds.
    :ivar policy: the parameters at the time of its start.
    :ivar last_seen: when it last reported, in seconds.
    :ivar ready_at: when clients could first connect, in seconds; None before that.
    :ivar outdated: whether a new worker should replace it.
    :ivar retiring: whether it was asked to exit.
    """

    number: int
    slot: int
    phase: WorkerPhase
    since: float
    policy: SupervisionPolicy
    last_seen: float = 0.0
    ready_at: float | None = None
    outdated: bool = False
    retiring: bool = False


class SlotHistory(Struct, frozen=True):
    """How the workers of one slot have ended.

    :ivar failures: the number of early deaths in a row.
    :ivar recent: the times of the last of them, in seconds; at most ``start_limit`` of them.
    :ivar next_start: the slot stays empty until then, in seconds.
    :ivar start_limit_hit: whether ``start_limit`` of them were within ``start_interval``.
    """

    failures: int = 0
    recent: tuple[float, ...] = ()
    next_start: float = -math.inf
    start_limit_hit: bool = False

    def delay(self, now: float) -> float | None:
        """The seconds until the next start; None after the start limit, as the service may have failed."""
        return None if self.start_limit_hit else self.next_start - now


class PoolView(Struct, frozen=True):
    """The workers of a service, as the policy sees them.

    :ivar wanted: the number of workers that should run.
    :ivar histories: the histories of slots whose workers have died, by slot.
    :ivar stopping: whether no worker should run.
    """

    wanted: int
    workers: tuple[WorkerView, ...] = ()
    histories: Mapping[int, SlotHistory] = {}
    stopping: bool = False


class Spawn(Struct, frozen=True):
    """Start a worker.

    :ivar number: the slot.
    """

    number: int


class Drain(Struct, frozen=True):
    """Ask a worker to send its pending replies and to exit.

    :ivar number: the worker, as in the actions below.
    """

    number: int


class Terminate(Struct, frozen=True):
    """Send TERM: refuse pending requests and exit."""

    number: int


class Dump(Struct, frozen=True):
    """Make a stuck worker write its stack to the log."""

    number: int


class Kill(Struct, frozen=True):
    """Send KILL."""

    number: int


Action = Spawn | Drain | Terminate | Dump | Kill


class Plan(Struct, frozen=True):
    """The result of the policy.

    :ivar wake_at: when to decide again if nothing happens before, in seconds; None if there is no need.
    :ivar failed: whether the service has failed: every slot has hit the start limit.
    """

    actions: tuple[Action, ...]
    wake_at: float | None
    failed: bool = False

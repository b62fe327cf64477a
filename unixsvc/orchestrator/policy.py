"""What to do with the workers of a service: a function of what they are and of the time.

The policy is that of gunicorn's arbiter where it has one: a deadline for each phase, then the next harder
means; and a dead worker is replaced, the more slowly the more often they die.
"""

from __future__ import annotations

import math
from enum import Enum
from typing import Final

from msgspec import Struct

__all__ = [
    "Action",
    "Drain",
    "History",
    "Kill",
    "Phase",
    "Plan",
    "PoolView",
    "Rules",
    "Spawn",
    "Terminate",
    "WorkerView",
    "after_exit",
    "decide",
]


class Phase(Enum):
    """Where a worker is in its life."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"
    TERMINATING = "terminating"
    KILLED = "killed"


class WorkerView(Struct, frozen=True):
    """One worker.

    :ivar slot: its number, from 1.
    :ivar since: when it entered its phase, in seconds.
    """

    slot: int
    phase: Phase
    since: float


class History(Struct, frozen=True):
    """How the workers of one slot have ended.

    :ivar failures: how many died in a row, each before it had been ready for a while.
    :ivar last_exit: when the last one did, in seconds.
    """

    failures: int = 0
    last_exit: float = 0.0


class Rules(Struct, frozen=True):
    """The times, in seconds.

    :ivar stable_after: a worker that was ready for so long does not count as one in a row.
    :ivar first_delay: before the second replacement in a row; doubled for each further one. The first
        comes at once.
    :ivar max_delay: the longest delay.
    """

    boot_timeout: float
    drain_timeout: float
    kill_timeout: float
    stable_after: float = 10.0
    first_delay: float = 0.5
    max_delay: float = 30.0


class PoolView(Struct, frozen=True):
    """A service.

    :ivar wanted: how many workers there should be.
    :ivar histories: of the slots whose workers have died, by slot.
    :ivar stopping: whether there should be none any more.
    """

    wanted: int
    workers: tuple[WorkerView, ...] = ()
    histories: dict[int, History] = {}
    stopping: bool = False


class Spawn(Struct, frozen=True):
    """Start a worker."""

    slot: int


class Drain(Struct, frozen=True):
    """Ask a worker to answer what it has been asked, and to end."""

    slot: int


class Terminate(Struct, frozen=True):
    """Tell a worker to end now."""

    slot: int


class Kill(Struct, frozen=True):
    """End a worker."""

    slot: int


Action = Spawn | Drain | Terminate | Kill


class Plan(Struct, frozen=True):
    """What is to be done.

    :ivar wake_at: when to look again if nothing happens before; None if there is no need to.
    """

    actions: tuple[Action, ...]
    wake_at: float | None


# Which rule limits a phase, and what is done when its time is over.
_ESCALATION: Final[dict[Phase, tuple[str, type[Terminate] | type[Kill]]]] = {
    Phase.STARTING: ("boot_timeout", Kill),
    Phase.DRAINING: ("drain_timeout", Terminate),
    Phase.TERMINATING: ("kill_timeout", Kill),
}
# What is done with a worker that is no longer wanted. One that is not ready has nothing to answer.
_RETIREMENT: Final[dict[Phase, type[Drain] | type[Terminate]]] = {
    Phase.STARTING: Terminate,
    Phase.READY: Drain,
}


def decide(view: PoolView, rules: Rules, now: float) -> Plan:
    """Say what is to be done now. Carried out, it is not said again.

    :param now: on the clock of the views' times, in seconds.
    """
    actions: list[Action] = []
    wakes: list[float] = []
    wanted = 0 if view.stopping else view.wanted
    for worker in view.workers:
        if worker.slot > wanted and worker.phase in _RETIREMENT:
            actions.append(_RETIREMENT[worker.phase](worker.slot))
        elif worker.phase in _ESCALATION:
            rule, means = _ESCALATION[worker.phase]
            deadline = worker.since + getattr(rules, rule)
            if now >= deadline:
                actions.append(means(worker.slot))
            else:
                wakes.append(deadline)
    taken = {worker.slot for worker in view.workers}
    for slot in range(1, wanted + 1):
        if slot in taken:
            continue
        allowed = _next_start(view.histories.get(slot, History()), rules)
        if now < allowed:
            wakes.append(allowed)
        else:
            actions.append(Spawn(slot))
    return Plan(tuple(actions), min(wakes, default=None))


def after_exit(history: History, worker: WorkerView, rules: Rules, now: float) -> History:
    """The history of a slot after its worker has ended. One that was told to end has not failed.

    :param worker: as it was before it ended.
    """
    if worker.phase in (Phase.DRAINING, Phase.TERMINATING):
        return history
    stable = worker.phase is Phase.READY and now - worker.since >= rules.stable_after
    return History(1 if stable else history.failures + 1, now)


def _next_start(history: History, rules: Rules) -> float:
    if history.failures < 2:
        return -math.inf
    # The exponent is bounded so that a service that fails for weeks does not overflow a float.
    delay = rules.first_delay * 2.0 ** min(history.failures - 2, 32)
    return history.last_exit + min(delay, rules.max_delay)

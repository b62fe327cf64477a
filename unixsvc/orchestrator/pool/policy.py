"""What to do with the workers of a service: a function of what they are and of the time.

The policy is that of gunicorn's arbiter where it has one: a deadline for each phase, then the next harder
means; a successor is ready before a worker goes; and a dead worker is replaced, the more slowly the more
often they die. That a service has failed after so many early deaths within so many seconds is systemd's
``StartLimitBurst`` and ``StartLimitIntervalSec``.
"""

from __future__ import annotations

import math
from enum import Enum
from typing import Final

from msgspec import Struct

__all__ = [
    "Action",
    "Drain",
    "Dump",
    "Kill",
    "Plan",
    "PoolView",
    "SlotHistory",
    "Spawn",
    "SupervisionPolicy",
    "Terminate",
    "WorkerPhase",
    "WorkerView",
    "after_exit",
    "decide",
    "died_early",
]


class WorkerPhase(Enum):
    """Where a worker is in its life."""

    STARTING = "starting"
    READY = "ready"
    STUCK = "stuck"
    DRAINING = "draining"
    TERMINATING = "terminating"
    KILLED = "killed"


_LIVE: Final = (WorkerPhase.STARTING, WorkerPhase.READY)


class SupervisionPolicy(Struct, frozen=True):
    """The times, in seconds, and how many starts are too many.

    :ivar watchdog: a worker that has not been heard for so long is stuck.
    :ivar dump_time: for a stuck worker to write down where it stands, before it is killed.
    :ivar stable_after: a worker that was ready for so long has not died early.
    :ivar start_limit: so many early deaths in a row, within ``start_interval``, are too many.
    :ivar first_delay: before the second replacement in a row; doubled for each further one. The first
        comes at once.
    :ivar max_delay: the longest delay.
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


class WorkerView(Struct, frozen=True):
    """One worker.

    :ivar number: of all workers of the service there ever were; later ones have higher numbers.
    :ivar slot: the place that it fills, from 1.
    :ivar since: when it entered its phase, in seconds.
    :ivar rules: those that it was started under.
    :ivar heard: when it last gave a sign of life.
    :ivar ready_at: when clients could first connect; None if they could not yet.
    :ivar outdated: whether another is to take its place.
    :ivar retiring: whether it was told to end.
    """

    number: int
    slot: int
    phase: WorkerPhase
    since: float
    rules: SupervisionPolicy
    heard: float = 0.0
    ready_at: float | None = None
    outdated: bool = False
    retiring: bool = False


class SlotHistory(Struct, frozen=True):
    """How the workers of one slot have ended.

    :ivar failures: how many died in a row, each early.
    :ivar recent: when the last of them did, in seconds; not more than are needed.
    :ivar next_start: the slot stays empty until then.
    :ivar exhausted: whether that were too many within too short a time.
    """

    failures: int = 0
    recent: tuple[float, ...] = ()
    next_start: float = -math.inf
    exhausted: bool = False


class PoolView(Struct, frozen=True):
    """A service.

    :ivar wanted: how many workers there should be.
    :ivar histories: of the slots whose workers have died, by slot.
    :ivar stopping: whether there should be none any more.
    """

    wanted: int
    workers: tuple[WorkerView, ...] = ()
    histories: dict[int, SlotHistory] = {}
    stopping: bool = False


class Spawn(Struct, frozen=True):
    """Start a worker.

    :ivar number: the slot.
    """

    number: int


class Drain(Struct, frozen=True):
    """Ask a worker to answer what it has been asked, and to end."""

    number: int


class Terminate(Struct, frozen=True):
    """Tell a worker to end now."""

    number: int


class Dump(Struct, frozen=True):
    """Have a worker that is stuck write down where."""

    number: int


class Kill(Struct, frozen=True):
    """End a worker."""

    number: int


Action = Spawn | Drain | Terminate | Dump | Kill


class Plan(Struct, frozen=True):
    """What is to be done.

    :ivar wake_at: when to look again if nothing happens before; None if there is no need to.
    :ivar failed: whether nothing is to be done any more, as every slot has had too many early deaths.
    """

    actions: tuple[Action, ...]
    wake_at: float | None
    failed: bool = False


_Means = type[Drain] | type[Terminate] | type[Dump] | type[Kill]

# Since when a phase is counted, which rule limits it, and what is done when its time is over.
_ESCALATION: Final[dict[WorkerPhase, tuple[str, str, _Means]]] = {
    WorkerPhase.STARTING: ("since", "boot_timeout", Kill),
    WorkerPhase.READY: ("heard", "watchdog", Dump),
    WorkerPhase.STUCK: ("since", "dump_time", Kill),
    WorkerPhase.DRAINING: ("since", "drain_timeout", Terminate),
    WorkerPhase.TERMINATING: ("since", "kill_timeout", Kill),
}
# What is done with a worker that is no longer wanted. One that is not ready has nothing to answer.
_RETIREMENT: Final[dict[WorkerPhase, _Means]] = {WorkerPhase.STARTING: Terminate, WorkerPhase.READY: Drain}


def decide(view: PoolView, now: float) -> Plan:
    """Say what is to be done now. Carried out, it is not said again.

    :param now: on the clock of the views' times, in seconds.
    """
    actions: list[Action] = []
    wakes: list[float] = []
    wanted = 0 if view.stopping else view.wanted
    for worker in view.workers:
        if worker.phase in _RETIREMENT and not _is_wanted(worker, view.workers, wanted):
            actions.append(_RETIREMENT[worker.phase](worker.number))
        elif worker.phase in _ESCALATION:
            begin, rule, means = _ESCALATION[worker.phase]
            deadline = getattr(worker, begin) + getattr(worker.rules, rule)
            if now >= deadline:
                actions.append(means(worker.number))
            else:
                wakes.append(deadline)
    empty = _empty_slots(view, wanted)
    if wanted and len(empty) == wanted and all(view.histories.get(slot, _NEW).exhausted for slot in empty):
        return Plan(tuple(actions), min(wakes, default=None), failed=True)
    for slot in [*empty, *_slots_to_renew(view, wanted)]:
        allowed = view.histories.get(slot, _NEW).next_start
        if now < allowed:
            wakes.append(allowed)
        else:
            actions.append(Spawn(slot))
    return Plan(tuple(actions), min(wakes, default=None))


def died_early(worker: WorkerView, now: float) -> bool:
    """Whether a worker that has ended by itself had not been ready for long."""
    if worker.retiring:
        return False
    return worker.ready_at is None or now - worker.ready_at < worker.rules.stable_after


def after_exit(history: SlotHistory, worker: WorkerView, now: float, chance: float) -> SlotHistory:
    """The history of a slot after its worker has ended. One that was told to end has not failed.

    :param worker: as it was before it ended.
    :param chance: from 0 to 1, by which the pause is a quarter shorter or longer, so that slots, and
        services on the machine, do not start in step.
    """
    if worker.retiring:
        return history
    if not died_early(worker, now):
        return _NEW
    rules = worker.rules
    failures = history.failures + 1
    recent = (*history.recent, now)[-rules.start_limit :]
    exhausted = len(recent) == rules.start_limit and now - recent[0] < rules.start_interval
    if exhausted:
        delay = rules.max_delay
    elif failures < 2:
        delay = 0.0
    else:
        # The exponent is bounded so that a service that fails for weeks does not overflow a float.
        delay = min(rules.first_delay * 2.0 ** min(failures - 2, 32), rules.max_delay)
    return SlotHistory(failures, recent, now + delay * (0.75 + chance / 2), exhausted)


_NEW: Final = SlotHistory()


def _is_wanted(worker: WorkerView, workers: tuple[WorkerView, ...], wanted: int) -> bool:
    """Whether a live worker has a place. One that starts out of date has not: it has answered nobody yet."""
    if worker.slot > wanted:
        return False
    if worker.phase is WorkerPhase.STARTING:
        return not worker.outdated
    return not any(
        each.slot == worker.slot and each.number > worker.number and each.phase is WorkerPhase.READY
        for each in workers
    )


def _empty_slots(view: PoolView, wanted: int) -> list[int]:
    taken = {each.slot for each in view.workers if each.phase in _LIVE}
    return [slot for slot in range(1, wanted + 1) if slot not in taken]


def _slots_to_renew(view: PoolView, wanted: int) -> list[int]:
    """The slot whose worker needs a successor now: one at a time, as each costs the machine something."""
    if any(each.phase is WorkerPhase.STARTING for each in view.workers):
        return []
    outdated = [each.slot for each in view.workers if each.phase is WorkerPhase.READY and each.outdated]
    renewed = {each.slot for each in view.workers if each.phase is WorkerPhase.READY and not each.outdated}
    return [slot for slot in sorted(set(outdated) - renewed) if slot <= wanted][:1]

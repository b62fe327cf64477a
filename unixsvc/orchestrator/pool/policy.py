"""The supervision policy: a function of the state of the workers and the time.

The policy follows gunicorn's arbiter: each phase has a deadline, after which a harder means is used; a new
worker is ready before the old one drains; a dead worker is replaced, with a back-off that grows with each
early death. Like systemd with ``StartLimitBurst``, it stops to restart a service that dies too often.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from unixsvc.orchestrator.pool.model import (
    Action,
    Drain,
    Dump,
    Kill,
    Plan,
    PoolView,
    Recycling,
    SlotHistory,
    Spawn,
    SupervisionPolicy,
    Terminate,
    WorkerPhase,
    WorkerView,
)

__all__ = ["SlotHistories", "after_exit", "after_refusal", "decide", "died_early", "reason_to_recycle"]

# The exponent of the back-off is bounded so that a service that fails for weeks does not overflow a float.
_MAX_DOUBLINGS: Final = 32
# The back-off is up to this share shorter or longer, so that slots and services do not start in step.
_JITTER: Final = 0.25
# The pause after a start that the kernel has refused for lack of resources, in seconds.
_REFUSAL_PAUSE: Final = 1.0
# Minimum interval between log messages about such starts, in seconds.
_LOG_INTERVAL: Final = 10.0
# The recycling limits of a worker are up to a tenth higher, at random: workers that started together should
# not all be recycled together.
_SPREAD: Final = 0.1

_LIVE: Final = (WorkerPhase.STARTING, WorkerPhase.READY)
_NO_HISTORY: Final = SlotHistory()

_WorkerAction = type[Drain] | type[Terminate] | type[Dump] | type[Kill]


class _Deadline(Struct, frozen=True):
    """The deadline of a phase.

    :ivar begin: the time from which it counts.
    :ivar timeout: its duration.
    :ivar action: what happens when it has passed.
    """

    begin: Callable[[WorkerView], float]
    timeout: Callable[[SupervisionPolicy], float]
    action: _WorkerAction


def _since(worker: WorkerView) -> float:
    return worker.since


_DEADLINES: Final = {
    WorkerPhase.STARTING: _Deadline(_since, lambda policy: policy.boot_timeout, Kill),
    WorkerPhase.READY: _Deadline(lambda worker: worker.last_seen, lambda policy: policy.watchdog, Dump),
    WorkerPhase.STUCK: _Deadline(_since, lambda policy: policy.dump_time, Kill),
    WorkerPhase.DRAINING: _Deadline(
        _since, lambda policy: policy.drain_delay + policy.drain_timeout, Terminate
    ),
    WorkerPhase.TERMINATING: _Deadline(_since, lambda policy: policy.kill_timeout, Kill),
}
# How a worker that is no longer wanted is retired. A worker that is not ready has no pending requests.
_RETIREMENT: Final[dict[WorkerPhase, _WorkerAction]] = {
    WorkerPhase.STARTING: Terminate,
    WorkerPhase.READY: Drain,
}


def decide(view: PoolView, now: float) -> Plan:
    """Decide what to do now. Once the actions are executed, the next plan does not repeat them.

    :param now: the time on the clock of the view, in seconds.
    """
    actions: list[Action] = []
    wakes: list[float] = []
    wanted = 0 if view.stopping else view.wanted
    for worker in view.workers:
        if worker.phase in _RETIREMENT and not _is_wanted(worker, view.workers, wanted):
            actions.append(_RETIREMENT[worker.phase](worker.number))
        elif worker.phase in _DEADLINES:
            limit = _DEADLINES[worker.phase]
            deadline = limit.begin(worker) + limit.timeout(worker.policy)
            if now >= deadline:
                actions.append(limit.action(worker.number))
            else:
                wakes.append(deadline)
    empty = _empty_slots(view, wanted)
    if wanted and len(empty) == wanted and all(_history(view, slot).start_limit_hit for slot in empty):
        return Plan(tuple(actions), min(wakes, default=None), failed=True)
    for slot in [*empty, *_slot_to_renew(view, wanted)]:
        next_start = _history(view, slot).next_start
        if now < next_start:
            wakes.append(next_start)
        else:
            actions.append(Spawn(slot))
    return Plan(tuple(actions), min(wakes, default=None))


def died_early(worker: WorkerView, now: float) -> bool:
    """Whether a worker that has ended by itself was not ready for ``stable_after`` seconds."""
    if worker.retiring:
        return False
    return worker.ready_at is None or now - worker.ready_at < worker.policy.stable_after


def after_exit(history: SlotHistory, worker: WorkerView, now: float, jitter: float) -> SlotHistory:
    """The history of a slot after its worker has ended. A worker that was asked to exit has not failed.

    :param worker: the worker before its end.
    :param now: the time of its end, in seconds.
    :param jitter: a random number from 0 to 1 that varies the back-off by 25 % in both directions.
    """
    if worker.retiring:
        return history
    if not died_early(worker, now):
        return _NO_HISTORY
    policy = worker.policy
    failures = history.failures + 1
    recent = (*history.recent, now)[-policy.start_limit :]
    limit_hit = len(recent) == policy.start_limit and now - recent[0] < policy.start_interval
    delay = policy.max_delay if limit_hit else _back_off(policy, failures)
    factor = 1 - _JITTER + 2 * _JITTER * jitter
    return SlotHistory(failures, recent, now + delay * factor, limit_hit)


def after_refusal(history: SlotHistory, now: float) -> SlotHistory:
    """The history of a slot after the kernel has refused to start a process for it.

    No worker has died, so it is no failure: it is tried again for as long as it takes.

    :param now: in seconds.
    """
    return replace(history, next_start=max(history.next_start, now + _REFUSAL_PAUSE))


class SlotHistories:
    """How the workers of each slot have ended, and when the next one may start."""

    def __init__(self) -> None:
        self._by_slot: dict[int, SlotHistory] = {}
        self._refusal_logged = -_LOG_INTERVAL

    @property
    def by_slot(self) -> Mapping[int, SlotHistory]:
        """The histories, by slot; a slot without one has lost no worker."""
        return self._by_slot

    def clear(self) -> None:
        """Forget everything."""
        self._by_slot.clear()

    def worker_ended(self, worker: WorkerView, now: float) -> SlotHistory:
        """Add the end of a worker.

        :param worker: the worker before its end.
        :param now: the time of its end, in seconds.
        :returns: the history of its slot.
        """
        jitter = random.random()  # noqa: S311  # no secret
        history = after_exit(self._history(worker.slot), worker, now, jitter)
        self._by_slot[worker.slot] = history
        return history

    def start_refused(self, slot: int, now: float) -> bool:
        """Add a start that the kernel has refused for lack of resources.

        :returns: whether to log it.
        """
        self._by_slot[slot] = after_refusal(self._history(slot), now)
        if now - self._refusal_logged < _LOG_INTERVAL:
            return False
        self._refusal_logged = now
        return True

    def _history(self, slot: int) -> SlotHistory:
        return self._by_slot.get(slot, _NO_HISTORY)


def reason_to_recycle(limits: Recycling, requests: int, memory: int, age: float, jitter: float) -> str:
    """The limit that a worker has reached; empty if it has reached none.

    :param requests: that it has answered.
    :param memory: its resident memory, in bytes.
    :param age: in seconds.
    :param jitter: a random number from 0 to 1, constant for one worker.
    """
    for name, limit, used in (
        ("max_requests", limits.max_requests, requests),
        ("max_memory", limits.max_memory, memory),
        ("max_age", limits.max_age, age),
    ):
        if limit and used >= limit * (1 + jitter * _SPREAD):
            return f"{name} is {limit:g}, and it has {used:g}"
    return ""


def _back_off(policy: SupervisionPolicy, failures: int) -> float:
    """The delay before the next start, in seconds."""
    if failures < 2:
        return 0.0
    return min(policy.first_delay * 2.0 ** min(failures - 2, _MAX_DOUBLINGS), policy.max_delay)


def _history(view: PoolView, slot: int) -> SlotHistory:
    return view.histories.get(slot, _NO_HISTORY)


def _is_wanted(worker: WorkerView, workers: tuple[WorkerView, ...], wanted: int) -> bool:
    """Whether a live worker should stay. An outdated one that still starts has no clients yet."""
    if worker.slot > wanted:
        return False
    if worker.phase is WorkerPhase.STARTING:
        return not worker.outdated
    return not any(
        other.slot == worker.slot and other.number > worker.number and other.phase is WorkerPhase.READY
        for other in workers
    )


def _empty_slots(view: PoolView, wanted: int) -> list[int]:
    taken = {worker.slot for worker in view.workers if worker.phase in _LIVE}
    return [slot for slot in range(1, wanted + 1) if slot not in taken]


def _slot_to_renew(view: PoolView, wanted: int) -> list[int]:
    """The slot whose worker needs a successor: at most one at a time, to bound the load of the machine."""
    if any(worker.phase is WorkerPhase.STARTING for worker in view.workers):
        return []
    ready = [worker for worker in view.workers if worker.phase is WorkerPhase.READY]
    renewed = {worker.slot for worker in ready if not worker.outdated}
    outdated = {worker.slot for worker in ready if worker.outdated}
    return [slot for slot in sorted(outdated - renewed) if slot <= wanted][:1]

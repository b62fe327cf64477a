"""The schedules of one service: which run is due, and what has become of those before."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from unixsvc.schedules.moment import Moment
from unixsvc.schedules.spec import ScheduleSpec
from unixsvc.schedules.state import Run, ScheduleState, ScheduleStatus

__all__ = ["ScheduleBook"]


class ScheduleBook:
    """A pure state machine: times are arguments, and it starts nothing itself."""

    def __init__(self) -> None:
        self._states: dict[str, ScheduleState] = {}
        self._runs: dict[int, ScheduleState] = {}  # in progress, by number
        self._last_number = 0

    def adopt(self, specs: Sequence[ScheduleSpec], now: Moment) -> None:
        """Use these schedules from now on.

        A schedule that is unchanged keeps its rhythm, and all that stay keep their counters.

        :raises ConfigError: for a spec that can never work; nothing changes then.
        """
        added = {spec.name: ScheduleState(spec, now) for spec in specs}
        for name, state in list(self._states.items()):
            if name not in added:
                self._remove(name, state)
        for spec in specs:
            if spec.name in self._states:
                self._states[spec.name].redefine(spec, now)
            else:
                self._states[spec.name] = added[spec.name]
        self._states = {name: self._states[name] for name in [*added, *(self._states.keys() - added.keys())]}

    def stop(self) -> int:
        """Have no more ticks. Runs in progress go on.

        :returns: the number of ticks that are missed.
        """
        return sum(state.stop() for state in self._states.values())

    def advance(self, now: Moment) -> list[tuple[str, int, str]]:
        """Take the ticks that are due.

        :returns: the names of schedules with missed ticks, how many, and the reason.
        """
        missed = [(name, *state.advance(now)) for name, state in self._states.items()]
        return [each for each in missed if each[1]]

    def until_next(self, now: Moment) -> float | None:
        """The seconds until the next tick of any schedule; None if there is none."""
        waits = (state.until_next(now) for state in self._states.values())
        return min((wait for wait in waits if wait is not None), default=None)

    def can_start(self) -> Iterator[ScheduleState]:
        """The schedules with a tick that waits for nothing but a worker."""
        return (state for state in list(self._states.values()) if state.can_start)

    def begin(self, state: ScheduleState) -> Run:
        """Take the first tick that waits.

        :returns: the run, for a worker.
        """
        self._last_number += 1
        self._runs[self._last_number] = state
        return state.begin(self._last_number)

    def started(self, number: int, now: Moment) -> None:
        """A worker is about to call the job."""
        if number in self._runs:
            self._runs[number].started(now)

    def ended(self, number: int, now: Moment, error: str) -> None:
        """A job has returned.

        :param error: as in :meth:`ScheduleState.ended`.
        """
        state = self._runs.pop(number, None)
        if state is not None:
            state.ended(now, error)
            self._forget_removed(state)

    def lost(self, numbers: Collection[int], now: Moment, *, started: bool = True) -> list[Run]:
        """A worker has ended with runs.

        :param started: whether runs that it has started have ended with it. A worker that drains goes on with
            them, and only those that it has not started are lost.
        :returns: the runs that are interrupted. The others wait again.
        """
        interrupted = []
        for number in numbers:
            state = self._runs.get(number)
            if state is None or (state.is_started and not started):
                continue
            del self._runs[number]
            run = state.run
            if state.lost(now) and run is not None:
                interrupted.append(run)
            self._forget_removed(state)
        return interrupted

    def status(self, now: Moment) -> tuple[ScheduleStatus, ...]:
        """The state of each schedule, in the order of the application."""
        return tuple(state.status(now) for state in self._states.values() if not state.removed)

    def _remove(self, name: str, state: ScheduleState) -> None:
        """Remove a schedule, or keep it until its run has ended, as it may come back meanwhile."""
        state.stop()
        state.removed = True
        if state.run is None:
            del self._states[name]

    def _forget_removed(self, state: ScheduleState) -> None:
        if state.removed and self._states.get(state.spec.name) is state:
            del self._states[state.spec.name]

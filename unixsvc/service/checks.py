"""Checks of what a service depends on, and the state of each."""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable, Sequence
from contextvars import copy_context
from typing import Final, TypeAlias

from msgspec import Struct
from twisted.internet.interfaces import IReactorTime

from unixsvc.errors import DeadlineExceeded
from unixsvc.execution.background import RunningCoroutine
from unixsvc.execution.shared_result import SharedResult

__all__ = ["FAILED", "LATE", "OK", "UNKNOWN", "Check", "Checks", "DependencyState"]

# Checks may be expensive, and any client may cause them.
_MIN_INTERVAL: Final = 1.0  # seconds

OK: Final = "ok"
FAILED: Final = "failed"
LATE: Final = "late"
UNKNOWN: Final = "unknown"


class Check(Struct, frozen=True):
    """A check.

    :ivar name: of the dependency.
    :ivar run: raises an exception if it cannot be used.
    """

    name: str
    run: Callable[[], Awaitable[object]]


class DependencyState(Struct):
    """What the last check has found.

    :ivar state: ``ok``, ``failed``, ``late`` if the check takes longer than the limit, or ``unknown`` before
        the end of the first check.
    :ivar seconds: how long the last check took.
    :ivar since: when the dependency came into this state, in Unix time.
    """

    name: str
    state: str
    seconds: float
    since: float


_MakeChecks: TypeAlias = Callable[[], Sequence[Check]]


class Checks:
    """Runs checks, all of them at the same time, at most once a second.

    Callers within that time share the result, and so do those that come while checks run. The checks depend
    on no request: neither does the deadline of one apply to them, nor are they cancelled with one.

    :param limit: a check that takes longer is late, in seconds.
    :param timeout: a check that takes longer is interrupted, in seconds.
    :param on_failure: called with the name of a dependency, and with the exception of its check.
    :param clock: returns the Unix time.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        limit: float,
        timeout: float,
        on_failure: Callable[[str, BaseException], object],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._reactor = reactor
        self._limit = limit
        self._timeout = timeout
        self._on_failure = on_failure
        self._clock = clock
        self._started = -math.inf
        self._result: SharedResult[bool] | None = None
        self._running: dict[int, DependencyState] = {}
        self._states: list[DependencyState] = []

    @property
    def time_left(self) -> float:
        """How long checks that run now are not late yet, in seconds; negative if they are."""
        return self._limit - (self._reactor.seconds() - self._started)

    def run(self, make: _MakeChecks) -> SharedResult[bool]:
        """Run the checks, unless they run or have run within the last second.

        :param make: makes the checks.
        :returns: whether none has failed, now or later.
        """
        result = self._result
        now = self._reactor.seconds()
        if result is None or (result.done and now - self._started >= _MIN_INTERVAL):
            result = self._result = SharedResult()
            self._started = now
            self._start(make(), result)
        return result

    def states(self) -> list[DependencyState]:
        """The state of each dependency now, also while its check runs."""
        for state in list(self._running.values()):
            seconds = self._reactor.seconds() - self._started
            if seconds >= self._limit:
                self._enter(state, LATE, seconds)
        return self._states

    def _start(self, checks: Sequence[Check], result: SharedResult[bool]) -> None:
        if [each.name for each in checks] != [each.name for each in self._states]:
            self._states = [DependencyState(each.name, UNKNOWN, 0.0, self._clock()) for each in checks]
        self._running = dict(enumerate(self._states))
        failures: list[BaseException] = []
        for number, each in enumerate(checks):
            copy_context().run(self._start_one, number, each, result, failures)
        if not checks:
            result.succeed(True)

    def _start_one(
        self, number: int, check: Check, result: SharedResult[bool], failures: list[BaseException]
    ) -> None:
        def ended(error: BaseException | None) -> None:
            self._ended(self._running.pop(number), error)
            if error is not None:
                failures.append(error)
            if not self._running:
                result.succeed(not failures)

        running = RunningCoroutine(_error_of(check), None, ended)
        running.set_timeout(self._reactor, self._timeout, DeadlineExceeded())
        running.start()

    def _ended(self, state: DependencyState, error: BaseException | None) -> None:
        seconds = self._reactor.seconds() - self._started
        if error is not None:
            self._on_failure(state.name, error)
            self._enter(state, FAILED, seconds)
        else:
            self._enter(state, LATE if seconds >= self._limit else OK, seconds)

    def _enter(self, state: DependencyState, name: str, seconds: float) -> None:
        if state.state != name:
            state.state, state.since = name, self._clock()
        state.seconds = seconds


async def _error_of(check: Check) -> BaseException | None:
    """The exception of a check; None if there is none."""
    try:
        await check.run()
    except GeneratorExit:  # the coroutine was closed
        raise
    except BaseException as error:  # also asyncio's CancelledError, or sys.exit(), in application code
        return error
    return None

"""The retry policy of all clients: which calls are made again, and after which pause. Pure."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, TypeVar

from msgspec import Struct

from unixsvc.client.breaker import CircuitBreaker
from unixsvc.client.connection import Call
from unixsvc.client.errors import (
    UNKNOWN_HOST,
    AttemptFailed,
    ConnectAttemptFailed,
    ConnectionLost,
    ServiceUnreachable,
    error_for_caller,
)
from unixsvc.errors import DeadlineExceeded, Internal, ServiceError, Unavailable, error_from

if TYPE_CHECKING:
    from unixsvc.client.stream_buffer import StreamBuffer  # the blocking client has none

__all__ = [
    "Pause",
    "RetryBudget",
    "RetryPolicy",
    "RetryState",
    "retry",
]

T = TypeVar("T")

_IDEMPOTENT: Final = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})  # RFC 9110, 9.2.2
_FIRST_PAUSE: Final = 0.005
_MAX_PAUSE: Final = 0.5
# How long a client waits for a socket that it has never seen: the name may be wrong. In seconds.
_MAX_ABSENCE: Final = 2.0
# The same for one that it has seen: a restart takes less, and a call to a stopped service should fail.
_MAX_RESTART: Final = 8.0
# How long a call is retried to which the service replies 503: an overload may pass within that time; a
# database that is down does not, and the caller should know. In seconds.
_MAX_REFUSAL: Final = 2.0


class Pause(Struct, frozen=True):
    """The pause before the next attempt.

    :ivar seconds: its length.
    :ivar absent: True if the service has no socket; the pause ends early when the directory changes.
    """

    seconds: float
    absent: bool


class RetryBudget:
    """Limits the load that retries add, as Finagle's retry budgets do.

    :param share: number of retries that each call adds to the budget.
    :param reserve: size of the budget, and what it starts with. A client with few calls can retry at all, and
        one that loses a connection can retry all calls that were pending there. Finagle's default is 10
        a second over 10 seconds.
    :ivar spent: what is missing from the reserve; 0 if a deposit changes nothing but ``calls``.
    :ivar calls: the number of calls.
    """

    def __init__(self, share: float = 0.2, reserve: float = 100.0) -> None:
        self._share = share
        self._reserve = reserve
        self.spent = 0.0
        self.calls = 0

    def deposit(self) -> None:
        """Count the first attempt of a call."""
        self.calls += 1
        if self.spent:
            self.spent = max(self.spent - self._share, 0.0)

    @property
    def share_left(self) -> float:
        """The part of the reserve that is left, from 0 to 1."""
        return 1.0 - self.spent / self._reserve

    def withdraw(self) -> bool:
        """Take one retry from the budget; False if there is none left."""
        if self.spent + 1.0 > self._reserve:
            return False
        self.spent += 1.0
        return True


def _random() -> float:
    import random  # late: the import takes longer than a call, and few calls are retried

    return random.random()  # noqa: S311  # spreads retries in time, and is no secret


class RetryPolicy:
    """What all calls of one client share: retry budget, circuit breaker, and clock.

    :ivar clock: a monotonic clock, in seconds.
    :ivar random: returns a number from 0 to 1. Clients that failed at the same time must not retry at
        the same time.
    :ivar closed: True after the client was closed; no call is started or retried then.
    :ivar retries: the number of retries.
    :ivar failures: the number of calls that have failed: the service could not be reached, did not reply in
        time, or replied with a code of 500 or more.
    :param enabled: False to retry only while the backlog of the service is full.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        random: Callable[[], float] = _random,
        *,
        enabled: bool = True,
    ) -> None:
        self.clock = clock
        self.random = random
        self.enabled = enabled
        self.budget = RetryBudget()
        self.breaker = CircuitBreaker()
        self.closed = False
        self.retries = self.failures = 0

    def start(self, call: Call, timeout: float) -> RetryState:
        """Start a call.

        :param timeout: for all attempts, in seconds.
        :raises Unavailable: if the client is closed, or the circuit breaker is open.
        """
        return RetryState(self, call, timeout, self.admit())

    def admit(self) -> float:
        """Admit a call; the time of its start.

        :raises Unavailable: as :meth:`start`.
        """
        if self.closed:
            raise _client_closed()
        now = self.clock()
        self.breaker.admit(now)
        self.budget.deposit()
        return now


class RetryState:
    """One call, from its first attempt to its result.

    :param timeout: for all attempts, in seconds.
    :param started: when the first attempt began, on the clock of the policy.
    :ivar deadline: on the same clock.
    :ivar host: the only host for further attempts, empty for this one, as it may have run the call, and only
        it knows its idempotency key; None if any will do.
    """

    def __init__(self, policy: RetryPolicy, call: Call, timeout: float, started: float) -> None:
        self._policy = policy
        self._timeout = timeout
        self._started = started
        self.deadline = started + timeout
        self._repeatable = call.method in _IDEMPOTENT
        self._idempotent = self._repeatable or "idempotency_key" in call.meta
        self.host: str | None = None
        self._retries = 0

    def time_left(self) -> float:
        """Seconds until the deadline.

        :raises DeadlineExceeded: if the deadline has passed.
        :raises Unavailable: if the client was closed.
        """
        if self._policy.closed:
            raise _client_closed()
        left = self.deadline - self._policy.clock()
        if left <= 0:
            raise self._deadline_exceeded()
        return left

    def succeeded(self) -> None:
        """Record that the service replied."""
        self._policy.breaker.succeeded()

    def failed(self, problem: AttemptFailed, *, final: bool = False) -> Pause:
        """Decide what follows a failed attempt.

        :param final: True if there must be no further attempt.
        :returns: the pause before the next attempt.
        :raises ServiceError: if there is none; this is the result of the call.
        """
        try:
            pause = self._decide(problem, final=final)
        except ServiceError as error:
            if error.code >= Internal.code:
                self._policy.failures += 1
            raise
        self._policy.retries += 1
        return pause

    def _decide(self, problem: AttemptFailed, *, final: bool) -> Pause:
        if isinstance(problem, DeadlineExceeded):
            raise (self._deadline_exceeded() if problem.detail is None else problem) from None
        breaker = self._policy.breaker
        if isinstance(problem, ServiceUnreachable):
            breaker.failed(self._policy.clock())
            raise problem
        if isinstance(problem, ServiceError) and not isinstance(problem, Unavailable):
            breaker.succeeded()
            raise problem
        try:
            if final or self._policy.closed or not (self._policy.enabled or _is_busy(problem)):
                raise error_for_caller(problem)
            return self._pause_after(problem)
        except ServiceError:
            if isinstance(problem, ConnectAttemptFailed):  # a lost reply proves that the service is there
                breaker.failed(self._policy.clock())
            raise

    def _pause_after(self, problem: AttemptFailed) -> Pause:
        now = self._policy.clock()
        if isinstance(problem, ConnectionLost) and not self._repeatable:
            if problem.host == UNKNOWN_HOST:  # another one would not know the idempotency key
                raise error_for_caller(problem)
            self.host = problem.host
        sent = not isinstance(problem, ConnectAttemptFailed)
        absent = isinstance(problem, ConnectAttemptFailed) and problem.absent
        known = isinstance(problem, ConnectAttemptFailed) and problem.known
        longest_absence = _MAX_RESTART if known else _MAX_ABSENCE
        replied = isinstance(problem, ServiceError)
        if sent and not (self._idempotent and self._policy.budget.withdraw()):
            raise error_for_caller(problem)
        elapsed = now - self._started
        if (absent and elapsed > longest_absence) or (replied and elapsed > _MAX_REFUSAL):
            raise error_for_caller(problem)
        longest = min(_FIRST_PAUSE * 2.0 ** min(self._retries, 16), _MAX_PAUSE)
        pause = longest * (0.5 + self._policy.random() / 2)
        self._retries += 1
        if now + pause >= self.deadline:
            raise self._deadline_exceeded() if sent and not replied else error_for_caller(problem)
        return Pause(pause, absent)

    def _deadline_exceeded(self) -> DeadlineExceeded:
        return DeadlineExceeded(f"no answer within {self._timeout:g} s")


async def retry(
    state: RetryState,
    attempt: Callable[[float], Awaitable[T]],
    sleep: Callable[[Pause], Awaitable[object]],
    *,
    buffer: StreamBuffer | None = None,
    problem: AttemptFailed | None = None,
) -> T:
    """Make attempts until one succeeds, or there must be no further one.

    It awaits only what its arguments return, so it runs under asyncio and under Twisted.

    :param attempt: makes one attempt within a number of seconds.
    :param buffer: receives the items, if it is a stream; there is no further attempt after the first item.
    :param problem: why the first attempt failed, if it was made already.
    :raises ServiceError: the result of the call, if it has failed.
    """
    while True:
        if problem is not None:
            await sleep(state.failed(problem, final=buffer is not None and buffer.seen))
        left = state.time_left()
        try:
            result = await attempt(left)
        except (ConnectAttemptFailed, ConnectionLost, ServiceError) as error:
            problem = error
        else:
            state.succeeded()
            return result


def _is_busy(problem: AttemptFailed) -> bool:
    return isinstance(problem, ConnectAttemptFailed) and problem.busy


def _client_closed() -> ServiceError:
    return error_from(Unavailable.code, "the client is closed")

"""When a call is made again, and when it is not: the policy of all clients, without a clock of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from unixsvc.client.connect import ConnectAttemptFailed, ServiceUnreachable
from unixsvc.client.connection import Call
from unixsvc.errors import DeadlineExceeded, ServiceError, Unavailable, error_from

__all__ = [
    "CircuitBreaker",
    "ConnectionLost",
    "RetryBudget",
    "RetryState",
    "error_for_caller",
    "pause_or_raise",
]

_REPEATABLE: Final = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})  # RFC 9110, 9.2.2
_FIRST_PAUSE: Final = 0.005
_LONGEST_PAUSE: Final = 0.5
# A service that is restarted is back by then; one that nobody has is not waited for any longer. In seconds.
_ABSENCE: Final = 2.0


class ConnectionLost(Exception):
    """A connection has ended while a call was unanswered: the action may have run, or not."""


class RetryBudget:
    """Bounds what retries add to the load, as Finagle's retry budgets do; the numbers are theirs.

    :param share: of the calls, that may be made again.
    :param reserve: how many may be besides, so that a client with few calls can try again at all, and one
        with many that loses a connection can make again all that was unanswered there. Finagle has 10 a
        second, over 10 seconds.
    """

    def __init__(self, share: float = 0.2, reserve: float = 100.0) -> None:
        self._share = share
        self._most = reserve
        self._left = reserve

    def deposit(self) -> None:
        """A call is made for the first time."""
        if self._left < self._most:
            self._left = min(self._left + self._share, self._most)

    def withdraw(self) -> bool:
        """Whether one more may be made again; it counts then."""
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True


class CircuitBreaker:
    """Refuses calls to a service for a while when many in a row have found it unavailable.

    One call is let through after a pause; if that finds it unavailable too, the next pause is twice as long.
    The pattern is Nygard's circuit breaker ("Release It!", 2007).

    :param failures: so many in a row.
    :param pause: the first pause, in seconds.
    :param longest: the longest one.
    :ivar failures: how many there have been in a row, as far as that matters; 0 where all is well.
    :ivar refused: how many calls were refused.
    """

    def __init__(self, failures: int = 5, pause: float = 0.5, longest: float = 15.0) -> None:
        self._limit = failures
        self._first = self._pause = pause
        self._longest = longest
        self.failures = 0
        self._until = 0.0
        self._trial = False
        self.refused = 0

    def is_open(self, now: float) -> bool:
        """Whether calls are refused."""
        return self.failures >= self._limit and now < self._until

    def admit(self, now: float) -> None:
        """Let a call pass, or not.

        :raises Unavailable: if it is refused.
        """
        if self.failures < self._limit:
            return
        if now < self._until:
            self.refused += 1
            words = f"not asked: {self.failures} calls in a row have not found the service"
            raise error_from(Unavailable.code, {"retry_after": round(self._until - now, 3), "reason": words})
        self._trial = True
        self._until = now + self._pause  # others wait for how it ends

    def succeeded(self) -> None:
        """The service has answered, whatever it has said."""
        self.failures = 0
        self._pause = self._first

    def failed(self, now: float) -> None:
        """A call has ended without finding the service."""
        if self.failures < self._limit:
            self.failures += 1
        elif self._trial:
            self._pause = min(2 * self._pause, self._longest)
        else:
            return  # it was on its way already, and tells nothing new
        self._trial = False
        self._until = now + self._pause


class RetryState:
    """One call, from its first try to its end.

    :param deadline: on the clock, in seconds.
    :param patience: the same as a length of time, for messages.
    :param clock: seconds that only ever go forward.
    :param chance: a random number from 0 to 1, for pauses: clients that have failed together are not to come
        again together.
    :param suspended: when it was tried first, and counted in the budget, if that was before.
    """

    def __init__(
        self,
        call: Call,
        deadline: float,
        patience: float,
        budget: RetryBudget,
        clock: Callable[[], float],
        chance: Callable[[], float],
        suspended: float | None = None,
    ) -> None:
        self._deadline = deadline
        self._patience = patience
        self._budget = budget
        self._clock = clock
        self._chance = chance
        self._suspended = clock() if suspended is None else suspended
        self._repeatable = call.method in _REPEATABLE or "idempotency_key" in call.meta
        self._tries = 0
        if suspended is None:
            budget.deposit()

    def left(self) -> float:
        """What is left of the time, in seconds.

        :raises DeadlineExceeded: if that is nothing.
        """
        left = self._deadline - self._clock()
        if left <= 0:
            raise self.too_late()
        return left

    def too_late(self) -> DeadlineExceeded:
        """What the caller is told when the time is over."""
        return DeadlineExceeded(f"no answer within {self._patience:g} s")

    def pause_after(self, problem: ConnectAttemptFailed | ConnectionLost | ServiceError) -> float:
        """For how long to wait before the next try, in seconds.

        :raises ServiceError: if there is to be none; the caller is told that.
        """
        reason = error_for_caller(problem)
        reached = not isinstance(problem, ConnectAttemptFailed)
        if reached and not (self._repeatable and self._budget.withdraw()):
            raise reason
        if (
            isinstance(problem, ConnectAttemptFailed)
            and problem.absent
            and self._clock() - self._suspended > _ABSENCE
        ):
            raise reason
        pause = min(_FIRST_PAUSE * 2.0 ** min(self._tries, 16), _LONGEST_PAUSE) * (0.5 + self._chance() / 2)
        self._tries += 1
        if self._clock() + pause >= self._deadline:
            raise reason if isinstance(problem, ConnectAttemptFailed) else self.too_late()
        return pause


def pause_or_raise(
    problem: ConnectAttemptFailed | ConnectionLost | ServiceError,
    retry_state: RetryState,
    breaker: CircuitBreaker,
    now: float,
    *,
    again: bool,
) -> float:
    """What becomes of a call when a try has failed.

    :param again: whether there may be another one at all.
    :returns: for how long to wait before it, in seconds.
    :raises ServiceError: if there is to be none; the caller is told that.
    """
    if isinstance(problem, DeadlineExceeded):
        raise (retry_state.too_late() if problem.detail is None else problem) from None
    final = not isinstance(problem, Unavailable) or isinstance(problem, ServiceUnreachable)
    if isinstance(problem, ServiceError) and final:
        if isinstance(problem, ServiceUnreachable):
            breaker.failed(now)
        else:
            breaker.succeeded()
        raise problem
    try:
        if not again:
            raise error_for_caller(problem)
        return retry_state.pause_after(problem)
    except ServiceError:
        if isinstance(problem, ConnectAttemptFailed):  # one whose answer was lost has found the service
            breaker.failed(now)
        raise


def error_for_caller(problem: ConnectAttemptFailed | ConnectionLost | ServiceError) -> ServiceError:
    """What a caller is told of it, if there is no other try."""
    if isinstance(problem, ConnectAttemptFailed):
        return problem.reason
    if isinstance(problem, ConnectionLost):
        return error_from(Unavailable.code, "the connection ended before the answer: the action may have run")
    return problem

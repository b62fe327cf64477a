"""A circuit breaker: calls to a service that is known to be unavailable fail at once. Pure."""

from __future__ import annotations

from unixsvc.errors import Unavailable, error_from

__all__ = ["CircuitBreaker"]


class CircuitBreaker:
    """Refuses calls for a while after several consecutive failures to reach a service.

    After a pause one call is admitted as a trial. If it fails too, the next pause is twice as long. The
    pattern is Nygard's circuit breaker ("Release It!", 2007).

    :param threshold: number of consecutive failures that open the breaker.
    :param pause: the first pause, in seconds.
    :param max_pause: the longest pause, in seconds.
    :ivar failures: number of consecutive failures, at most the threshold; 0 while the service is reachable.
    :ivar refused: number of calls that were refused.
    """

    def __init__(self, threshold: int = 5, pause: float = 0.5, max_pause: float = 15.0) -> None:
        self._threshold = threshold
        self._first_pause = self._pause = pause
        self._max_pause = max_pause
        self.failures = 0
        self._open_until = 0.0
        self._trial = False
        self.refused = 0

    def is_open(self, now: float) -> bool:
        """True while calls are refused."""
        return self.failures >= self._threshold and now < self._open_until

    def admit(self, now: float) -> None:
        """Admit one call.

        :raises Unavailable: if the breaker is open.
        """
        if self.failures < self._threshold:
            return
        if now < self._open_until:
            self.refused += 1
            reason = f"circuit breaker is open: {self.failures} consecutive calls did not reach the service"
            retry_after = round(self._open_until - now, 3)
            raise error_from(Unavailable.code, {"retry_after": retry_after, "reason": reason})
        self._trial = True
        self._open_until = now + self._pause  # other calls wait for the result of the trial

    def succeeded(self) -> None:
        """Close the breaker: the service replied, with a result or an error."""
        self.failures = 0
        self._pause = self._first_pause

    def failed(self, now: float) -> None:
        """Count a call that did not reach the service."""
        if self.failures < self._threshold:
            self.failures += 1
        elif self._trial:
            self._pause = min(2 * self._pause, self._max_pause)
        else:
            return  # it began before the breaker opened, and is no news
        self._trial = False
        self._open_until = now + self._pause

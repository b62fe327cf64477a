"""Hooks: commands and URLs that get events."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from twisted.internet.defer import CancelledError, Deferred, DeferredList, maybeDeferred
from twisted.internet.defer import TimeoutError as TimedOut
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from unixsvc.config.hooks import Hook
from unixsvc.orchestrator.events.log import Event
from unixsvc.telemetry.limited_logger import LimitedLogger

__all__ = ["Deliver", "HookQueue", "Hooks", "pause_after"]

_log: Final = LimitedLogger("hooks")
_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 60.0

Deliver = Callable[[Event], Deferred[None]]
"""Delivers an event; fails if the command or the server does. A cancel stops the attempt."""


def pause_after(attempts: int) -> float:
    """How long to wait after a number of failed attempts, in seconds: each time twice as long."""
    return min(_FIRST_PAUSE * 2.0 ** (attempts - 1), _LONGEST_PAUSE)


class HookQueue:
    """Delivers events to one hook, one at a time and in their order.

    :param deliver: makes one attempt.
    :ivar dropped: the number of events that were dropped, as too many were waiting.
    """

    def __init__(self, hook: Hook, name: str, reactor: IReactorTime, deliver: Deliver) -> None:
        self._hook = hook
        self._name = name
        self._reactor = reactor
        self._deliver = deliver
        self._waiting: list[Event] = []
        self._attempt: Deferred[None] | None = None
        self._attempts = 0
        self._pause: IDelayedCall | None = None
        self._idle: list[Deferred[None]] = []
        self.dropped = 0

    def add(self, event: Event) -> None:
        """Deliver an event if the hook wants it, when the events before it are delivered."""
        if not self._hook.wants(event.kind, event.service):
            return
        self._waiting.append(event)
        if len(self._waiting) > self._hook.queue:
            # The first one may be under way.
            del self._waiting[1 if self._is_busy() and len(self._waiting) > 1 else 0]
            self.dropped += 1
            message = "{hook} is too slow: {dropped} events were dropped so far"
            _log.emit("warn", "dropped events", message, hook=self._name, dropped=self.dropped)
        if not self._is_busy():
            # Not now: what has happened is not complete before the caller goes on.
            self._pause = self._reactor.callLater(0, self._next)

    def when_idle(self) -> Deferred[None]:
        """Fires when all events are delivered or dropped."""
        idle: Deferred[None] = Deferred()
        self._idle.append(idle)
        self._check_idle()
        return idle

    def stop(self) -> None:
        """Deliver nothing more."""
        self._waiting.clear()
        if self._pause is not None and self._pause.active():
            self._pause.cancel()
        if self._attempt is not None:
            self._attempt.cancel()
        self._check_idle()

    def _is_busy(self) -> bool:
        return self._attempt is not None or (self._pause is not None and self._pause.active())

    def _next(self) -> None:
        if not self._waiting:
            self._check_idle()
            return
        self._attempts += 1
        attempt = maybeDeferred(self._deliver, self._waiting[0])
        self._attempt = attempt.addTimeout(self._hook.timeout, self._reactor)
        self._attempt.addCallbacks(self._delivered, self._failed)

    def _delivered(self, _: object) -> None:
        self._done()

    def _failed(self, failure: Failure) -> None:
        if not self._waiting:  # it was stopped
            self._attempt = None
            return
        event, left = self._waiting[0], self._hook.attempts - self._attempts
        reason = _reason_of(failure, self._hook.timeout)
        if left <= 0:
            message = "{hook}: {event} is dropped after {attempts} attempts: {reason}"
            _log.emit(
                "error", "failed", message,
                hook=self._name, event=event.kind, attempts=self._attempts, reason=reason,
            )  # fmt: skip
            self._done()
            return
        message = "{hook}: {event} is tried again: {reason}"
        _log.emit("warn", "tried again", message, hook=self._name, event=event.kind, reason=reason)
        self._attempt = None
        self._pause = self._reactor.callLater(pause_after(self._attempts), self._next)

    def _done(self) -> None:
        self._attempt, self._attempts = None, 0
        if self._waiting:
            del self._waiting[0]
        self._pause = self._reactor.callLater(0, self._next) if self._waiting else None
        self._check_idle()

    def _check_idle(self) -> None:
        if not self._waiting and not self._is_busy():
            idle, self._idle = self._idle, []
            for each in idle:
                if not each.called:
                    each.callback(None)


class Hooks:
    """All hooks of a configuration.

    :param make: makes what delivers the events of a hook.
    """

    def __init__(self, reactor: IReactorTime, make: Callable[[Hook], Deliver]) -> None:
        self._reactor = reactor
        self._make = make
        self._queues: list[tuple[Hook, HookQueue]] = []

    def use(self, hooks: Sequence[Hook]) -> None:
        """Use the hooks of a configuration; events that wait for one that stays are kept."""
        before, self._queues = self._queues, []
        for hook in hooks:
            kept = next((each for each in before if each[0] == hook), None)
            if kept is None:
                kept = hook, HookQueue(hook, _name_of(hook), self._reactor, self._make(hook))
            else:
                before.remove(kept)
            self._queues.append(kept)
        for _, queue in before:
            queue.stop()

    def add(self, event: Event) -> None:
        """Deliver an event to the hooks that want it."""
        for _, queue in self._queues:
            queue.add(event)

    def finish(self, seconds: float) -> Deferred[None]:
        """Fires when all events are delivered; what takes longer is stopped.

        :param seconds: maximum time to wait.
        """
        queues = [queue.when_idle() for _, queue in self._queues]
        all_idle: Deferred[object] = DeferredList(queues, consumeErrors=True).addCallback(_nothing)
        all_idle.addTimeout(seconds, self._reactor, lambda result, _: None)
        return all_idle.addCallback(lambda _: self.use(()))


def _nothing(_: object) -> None:
    """Ignore a result."""


def _name_of(hook: Hook) -> str:
    """The hook, for messages; a URL without what may be a secret."""
    return f"the hook {hook.command[0] if hook.command else hook.url.partition('?')[0]}"


def _reason_of(failure: Failure, seconds: float) -> str:
    if failure.check(TimedOut, CancelledError):
        return f"no end within {seconds:g} s"
    return failure.getErrorMessage() or type(failure.value).__name__

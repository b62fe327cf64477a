"""Drives the later steps of suspended coroutines.

A coroutine that finishes in its first step never gets here and costs no Deferred. A suspended one has a
deadline and can be cancelled.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from unixsvc.domain.coroutine import SuspendedCoroutine
from unixsvc.domain.handle_message import error_to_reply
from unixsvc.domain.message import Reply
from unixsvc.domain.request_context import detach, is_shielded, slot_in
from unixsvc.domain.stream import ReplyStream
from unixsvc.errors import Cancelled, DeadlineExceeded, ServiceError
from unixsvc.execution.interruption import interruption

if TYPE_CHECKING:
    from unixsvc.execution.in_flight.facts import CallFacts

__all__ = ["ActionDriver", "RunningAction", "from_asyncio"]

_T = TypeVar("_T")


class ActionDriver(ABC, Generic[_T]):
    """Resumes a coroutine whenever the Deferred that it awaits fires."""

    def __init__(self) -> None:
        self._coroutine: Coroutine[object, Any, _T]
        self._context = detach()  # the context of the first step, for the later ones
        self._interruption: ServiceError | None = None
        self._awaited: Deferred[Any] | None = None

    @abstractmethod
    def _on_return(self, value: _T) -> None:
        """Called with the result of the coroutine."""

    def _interrupt(self, reason: ServiceError) -> None:
        """Cancel the awaited Deferred, and raise ``reason`` in the coroutine."""
        if self._awaited is not None:
            self._interruption = interruption(reason)
            self._awaited.cancel()

    def _wait_for(self, awaited: object) -> None:
        """Resume when an awaited object fires.

        :param awaited: the object that the last step yielded.
        """
        if not isinstance(awaited, Deferred):
            kind = type(awaited).__name__
            problem = f"there is no asyncio event loop for the {kind}; run twistd with --reactor=asyncio"
            awaited = _failed(TypeError(problem))
        self._awaited = awaited
        awaited.addBoth(self._resume)

    def _resume(self, result: object) -> None:
        self._awaited = None
        # Cancellation may take a while, as that of an asyncio task does: the reason is raised after it.
        reason, self._interruption = self._interruption, None
        try:
            if not isinstance(result, Failure):
                awaited = self._context.run(self._coroutine.send, result)
            elif reason is not None:
                awaited = self._context.run(self._coroutine.throw, reason)
            else:
                awaited = self._context.run(result.throwExceptionIntoGenerator, self._coroutine)
        except StopIteration as stop:
            self._on_return(stop.value)
        else:
            self._wait_for(awaited)


class RunningAction(ActionDriver[Reply | ReplyStream]):
    """A pending request whose action waits. It calls ``on_reply`` exactly once.

    :param suspended: the result of :class:`~unixsvc.IHandleMessage`.
    :param seconds: the time limit.
    :param on_reply: called with the reply, or with the stream, whose first item is not requested yet.
    """

    def __init__(
        self,
        suspended: SuspendedCoroutine[Reply | ReplyStream],
        reactor: IReactorTime,
        seconds: float,
        on_reply: Callable[[Reply | ReplyStream], None],
    ) -> None:
        super().__init__()
        self._coroutine = suspended.coroutine
        self._on_reply: Callable[[Reply | ReplyStream], None] | None = on_reply
        self._cancel_reason: ServiceError | None = None
        self._timer: IDelayedCall = reactor.callLater(max(seconds, 0.0), self.cancel, DeadlineExceeded())
        self._wait_for(suspended.awaited)

    def limit(self, seconds: float) -> None:
        """Replace the time limit.

        :param seconds: from now on.
        """
        if self._timer.active():
            self._timer.reset(max(seconds, 0.0))

    def cancel(self, reason: ServiceError) -> None:
        """Cancel the action: ``reason`` is raised at the point where it waits.

        The reason becomes the reply, unless the action catches it and returns another result at once. If the
        action continues, its result is ignored. A shielded action is not cancelled on behalf of its caller.
        """
        if self._on_reply is None or (isinstance(reason, Cancelled) and is_shielded(self._context)):
            return
        self._cancel_reason = reason
        self._interrupt(reason)
        self._finish(error_to_reply(reason))

    def facts(self) -> CallFacts:
        """What is known of the request, for an operator."""
        # Late: few processes are ever asked.
        from unixsvc.execution.in_flight.facts import CallFacts, earliest

        slot = slot_in(self._context)
        request = None if slot is None else slot.request
        return CallFacts(
            "call" if request is None or request.channel is None else "websocket",
            request,
            None if slot is None else slot.started,
            deadline=earliest(self._timer),
            steps=self._coroutine,
            shielded=is_shielded(self._context),
        )

    def lift_time_limit(self) -> None:
        """Let the action run for any time from now on."""
        if self._timer.active():
            self._timer.cancel()

    def _on_return(self, value: Reply | ReplyStream) -> None:
        if self._cancel_reason is not None and isinstance(value, ReplyStream):  # too late to read it
            value = value.refuse(self._cancel_reason)
        self._finish(value)

    def _finish(self, reply: Reply | ReplyStream) -> None:
        on_reply, self._on_reply = self._on_reply, None
        if on_reply is None:
            return
        if self._timer.active():
            self._timer.cancel()
        on_reply(reply)


def _failed(error: Exception) -> Deferred[Any]:
    deferred: Deferred[Any] = Deferred()
    deferred.errback(Failure(error))
    return deferred


def from_asyncio(coroutine: Coroutine[Any, Any, _T]) -> Deferred[_T]:
    """Convert an asyncio coroutine to a Deferred, which an action can await.

    ``await from_asyncio(session.get(url))``
    It works in workers, whose reactor runs on an asyncio event loop, but not in ``inline`` services.

    :returns: fails with Twisted's CancelledError if the coroutine is cancelled.
    :raises RuntimeError: if no asyncio event loop is running.
    """
    import asyncio  # not at module level: the orchestrator does not need asyncio

    def convert_cancelled(failure: Failure) -> NoReturn:
        # asyncio's CancelledError is no Exception, so "except Exception" in the action would not catch it.
        failure.trap(asyncio.CancelledError)
        raise CancelledError

    task = asyncio.get_running_loop().create_task(coroutine)
    return Deferred.fromFuture(task).addErrback(convert_cancelled)

"""Carries a coroutine on from where its first step stopped.

An action that finishes without waiting is done after one ``send`` and never comes here, so it does not
pay for a Deferred. One that waits gets a deadline and can be cancelled.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Generic, NoReturn, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from unixsvc.domain.coroutine import SuspendedCoroutine
from unixsvc.domain.handle_message import error_to_reply
from unixsvc.domain.message import Reply
from unixsvc.domain.request_context import detach, is_shielded
from unixsvc.domain.stream import ReplyStream
from unixsvc.errors import Cancelled, DeadlineExceeded, ServiceError

__all__ = ["ActionDriver", "RunningAction", "from_asyncio"]

_T = TypeVar("_T")


class ActionDriver(Generic[_T]):
    """Steps a coroutine that waits for Deferreds; what it returns is told to :meth:`_returned`."""

    def __init__(self) -> None:
        self._coroutine: Coroutine[Any, Any, _T]
        self._context = detach()  # made where the first step was run, so further steps find what that has set
        self._reason: ServiceError | None = None
        self._waiting: Deferred[Any] | None = None

    def _returned(self, value: _T) -> None:
        """The coroutine has come to its end."""
        raise NotImplementedError

    def _stop(self, reason: ServiceError) -> None:
        """Raise ``reason`` where it waits, if it does."""
        if self._waiting is not None:
            self._reason = reason
            self._waiting.cancel()

    def _follow(self, waiting: Any) -> None:
        """Go on when that has come which it waits for.

        :param waiting: what its last step yielded.
        """
        if not isinstance(waiting, Deferred):
            kind = type(waiting).__name__
            waiting = _failed(
                TypeError(f"an action awaits Deferreds, not {kind}; wrap it in unixsvc.from_asyncio(...)")
            )
        self._waiting = waiting
        waiting.addBoth(self._advance)

    def _advance(self, result: Any) -> None:
        self._waiting = None
        # What is cancelled may take its time to stop, as an asyncio task does: the reason waits for it.
        reason, self._reason = self._reason, None
        try:
            if not isinstance(result, Failure):
                waiting = self._context.run(self._coroutine.send, result)
            elif reason is not None:
                waiting = self._context.run(self._coroutine.throw, reason)
            else:
                waiting = self._context.run(result.throwExceptionIntoGenerator, self._coroutine)
        except StopIteration as stop:
            self._returned(stop.value)
        else:
            self._follow(waiting)


class RunningAction(ActionDriver[Reply | ReplyStream]):
    """A request whose action waits. Tells its reply once, however it comes about.

    :param suspended: as :class:`~unixsvc.domain.interfaces.IHandleMessage` gives it.
    :param seconds: the time for the answer.
    :param finished: called with the reply; or with the stream that it turns out to be, not yet begun.
    """

    def __init__(
        self,
        suspended: SuspendedCoroutine[Reply | ReplyStream],
        reactor: IReactorTime,
        seconds: float,
        finished: Callable[[Reply | ReplyStream], None],
    ) -> None:
        super().__init__()
        self._coroutine = suspended.coroutine
        self._finished: Callable[[Reply | ReplyStream], None] | None = finished
        self._why: ServiceError | None = None
        self._timer: IDelayedCall = reactor.callLater(max(seconds, 0.0), self.cancel, DeadlineExceeded())
        self._follow(suspended.awaited)

    def cancel(self, reason: ServiceError) -> None:
        """Stop the action: ``reason`` is raised in it where it waits.

        It is the reply too, unless the action catches it and answers something else at once.
        An action that goes on all the same is no longer waited for. One that is shielded is not stopped
        because its caller does not want it any more.
        """
        if self._finished is None or (isinstance(reason, Cancelled) and is_shielded(self._context)):
            return
        self._why = reason
        self._stop(reason)
        self._finish(error_to_reply(reason))

    def _returned(self, value: Reply | ReplyStream) -> None:
        if self._why is not None and isinstance(value, ReplyStream):  # too late to begin
            value = value.refuse(self._why)
        self._finish(value)

    def _finish(self, reply: Reply | ReplyStream) -> None:
        finished, self._finished = self._finished, None
        if finished is None:
            return
        if self._timer.active():
            self._timer.cancel()
        finished(reply)


def _failed(error: Exception) -> Deferred[Any]:
    deferred: Deferred[Any] = Deferred()
    deferred.errback(Failure(error))
    return deferred


def from_asyncio(coroutine: Coroutine[Any, Any, Any]) -> Deferred[Any]:
    """Make an asyncio coroutine something that an action can await.

    ``await from_asyncio(session.get(url))``
    Works in workers, whose reactor runs on an asyncio loop; not in services that are ``inline``.

    :returns: fails with Twisted's CancelledError if the coroutine was cancelled.
    :raises RuntimeError: where no asyncio loop runs.
    """
    import asyncio  # here alone: the orchestrator never needs it

    def not_a_base_exception(failure: Failure) -> NoReturn:
        # asyncio's own passes by every "except Exception" of the action that awaits.
        failure.trap(asyncio.CancelledError)
        raise CancelledError

    task = asyncio.get_running_loop().create_task(coroutine)
    return Deferred.fromFuture(task).addErrback(not_a_base_exception)

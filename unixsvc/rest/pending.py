"""One request that could not be answered at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from unixsvc.domain.coroutine import SuspendedCoroutine
from unixsvc.domain.message import Reply
from unixsvc.domain.stream import ReplyStream
from unixsvc.errors import Cancelled, ServiceError
from unixsvc.execution.action_driver import RunningAction
from unixsvc.rest.encode import ResponseBuilder, ResponseContext
from unixsvc.rest.server.writer import send
from unixsvc.rest.streaming import ResponseStream, format_for

__all__ = ["PendingResponse"]


class PendingResponse:
    """Waits for the answer, and for the client to go.

    :param finished: called with this when it is over.
    """

    def __init__(
        self,
        request: Any,
        terms: ResponseContext,
        answering: ResponseBuilder,
        reactor: IReactorTime,
        finished: Callable[[PendingResponse], object],
    ) -> None:
        self._request = request
        self._terms = terms
        self._answering = answering
        self._reactor = reactor
        self._finished = finished
        self._running: RunningAction | ResponseStream | None = None
        self._gone = False
        request.notifyFinish().addErrback(self._lost)

    def wait(self, suspended: SuspendedCoroutine[Reply | ReplyStream], seconds: float) -> None:
        """Wait for the answer.

        :param seconds: how long the answer may take.
        """
        running = RunningAction(suspended, self._reactor, seconds, self.answer)
        if self._running is None:  # else it was a stream before that came back
            self._running = running

    def answer(self, reply: Reply | ReplyStream) -> None:
        """Send what is there, or begin to."""
        if isinstance(reply, ReplyStream):
            self._begin(reply)
            return
        if not self._gone:
            send(self._request, self._answering.answer(reply, self._terms))
        self._finished(self)

    def cancel(self, reason: ServiceError) -> None:
        """Stop it; the reason is the answer."""
        if self._running is not None:
            self._running.cancel(reason)

    def _begin(self, stream: ReplyStream) -> None:
        if self._gone or self._terms.method == b"HEAD":
            # Nobody will take an item. Closed, not only refused: one that has come from another service is
            # under way there, and has to end there.
            stream.context.run(Deferred.fromCoroutine, stream.close(Cancelled()))
            if not self._gone:
                form = format_for(self._terms)
                send(self._request, self._answering.stream(form.content_type, self._terms))
            self._finished(self)
            return
        sent = ResponseStream(self._request, self._terms, self._answering, stream, self._reactor, self._over)
        self._running = sent
        sent.start()

    def _over(self) -> None:
        self._finished(self)

    def _lost(self, reason: object) -> None:
        """The client is gone: nobody wants the answer any more."""
        self._gone = True
        if isinstance(self._running, ResponseStream):
            self._running.lost()
        elif self._running is not None:
            self._running.cancel(Cancelled())

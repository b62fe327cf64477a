"""Requests that wait for their reply."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from unixsvc.domain.coroutine import SuspendedCoroutine
from unixsvc.domain.message import Reply
from unixsvc.domain.stream import ReplyStream
from unixsvc.errors import Cancelled, ServiceError
from unixsvc.execution.action_driver import RunningAction
from unixsvc.rest.server.writer import Responder
from unixsvc.rest.stream_formats import format_for
from unixsvc.rest.streaming import ResponseStream
from unixsvc.transport.unsent_replies import LARGE_REPLY

__all__ = ["PendingResponse"]


class PendingResponse:
    """Responds when the reply is there, and cancels the action if the client disconnects.

    :param finished: called with this object when the response is complete, or is no longer needed.
    :ivar running: the action, or the stream; None before it waits.
    """

    def __init__(
        self, responder: Responder, reactor: IReactorTime, finished: Callable[[PendingResponse], object]
    ) -> None:
        self._responder = responder
        self._reactor = reactor
        self._finished = finished
        self.running: RunningAction | ResponseStream | None = None
        self._disconnected = False
        responder.writer.on_disconnect(self._connection_lost)

    def wait_for(self, suspended: SuspendedCoroutine[Reply | ReplyStream], seconds: float) -> None:
        """Respond with the result of a coroutine.

        :param seconds: the time-out.
        """
        running = RunningAction(suspended, self._reactor, seconds, self.respond)
        if self.running is None:  # else the result was there at once, and is a stream
            self.running = running

    def limit(self, seconds: float) -> None:
        """Replace the time limit of an action that runs.

        :param seconds: from now on.
        """
        if isinstance(self.running, RunningAction):
            self.running.limit(seconds)

    def respond(self, reply: Reply | ReplyStream) -> None:
        """Send a reply, or start a stream."""
        if isinstance(reply, ReplyStream):
            self._start_stream(reply)
            return
        if not self._disconnected and self._may_send(reply):
            self._responder.send(reply)
        self._finished(self)

    def cancel(self, reason: ServiceError) -> None:
        """Cancel the action; ``reason`` is the response."""
        if self.running is not None:
            self.running.cancel(reason)

    def _may_send(self, reply: Reply) -> bool:
        return len(reply.body) <= LARGE_REPLY or self._responder.writer.may_send(len(reply.body))

    def _start_stream(self, stream: ReplyStream) -> None:
        if self._disconnected or self._responder.context.method == b"HEAD":
            # The items are not sent. The stream is closed rather than refused: one that comes from another
            # service has started there, and has to end there.
            stream.context.run(Deferred.fromCoroutine, stream.close(Cancelled()))
            if not self._disconnected:
                stream_format = format_for(self._responder.context, stream.head)
                self._responder.send_stream_head(stream_format.content_type, stream.head)
            self._finished(self)
            return
        running = ResponseStream(self._responder, stream, self._reactor, self._stream_ended)
        self.running = running
        running.start()

    def _stream_ended(self) -> None:
        self._finished(self)

    def _connection_lost(self) -> None:
        self._disconnected = True
        if isinstance(self.running, ResponseStream):
            self.running.connection_lost()
        elif self.running is not None:
            self.running.cancel(Cancelled())

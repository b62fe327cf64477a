"""Streams over HTTP, as fast as the client reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime
from zope.interface import implementer

from unixsvc.domain.message import Reply
from unixsvc.domain.stream import ReplyStream
from unixsvc.errors import Cancelled, ServiceError
from unixsvc.execution.streaming import RunningStream
from unixsvc.rest.problem import problem
from unixsvc.rest.server.writer import Responder
from unixsvc.rest.stream_formats import format_for

if TYPE_CHECKING:
    from unixsvc.execution.in_flight.facts import CallFacts

__all__ = ["ResponseStream"]

# A client that waits longer than this for the first item gets the head of the response; in seconds.
_HEAD_AFTER: Final = 1.0
# Proxies and browsers close connections that are silent for 30 or 60 seconds. A route may have another one.
# In seconds.
_KEEP_ALIVE_INTERVAL: Final = 15.0


@implementer(IPushProducer)
class ResponseStream:
    """A stream that is sent to one client, as fast as the client reads (flow control).

    A failure before the first item is an ordinary error response. The head of the response therefore waits
    for that item, but not for long.

    :param finished: called when the stream has ended.
    """

    def __init__(
        self,
        responder: Responder,
        stream: ReplyStream,
        reactor: IReactorTime,
        finished: Callable[[], None],
    ) -> None:
        self._responder = responder
        self._writer = responder.writer
        self._stream = stream
        self._format = format_for(responder.context, stream.head)
        self._heartbeat = (stream.head.heartbeat if stream.head else 0.0) or _KEEP_ALIVE_INTERVAL
        self._reactor = reactor
        self._finished = finished
        self._started = False
        self._silent = False  # nothing was sent since the timer started
        self._disconnected = False
        # The client may not have read an earlier response: the transport does not call pauseProducing again.
        self._write_paused = responder.writer.write_paused
        self._timer: IDelayedCall | None = None
        self._running = RunningStream(
            stream, reactor, None, lambda: self._write_paused, self._send, overhead=self._format.overhead
        )

    def start(self) -> None:
        """Send the first items."""
        self._writer.register(self)
        self._timer = self._reactor.callLater(_HEAD_AFTER, self._start_response)
        self._running.start()

    def facts(self) -> CallFacts:
        """What is known of the request, for an operator."""
        return self._running.facts()

    def cancel(self, reason: ServiceError) -> None:
        """Cancel the stream; it ends with ``reason``."""
        self._running.cancel(reason)

    def connection_lost(self) -> None:
        """The client has disconnected: cancel the stream."""
        self._disconnected = True
        self._running.cancel(Cancelled())

    def pauseProducing(self) -> None:
        """The transport's write buffer is full."""
        self._write_paused = True

    def resumeProducing(self) -> None:
        """The transport's write buffer has drained."""
        self._write_paused = False
        self._running.resume()

    def stopProducing(self) -> None:
        """The connection is about to close."""
        self.connection_lost()

    def _start_response(self, data: bytes = b"") -> None:
        self._started = True
        self._restart_timer()
        self._responder.start_stream(self._format.content_type, data, self._stream.head)

    def _restart_timer(self) -> None:
        self._stop_timer()
        if self._format.keep_alive:
            self._silent = True
            self._timer = self._reactor.callLater(self._heartbeat, self._keep_alive)

    def _stop_timer(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    def _keep_alive(self) -> None:
        if self._silent and not self._write_paused:
            self._writer.write(self._format.keep_alive)
        self._restart_timer()

    def _send(self, items: list[bytes], reply: Reply | None) -> None:
        """Send items; with ``reply``, the stream has ended."""
        if reply is not None:
            self._end(items, reply)
        elif not self._disconnected:
            self._write(items)

    def _write(self, items: list[bytes]) -> None:
        self._silent = False
        data = self._format.items(items)
        if self._started:
            self._writer.write(data)
        else:
            self._start_response(data)

    def _end(self, items: list[bytes], reply: Reply) -> None:
        failed = reply.code >= 400
        if not self._disconnected:
            if items:
                self._write(items)
            elif not (failed or self._started):
                self._start_response()
            self._writer.unregister()
        self._stop_timer()
        if not self._disconnected:
            if not self._started:
                self._responder.send(reply)
            elif failed:
                self._fail(reply)
            else:
                self._writer.finish()
        self._finished()

    def _fail(self, reply: Reply) -> None:
        request_id = self._responder.context.request_id
        body = problem(reply.code, reply.message, reply.detail, request_id)
        self._writer.write(self._format.failure(body))
        if self._format.abort_on_failure:
            self._writer.cut_off()
        else:
            self._writer.finish()

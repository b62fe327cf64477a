"""A stream over HTTP: server-sent events, or JSON lines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from msgspec import Struct
from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime
from zope.interface import implementer

from unixsvc.domain.message import Reply
from unixsvc.domain.stream import ReplyStream
from unixsvc.errors import Cancelled, ServiceError
from unixsvc.execution.streaming import RunningStream
from unixsvc.rest.encode import ResponseBuilder, ResponseContext
from unixsvc.rest.headers.accept import prefers_events
from unixsvc.rest.problem import problem
from unixsvc.rest.server.writer import begin, send

__all__ = ["EVENTS", "LINES", "ResponseStream", "StreamFormat", "format_for"]

# Who waits longer for a first item wants to see that there is something; in seconds.
_HEAD_AFTER: Final = 1.0
# Proxies and browsers close what is silent for a minute, or half of one; in seconds.
_ALIVE_EVERY: Final = 15.0


class StreamFormat(Struct, frozen=True):
    """How a stream looks.

    :ivar content_type: its media type.
    :ivar items: writes items, of which there is one at least.
    :ivar failure: writes the problem with which it ends.
    :ivar alive: is sent where nothing else is; empty if there is nothing of the kind.
    :ivar broken: whether a stream that has failed is broken off, so that nobody takes it for complete.
    """

    content_type: bytes
    items: Callable[[Sequence[bytes]], bytes]
    failure: Callable[[bytes], bytes]
    alive: bytes
    broken: bool


def _events(items: Sequence[bytes]) -> bytes:
    # Only a msgspec.Raw of the action's own has such an end of a line, which would be one of the event.
    return (b"data: " + b"\n\ndata: ".join(items) + b"\n\n").replace(b"\r", b" ")


# https://html.spec.whatwg.org/multipage/server-sent-events.html
EVENTS: Final = StreamFormat(
    b"text/event-stream", _events, lambda text: b"event: error\ndata: %b\n\n" % text, b":\n\n", broken=False
)
# https://jsonlines.org
LINES: Final = StreamFormat(
    b"application/jsonl", lambda items: b"\n".join(items) + b"\n", lambda text: text + b"\n", b"", broken=True
)


def format_for(terms: ResponseContext) -> StreamFormat:
    """The form that the client wants."""
    return EVENTS if prefers_events(terms.headers.get(b"Accept", ())) else LINES


@implementer(IPushProducer)
class ResponseStream:
    """A stream that is sent to one client, as fast as that takes it.

    What fails before its first item is answered as any other failure; so the beginning waits for that item,
    but not for long.

    :param finished: called when it is over.
    """

    def __init__(
        self,
        request: Any,
        terms: ResponseContext,
        answering: ResponseBuilder,
        stream: ReplyStream,
        reactor: IReactorTime,
        finished: Callable[[], None],
    ) -> None:
        self._request = request
        self._terms = terms
        self._answering = answering
        self._form = format_for(terms)
        self._reactor = reactor
        self._finished = finished
        self._suspended = False
        self._silent = False  # nothing was sent since it was last looked for
        self._gone = False
        # A client that has not taken an earlier answer: the channel tells of no change, as there is none.
        self._full = bool(getattr(getattr(request, "channel", None), "_waitingForTransport", False))
        self._timer: IDelayedCall | None = None
        self._streaming = RunningStream(stream, reactor, None, lambda: self._full, self._send)

    def start(self) -> None:
        """Give the first items."""
        self._request.registerProducer(self, True)
        self._timer = self._reactor.callLater(_HEAD_AFTER, self._begin)
        self._streaming.start()

    def cancel(self, reason: ServiceError) -> None:
        """Stop, and end with that failure."""
        self._streaming.cancel(reason)

    def lost(self) -> None:
        """The client is gone."""
        self._gone = True
        self._streaming.cancel(Cancelled())

    def pauseProducing(self) -> None:
        """The client does not take what is sent."""
        self._full = True

    def resumeProducing(self) -> None:
        """It has taken it."""
        self._full = False
        self._streaming.go_on()

    def stopProducing(self) -> None:
        """The connection is about to be gone."""
        self.lost()

    def _begin(self, data: bytes = b"") -> None:
        self._suspended = True
        self._set_timer()
        begin(self._request, self._answering.stream(self._form.content_type, self._terms), data)

    def _set_timer(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        if self._form.alive:
            self._silent = True
            self._timer = self._reactor.callLater(_ALIVE_EVERY, self._keep_alive)

    def _keep_alive(self) -> None:
        if self._silent and not self._full:
            self._request.write(self._form.alive)
        self._set_timer()

    def _send(self, items: list[bytes], reply: Reply | None) -> None:
        """Send items, and the end."""
        if reply is not None:
            self._end(items, reply)
        elif not self._gone:
            self._write(items)

    def _write(self, items: list[bytes]) -> None:
        self._silent = False
        data = self._form.items(items)
        if self._suspended:
            self._request.write(data)
        else:
            self._begin(data)

    def _end(self, items: list[bytes], reply: Reply) -> None:
        failed = reply.code >= 400
        if not self._gone:
            if items or not failed:
                self._write_last(items)
            self._request.unregisterProducer()
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        if not self._gone:
            if not self._suspended:
                send(self._request, self._answering.answer(reply, self._terms))
            elif failed:
                self._fail(reply)
            else:
                self._request.finish()
        self._finished()

    def _write_last(self, items: list[bytes]) -> None:
        if items:
            self._write(items)
        elif not self._suspended:
            self._begin()

    def _fail(self, reply: Reply) -> None:
        request_id = self._terms.request_id.decode()
        text = problem(reply.code, reply.message, reply.detail, request_id)
        self._request.write(self._form.failure(text))
        if self._form.broken:
            self._request.loseConnection()  # without the last chunk; what was sent still arrives
        else:
            self._request.finish()

"""A response of server-sent events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime
from twisted.web.server import Request
from zope.interface import implementer

__all__ = ["EventWriter"]

# A browser that has read nothing for this time is disconnected, in seconds.
_PATIENCE: Final = 30.0


@implementer(IPushProducer)
class EventWriter:
    """Writes events to a browser.

    :param on_end: called once the browser has disconnected, or the response has ended.
    :ivar paused: whether the connection can take no more at present.
    """

    def __init__(self, request: Request, reactor: IReactorTime, on_end: Callable[[], object]) -> None:
        self._request = request
        self._reactor = reactor
        self._on_end = on_end
        self._patience: IDelayedCall | None = None
        self._waiting: list[Deferred[None]] = []
        self._ended = False
        self.paused = False

    def start(self) -> None:
        """Begin the response."""
        self._request.setHeader(b"Content-Type", b"text/event-stream")
        self._request.setHeader(b"X-Accel-Buffering", b"no")  # nginx would keep events back
        self._request.notifyFinish().addBoth(self._end)
        self._request.registerProducer(self, True)
        self._request.write(b"retry: 1000\n\n")

    def send(self, name: bytes, data: bytes) -> None:
        """Write an event, whatever the connection can take.

        :param data: without line ends.
        """
        self._request.write(b"event: %b\ndata: %b\n\n" % (name, data))

    def keep_alive(self) -> None:
        """Write something that is no event, so that proxies keep the connection."""
        self._request.write(b":\n\n")

    def when_ready(self) -> Deferred[None]:
        """Fires when the connection can take more; never, once the response has ended."""
        if not self.paused:
            return succeed(None)
        waiting: Deferred[None] = Deferred(self._waiting.remove)
        self._waiting.append(waiting)
        return waiting

    def pauseProducing(self) -> None:
        """The connection can take no more."""
        self.paused = True
        if self._patience is None:
            self._patience = self._reactor.callLater(_PATIENCE, self._give_up)

    def resumeProducing(self) -> None:
        """The connection can take more."""
        self.paused = False
        self._stop_waiting()
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.callback(None)

    def stopProducing(self) -> None:
        """The connection was lost; notifyFinish() says so too."""

    def close(self) -> None:
        """End the response; nothing if it has ended."""
        if not self._ended:
            self._request.unregisterProducer()
            self._request.finish()

    def _end(self, _: object) -> None:
        self._ended = True
        self._stop_waiting()
        self._on_end()

    def _stop_waiting(self) -> None:
        if self._patience is not None and self._patience.active():
            self._patience.cancel()
        self._patience = None

    def _give_up(self) -> None:
        self._request.channel.forceAbortClient()

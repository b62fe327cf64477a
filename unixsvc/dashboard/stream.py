"""Server-sent events: one open page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime
from twisted.web.server import Request
from zope.interface import implementer

from unixsvc.dashboard.feed import Feed

__all__ = ["EventStream"]

# A browser that has read nothing for this time is disconnected, in seconds.
_PATIENCE: Final = 30.0


@implementer(IPushProducer)
class EventStream:
    """Sends snapshots to a browser. One that reads slowly misses some: the next one has everything.

    :param on_end: called when the browser has disconnected.
    """

    def __init__(
        self, request: Request, feed: Feed, reactor: IReactorTime, on_end: Callable[[], object]
    ) -> None:
        self._request = request
        self._feed = feed
        self._reactor = reactor
        self._on_end = on_end
        self._paused = False
        self._patience: IDelayedCall | None = None

    def start(self) -> None:
        """Begin; the headers were set."""
        self._request.notifyFinish().addBoth(self._ended)
        self._request.registerProducer(self, True)
        self._request.write(b"retry: 1000\n\n")
        self._feed.add(self.send)

    def send(self, snapshot: bytes) -> None:
        """Send a snapshot, unless the browser has not read the one before."""
        if not self._paused:
            self._request.write(b"event: snapshot\ndata: %b\n\n" % snapshot)

    def tell(self, event: bytes) -> None:
        """Send what has happened, as JSON."""
        if not self._paused:
            self._request.write(b"event: happened\ndata: %b\n\n" % event)

    def pauseProducing(self) -> None:
        """The connection can take no more."""
        self._paused = True
        if self._patience is None:
            self._patience = self._reactor.callLater(_PATIENCE, self._give_up)

    def resumeProducing(self) -> None:
        """The connection can take more."""
        self._paused = False
        self._stop_waiting()

    def stopProducing(self) -> None:
        """The connection was lost; notifyFinish() says so too."""

    def close(self) -> None:
        """End the response."""
        self._request.unregisterProducer()
        self._request.finish()

    def _ended(self, _: object) -> None:
        self._feed.remove(self.send)
        self._stop_waiting()
        self._on_end()

    def _stop_waiting(self) -> None:
        if self._patience is not None and self._patience.active():
            self._patience.cancel()
        self._patience = None

    def _give_up(self) -> None:
        self._request.channel.forceAbortClient()

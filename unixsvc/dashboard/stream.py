"""The snapshots and the events of one open page."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IReactorTime
from twisted.web.server import Request

from unixsvc.dashboard.event_writer import EventWriter
from unixsvc.dashboard.feed import Feed

__all__ = ["EventStream"]


class EventStream:
    """Sends snapshots to a browser. One that reads slowly misses some: the next one has everything.

    :param on_end: called when the browser has disconnected.
    """

    def __init__(
        self, request: Request, feed: Feed, reactor: IReactorTime, on_end: Callable[[], object]
    ) -> None:
        self._writer = EventWriter(request, reactor, self._ended)
        self._feed = feed
        self._on_end = on_end

    def start(self) -> None:
        """Begin."""
        self._writer.start()
        self._feed.add(self.send)

    def send(self, snapshot: bytes) -> None:
        """Send a snapshot, unless the browser has not read the one before."""
        if not self._writer.paused:
            self._writer.send(b"snapshot", snapshot)

    def tell(self, event: bytes) -> None:
        """Send what has happened, as JSON."""
        if not self._writer.paused:
            self._writer.send(b"happened", event)

    def close(self) -> None:
        """End the response."""
        self._writer.close()

    def _ended(self) -> None:
        self._feed.remove(self.send)
        self._on_end()

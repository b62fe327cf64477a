"""Makes a snapshot each second while a page is open."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import msgspec
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from unixsvc.dashboard.snapshot import Moment, Snapshot, make_snapshot
from unixsvc.orchestrator.figures import ServiceFigures
from unixsvc.telemetry.limited_logger import LimitedLogger

__all__ = ["Feed", "Listener"]

_log: Final = LimitedLogger("dashboard")
_INTERVAL: Final = 1.0
_SOON: Final = 0.05  # what happens together comes together

Listener = Callable[[bytes], object]
"""Called with each snapshot, as JSON."""


class Feed:
    """The snapshots. Without a listener it asks for nothing.

    :param figures: returns the figures of every service, by name.
    :param now: the time in seconds since 1970.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        figures: Callable[[], Awaitable[Mapping[str, ServiceFigures]]],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._reactor = reactor
        self._figures = figures
        self._now = now
        self._listeners: list[Listener] = []
        self._next: IDelayedCall | None = None
        self._again = False
        self._before: Moment | None = None
        self._latest = b""

    @property
    def count(self) -> int:
        """The number of listeners."""
        return len(self._listeners)

    def add(self, listener: Listener) -> None:
        """Add a listener. It is called at once if there is a snapshot already."""
        self._listeners.append(listener)
        if self._latest:
            listener(self._latest)
        elif self.count == 1:
            self._next = self._reactor.callLater(0, self._due)

    def remove(self, listener: Listener) -> None:
        """Remove a listener; nothing if it was removed."""
        if listener in self._listeners:
            self._listeners.remove(listener)
        if not self._listeners:
            if self._next is not None and self._next.active():
                self._next.cancel()
            self._next, self._before, self._latest = None, None, b""

    def hurry(self) -> None:
        """Make the next snapshot soon, as something has happened."""
        if self._next is None:
            self._again = True
        elif self._next.active() and self._next.getTime() - self._reactor.seconds() > _SOON:
            self._next.reset(_SOON)

    async def snapshot(self) -> Snapshot:
        """One snapshot, with the differences to the latest one, if there is one."""
        figures = await self._figures()
        return make_snapshot(self._now(), Moment(self._reactor.seconds(), figures), self._before)

    def _due(self) -> None:
        self._next = None
        Deferred.fromCoroutine(self._send())

    async def _send(self) -> None:
        start = self._reactor.seconds()
        try:
            figures = await self._figures()
        except Exception as error:  # the page shows for how long there was no snapshot
            _log.failure("no figures for the page", error)
        else:
            self._spread(figures)
        if self._listeners and self._next is None:
            wait = _SOON if self._again else max(_INTERVAL - (self._reactor.seconds() - start), _SOON)
            self._next = self._reactor.callLater(wait, self._due)
        self._again = False

    def _spread(self, figures: Mapping[str, ServiceFigures]) -> None:
        if not self._listeners:
            return  # all have gone meanwhile
        moment = Moment(self._reactor.seconds(), figures)
        self._latest = msgspec.json.encode(make_snapshot(self._now(), moment, self._before))
        self._before = moment
        for each in tuple(self._listeners):
            each(self._latest)

"""The latest events of one orchestrator."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, Protocol

from msgspec import Struct
from twisted.logger import Logger

from unixsvc.config.hooks import EVENTS
from unixsvc.domain.json import Json
from unixsvc.orchestrator.events.ring import Follower, Ring

__all__ = ["Event", "EventLog", "Record", "ignore"]

_KEPT: Final = 2000
_LONGEST: Final = 1000  # characters of a reason, which may be an application's text
_log: Final = Logger()


class Event(Struct, frozen=True):
    """Something that has happened.

    :ivar number: counts all events since the start of the orchestrator.
    :ivar kind: one of :data:`unixsvc.config.hooks.EVENTS`.
    :ivar service: the service; empty for events of the orchestrator.
    :ivar pid: of the worker.
    :ivar slot: of the worker.
    :ivar reason: why, in words; empty if there is nothing to explain.
    :ivar details: more, by name, as the kind has it.
    """

    number: int
    time: datetime
    kind: str
    service: str = ""
    pid: int | None = None
    slot: int | None = None
    reason: str = ""
    details: dict[str, Json] = {}


class Record(Protocol):
    """Records an event."""

    def __call__(
        self,
        kind: str,
        service: str = "",
        *,
        pid: int | None = None,
        slot: int | None = None,
        reason: str = "",
        **details: Json,
    ) -> object:
        """Record it; the parameters are the fields of :class:`Event`."""


def ignore(
    kind: str,
    service: str = "",
    *,
    pid: int | None = None,
    slot: int | None = None,
    reason: str = "",
    **details: Json,
) -> None:
    """A :class:`Record` that does nothing."""


class EventLog:
    """Keeps the latest events, and tells observers of each.

    :param now: the clock.
    :ivar observers: called with each event.
    """

    def __init__(self, kept: int = _KEPT, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._ring: Ring[Event] = Ring(kept)
        self._now = now
        self.observers: list[Callable[[Event], object]] = []

    def record(
        self,
        kind: str,
        service: str = "",
        *,
        pid: int | None = None,
        slot: int | None = None,
        reason: str = "",
        **details: Json,
    ) -> None:
        """Record an event; see :class:`Record`."""
        if kind not in EVENTS:
            raise LookupError(kind)
        reason = reason[:_LONGEST]
        event = Event(self._ring.end + 1, self._now(), kind, service, pid, slot, reason, details)
        self._ring.add(event)
        for observe in self.observers:
            try:
                observe(event)
            except Exception:  # what happens to services must not depend on observers
                _log.failure("an observer of events has failed")

    def find(self, service: str = "", since: datetime | None = None) -> list[Event]:
        """The events that are kept, the oldest first, of all services or of one.

        :param since: the time of the first one; None for all.
        """
        return [
            each
            for each in self._ring.items()
            if service in ("", each.service) and (since is None or each.time >= since)
        ]

    def close(self) -> None:
        """End the readers when they have read everything."""
        self._ring.close()

    def follow(self) -> Follower[Event]:
        """A reader of the events from now on."""
        return self._ring.follow()

"""The routes of the control API about events."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import datetime

from unixsvc.orchestrator.events.log import Event, EventLog
from unixsvc.routing.route import GET, Group

__all__ = ["EVENT_ROUTES", "EventControl"]


class EventControl:
    """The controller."""

    def __init__(self, events: EventLog) -> None:
        self._events = events

    def index(self, service: str = "", since: datetime | None = None) -> list[Event]:
        """The latest events, the oldest first, of all services or of one."""
        return self._events.find(service, since)

    async def follow(self, service: str = "", since: datetime | None = None) -> AsyncGenerator[Event, None]:
        """The events from a time on, else from now on, as they happen.

        In place of events that a slow reader has missed there is one with their number, of the kind
        ``events.missed``.
        """
        follower = self._events.follow()
        if since is not None:
            for event in self._events.find(service, since):
                yield event
        missed, events = await follower.next()
        while events:
            if missed:
                yield _missed(missed, events[0])
            for event in events:
                if service in ("", event.service):
                    yield event
            missed, events = await follower.next()


def _missed(count: int, first: Event) -> Event:
    """The event in place of missed ones.

    :param first: the one after them.
    """
    return Event(0, first.time, "events.missed", reason=f"{count} events before this one were missed")


EVENT_ROUTES = Group(
    "/events",
    EventControl,
    [
        GET("", EventControl.index, title="What has happened"),
        GET("/follow", EventControl.follow, title="What happens, as a stream"),
    ],
)

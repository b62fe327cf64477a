"""What happens to services, and the hooks that get it: the tables ``[[hooks]]``."""

# Annotations are not postponed: msgspec would compile the text of each when a worker starts.

from fnmatch import fnmatchcase
from typing import Annotated, Final

from msgspec import Meta, Struct

from unixsvc.config.types import Count, Seconds

__all__ = ["EVENTS", "Hook"]

EVENTS: Final[dict[str, str]] = {
    "orchestrator.ready": "every service is ready for the first time",
    "orchestrator.stopping": "the orchestrator stops",
    "service.scaled": "the number of workers was set",
    "service.failed": "the service cannot start, or its workers have died too often",
    "worker.started": "a process was started",
    "worker.ready": "clients can connect to it",
    "worker.draining": "a signal has made it drain",
    "worker.recycled": "it is replaced, as it has reached a limit",
    "worker.ended": "it was asked to exit, and has done so",
    "worker.died": "it has exited without being asked, or was killed",
    "reload.started": "a reload has begun",
    "reload.done": "the new workers serve",
    "reload.failed": "the reload was rolled back",
    "token.rotated": "the shared token was replaced",
    "token.changed": "the token file has another token",
    "token.revoked": "a token was made invalid",
    "certificate.changed": "new connections get another certificate",
    "certificate.failed": "changed files of a certificate cannot be used",
    "breaker.open": "a worker has stopped to call another service",
    "breaker.half_open": "the next call decides whether it goes on",
    "breaker.closed": "it calls the other service again",
}
"""The kinds of events, with their meanings."""


class Hook(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One command or URL that gets events: a table ``[[hooks]]``. It has either of the two.

    :ivar events: the kinds of events, where ``*`` stands for any text, as in ``worker.*``.
    :ivar services: the services; empty for all, and for events without a service.
    :ivar command: a program with its arguments; it gets the event on standard input, as JSON.
    :ivar url: an address to which the event is posted, as JSON.
    :ivar headers: further header fields of that request, by their names.
    :ivar timeout: the time for one attempt, in seconds.
    :ivar attempts: how many times an event is tried.
    :ivar queue: how many events may wait; the oldest are dropped beyond that.
    """

    events: Annotated[tuple[str, ...], Meta(min_length=1)]
    services: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    url: str = ""
    headers: dict[str, str] = {}
    timeout: Seconds = 10.0
    attempts: Annotated[int, Meta(ge=1, le=20)] = 4
    queue: Count = 100

    def wants(self, kind: str, service: str) -> bool:
        """Whether it gets an event."""
        if self.services and service not in self.services:
            return False
        return any(fnmatchcase(kind, pattern) for pattern in self.events)

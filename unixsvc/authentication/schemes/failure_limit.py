"""A limit for attempts to guess: how often a client may fail."""

from __future__ import annotations

import time
from collections.abc import Callable
from ipaddress import ip_address
from typing import Final

from msgspec import Struct

from unixsvc.domain.message import Request

__all__ = ["FailureLimit", "client_of"]

_MAX_CLIENTS: Final = 10_000
# The clients above that number share one count.
_OTHERS: Final = "others"


class _Failures(Struct):
    """The failures of one client in one interval.

    :ivar end: when the interval ends.
    """

    end: float
    count: int = 0


class FailureLimit:
    """Counts the failures of each client in one worker; a client above the limit has to wait.

    An attempt counts as a failure from its beginning, until it succeeds: a client that makes many attempts at
    once does not get more.

    :param limit: the number of failures in an interval; 0 for no limit.
    :param interval: in seconds, from the first failure.
    :param now: a monotonic clock, in seconds.
    """

    def __init__(self, limit: int, interval: float, now: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._interval = interval
        self._now = now
        self._clients: dict[str, _Failures] = {}  # in the order of their ends, as all intervals are equal

    def attempt(self, client: str) -> float:
        """Begin an attempt.

        :returns: how long the client has to wait before, in seconds; 0 if it may try now.
        """
        if not self._limit:
            return 0.0
        now = self._now()
        self._forget(now)
        if client not in self._clients and len(self._clients) >= _MAX_CLIENTS:
            client = _OTHERS
        failures = self._clients.setdefault(client, _Failures(now + self._interval))
        if failures.count >= self._limit:
            return failures.end - now
        failures.count += 1
        return 0.0

    def succeed(self, client: str) -> None:
        """An attempt has succeeded; the failures before stay counted."""
        failures = self._clients.get(client) or self._clients.get(_OTHERS)
        if failures is not None and failures.count:
            failures.count -= 1

    def _forget(self, now: float) -> None:
        while self._clients:
            client, failures = next(iter(self._clients.items()))
            if failures.end > now:
                return
            del self._clients[client]


def client_of(request: Request) -> str:
    """Return what identifies the sender of a request: its address, or its uid on a socket.

    The addresses of one network of IPv6 count as one, as one client has them all.
    """
    if request.headers is None:
        return f"uid:{request.peer.uid}"
    # Only a trusted proxy can set it over HTTP.
    host = request.meta.get("client_address") or str(getattr(request.peer_address, "host", ""))
    try:
        address = ip_address(host)
    except ValueError:
        return "local"
    if address.version == 6 and address.ipv4_mapped is None:
        return address.exploded[:19]
    return str(address)

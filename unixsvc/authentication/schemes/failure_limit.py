"""A limit for attempts to guess: how often a client may fail."""

from __future__ import annotations

import time
from collections.abc import Callable
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

import msgspec

from unixsvc.domain.message import Request

if TYPE_CHECKING:
    from unixsvc.limiting.table import Bucket, RateTable

__all__ = ["FailureLimit", "client_of"]

_NANO: Final = 1_000_000_000


class FailureLimit:
    """Counts the failures of each client; a client above the limit has to wait.

    It is a rate limit of failures: a client may fail so often at once, and after that once in each
    ``interval / limit``. An attempt counts as a failure from its beginning, until it succeeds: a client that
    makes many attempts at once does not get more.

    :param name: of the scheme; failures of others are counted apart.
    :param limit: the number of failures in an interval; 0 for no limit.
    :param interval: in seconds.
    """

    def __init__(self, name: str, limit: int, interval: float) -> None:
        self._scope = msgspec.json.encode(["failures", name, limit, interval])
        self._limit = limit
        self._interval = max(round(interval * _NANO / limit), 1) if limit else 0
        self._table: RateTable | None = None
        self._now = time.monotonic

    def share(self, make_table: Callable[[], RateTable], now: Callable[[], float]) -> None:
        """Count over all workers of a service; without it, each counts for itself.

        :param make_table: makes the table that they share.
        :param now: a monotonic clock that they share, in seconds.
        """
        if self._limit:
            self._table, self._now = make_table(), now

    def attempt(self, client: str) -> float:
        """Begin an attempt.

        :returns: how long the client has to wait before, in seconds; 0 if it may try now.
        """
        if not self._limit:
            return 0.0
        table = self._own_table()
        [verdict] = table.take([self._bucket(table, client)], self._time())
        return verdict.wait / _NANO

    def succeed(self, client: str) -> None:
        """An attempt has succeeded; the failures before stay counted."""
        if self._limit:
            table = self._own_table()
            table.give_back(self._bucket(table, client), self._time())

    def _own_table(self) -> RateTable:
        if self._table is None:
            from unixsvc.limiting.table import RateTable  # few services have such a limit

            self._table = RateTable()
        return self._table

    def _bucket(self, table: RateTable, client: str) -> Bucket:
        return table.bucket(self._scope, client, self._interval, self._limit)

    def _time(self) -> int:
        return int(self._now() * _NANO)


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

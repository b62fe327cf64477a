"""Applies rate limits to requests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import msgspec
from msgspec import Struct

from unixsvc.domain.message import Request
from unixsvc.errors import RateLimited
from unixsvc.limiting.keys import key_function
from unixsvc.limiting.rate_limit import KeyFunction, RateLimit, parse_rate
from unixsvc.limiting.table import Bucket, RateTable, Verdict

__all__ = ["Limiter"]

_NANO: Final = 1_000_000_000


class _Limit(Struct, frozen=True):
    """One limit, ready for use.

    :ivar scope: the limit in the table: with other values it is another limit, also after a reload.
    :ivar interval: the time in which one token comes, in nanoseconds.
    """

    name: str
    scope: bytes
    key: KeyFunction
    interval: int
    size: int
    policy: str


class Limiter:
    """The rate limits of one service.

    :param table: makes the table, when the first limit needs it.
    :param now: a monotonic clock that all processes of the service share, in seconds.
    :param on_full: called with the name of a limit if a key shares its bucket, as there are too many keys.
    """

    def __init__(
        self,
        table: Callable[[], RateTable],
        now: Callable[[], float],
        on_full: Callable[[str], object] = bool,
    ) -> None:
        self._make_table = table
        self._table: RateTable | None = None
        self._now = now
        self._on_full = on_full

    def check(self, limits: Sequence[RateLimit], scope: str) -> Callable[[Request], None]:
        """Return a function that takes a token for a request, and raises RateLimited if there is none.

        It adds the header fields ``RateLimit`` and ``RateLimit-Policy`` to the reply, as in
        draft-ietf-httpapi-ratelimit-headers-11.

        :param scope: what is limited, as ``GET /user/{id}``.
        """
        if self._table is None:
            self._table = self._make_table()
        table, now, on_full = self._table, self._now, self._on_full
        compiled = [_compile(limit, scope) for limit in limits]

        def take(request: Request) -> None:
            found: list[_Limit] = []
            buckets: list[Bucket] = []
            for limit in compiled:
                key = limit.key(request)
                if key is not None:
                    found.append(limit)
                    buckets.append(table.bucket(limit.scope, key, limit.interval, limit.size))
            if not found:
                return
            verdicts = table.take(buckets, int(now() * _NANO))
            wait = max([verdict.wait for verdict in verdicts])
            for limit, verdict in zip(found, verdicts, strict=True):
                if verdict.shared:
                    on_full(limit.name)
                request.add_reply_header("RateLimit-Policy", limit.policy)
                request.add_reply_header("RateLimit", _state(limit, verdict, wait))
            if wait:
                raise RateLimited(_seconds(wait))

        return take


def _compile(limit: RateLimit, scope: str) -> _Limit:
    rate = parse_rate(limit.rate, scope)
    size = limit.burst or rate.requests
    interval = max(round(rate.seconds * _NANO / rate.requests), 1)
    # The draft has whole seconds; rounded down, the policy would promise more than the limit admits. The
    # interval is rounded, so it is not used here. RFC 9651: integers have at most 15 digits.
    window = -(-size * round(rate.seconds * _NANO) // (rate.requests * _NANO))
    policy = f'"{limit.name}";q={size};w={window}'
    per = limit.per if isinstance(limit.per, str) else "function"
    encoded = msgspec.json.encode([limit.scope or scope, limit.name, per, interval, size])
    return _Limit(limit.name, encoded, key_function(limit.per), interval, size, policy)


def _state(limit: _Limit, verdict: Verdict, wait: int) -> str:
    """The field ``RateLimit``: the tokens that are left, and the seconds until there are more.

    :param wait: the time of ``Retry-After``, in nanoseconds; 0 without it. In one response, it should not be
        before the end of a window (section 6 of the draft), also of a limit that has tokens.
    """
    until = verdict.full if verdict.allowed else verdict.wait
    if wait:
        until = min(until, wait)
    return f'"{limit.name}";r={verdict.remaining};t={_seconds(until)}'


def _seconds(nanoseconds: int) -> int:
    """Whole seconds, rounded up: a client that waits for them is not refused again."""
    return -(-nanoseconds // _NANO)

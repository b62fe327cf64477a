"""The definition of a rate limit."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, Literal, TypeAlias, get_args

from msgspec import Struct

from unixsvc.domain.message import Request
from unixsvc.errors import ConfigError
from unixsvc.schedules.duration import parse_duration

__all__ = ["KeyFunction", "Per", "Rate", "RateLimit", "parse_rate"]

Per: TypeAlias = Literal["caller", "user", "token", "uid", "address", "route"]
KeyFunction: TypeAlias = Callable[[Request], str | None]

_RATE: Final = re.compile(r"([1-9][0-9]{0,8})/(?:(second|minute|hour|day)|([0-9a-z.]{2,32}))", re.ASCII)
_WINDOWS: Final = {"second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86_400.0}
_REMEDY: Final = "write it as 100/minute, 5/second or 20/10s"
# RFC 9651, section 3.3.3: a string in a structured field. Without quotes and backslashes none is escaped.
_NAME: Final = re.compile(r"[a-zA-Z0-9_.:-]{1,64}", re.ASCII)
_MAX_WINDOW: Final = 366 * 86_400.0
_MAX_BURST: Final = 10**9
_MAX_FILL: Final = 10 * 366 * 86_400.0  # seconds; the table counts nanoseconds in 63 bits


class Rate(Struct, frozen=True):
    """A number of requests in a time.

    :ivar seconds: the time.
    """

    requests: int
    seconds: float


def parse_rate(text: str, where: str) -> Rate:
    """Convert a rate such as ``100/minute``.

    :param where: for the error message.
    :raises ConfigError: if it is none.
    """
    match = _RATE.fullmatch(text)
    if match is None:
        raise ConfigError(where, f"{text!r} is no rate", _REMEDY)
    if match[3] and match[3].isalpha():  # as "5/minutes": no duration was meant
        raise ConfigError(where, f"{text!r} is no rate", _REMEDY)
    seconds = _WINDOWS[match[2]] if match[2] else parse_duration(match[3], where)
    rate = Rate(int(match[1]), seconds)
    if not 0 < seconds <= _MAX_WINDOW or rate.requests / seconds > 1e6:
        raise ConfigError(where, f"{text!r} is out of range", "choose at most a million in a second, or 366d")
    return rate


class RateLimit(Struct, frozen=True):
    """A limit for the requests to a route, to the routes of a group, or to a service.

    Each key has a bucket of tokens. A request takes one token; without any it is refused with 429.

    :ivar rate: how fast the bucket fills, as ``100/minute``, ``5/second`` or ``20/10s``.
    :ivar burst: the size of the bucket; 0 for the number in ``rate``.
    :ivar per: whose requests count together. ``caller``: the user, or else the user of the process (uid), the
        name of the token or the address; ``user``, ``token``, ``uid`` or ``address``, with all callers
        without one together; ``route`` for all callers together; or a function that returns the key of a
        request, None for no limit.
    :ivar scope: routes whose limits have the same scope share their buckets; empty for a route or a group of
        its own.
    :ivar name: the name of the limit in the header fields ``RateLimit`` and ``RateLimit-Policy``.
    """

    rate: str
    burst: int = 0
    per: Per | KeyFunction = "caller"
    scope: str = ""
    name: str = "default"

    def __post_init__(self) -> None:
        where = f"RateLimit({self.rate!r})"
        rate = parse_rate(self.rate, where)
        if not 0 <= self.burst <= _MAX_BURST:
            raise ConfigError(where, f"burst is {self.burst!r}", "choose a number of requests, or 0")
        if self.burst * rate.seconds / rate.requests > _MAX_FILL:
            raise ConfigError(where, f"burst={self.burst} takes years to fill", "choose a smaller one")
        if not callable(self.per) and self.per not in get_args(Per):
            names = ", ".join(get_args(Per))
            raise ConfigError(where, f"there is no per={self.per!r}", f"choose {names} or a function")
        if not _NAME.fullmatch(self.name):
            raise ConfigError(where, f"{self.name!r} is no name", "choose letters, digits, and _ . : -")

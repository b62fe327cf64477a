"""Rate limits of Klein routes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from unixsvc.limiting.rate_limit import RateLimit

__all__ = ["limits_of", "rate_limit"]

_ATTRIBUTE: Final = "unixsvc_rate_limits"

_F = TypeVar("_F", bound=Callable[..., Any])


def rate_limit(*limits: RateLimit) -> Callable[[_F], _F]:
    """Limit the requests to a Klein route. The decorator stands below that of the route.

    The route has its buckets, unless the limit has a ``scope``. A request over the limit is 429; the function
    is not called.
    """

    def decorate(function: _F) -> _F:
        setattr(function, _ATTRIBUTE, (*limits, *limits_of(function)))
        return function

    return decorate


def limits_of(function: Callable[..., object]) -> Sequence[RateLimit]:
    """Return the limits that a function has been given."""
    found: Sequence[RateLimit] = getattr(function, _ATTRIBUTE, ())
    return found

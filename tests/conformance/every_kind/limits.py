"""Routes with rate limits, and an interceptor around all routes."""

from __future__ import annotations

from typing import Final

from unixsvc import GET, POST, Call, Group, Proceed, RateLimit, Reply

__all__ = ["INTERCEPTORS", "ROUTES"]


async def _timing(call: Call, proceed: Proceed) -> Reply:
    """Add the header Server-Timing, also to errors."""
    try:
        return await proceed(call)
    finally:
        call.add_reply_header("Server-Timing", f"app;dur={call.seconds * 1000:.3f}")


INTERCEPTORS: Final = (_timing,)


def _seldom() -> str:
    return "admitted"


def _often(id: int) -> int:
    return id


ROUTES: Final = [
    Group(
        "/limits",
        None,
        [
            GET("/seldom", _seldom, public=True, rate_limit=RateLimit("10000/second", burst=100_000)),
            POST("/often/{id:int}", _often, public=True, rate_limit=RateLimit("100000/second", name="often")),
        ],
        rate_limit=RateLimit("1000000/second", per="route", name="group"),
    )
]

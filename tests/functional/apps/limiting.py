"""An application with rate limits, whose workers say who they are."""

from __future__ import annotations

import os

from unixsvc import GET, App, RateLimit


def take() -> int:
    """Take a token; the pid of the worker."""
    return os.getpid()


app = App([GET("/take", take, rate_limit=RateLimit("60/day", per="route"))])

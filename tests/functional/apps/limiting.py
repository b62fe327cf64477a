"""An application with rate limits, whose workers say who they are."""

from __future__ import annotations

import os

from unixsvc import GET, App, RateLimit


def pid() -> int:
    """The pid of the worker."""
    return os.getpid()


app = App([GET("/pid", pid), GET("/take", pid, rate_limit=RateLimit("60/day", per="route"))])

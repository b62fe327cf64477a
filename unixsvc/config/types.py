"""Types of values with bounds."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

__all__ = ["Count", "NoLimit", "Port", "Seconds"]

Seconds = Annotated[float, Meta(gt=0, le=1e6)]
"""A duration; the maximum keeps it below the 31 bits of milliseconds of ``epoll_wait(2)``."""
Count = Annotated[int, Meta(ge=1, le=2**31 - 1)]
NoLimit = Annotated[int, Meta(ge=0, le=2**63 - 1)]
"""A limit; 0 is for no limit."""
Port = Annotated[int, Meta(ge=0, le=65_535)]

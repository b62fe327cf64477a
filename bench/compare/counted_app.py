"""The application under load, with routes that mark counts; served by a worker under callgrind."""

from __future__ import annotations

from bench import callgrind
from bench.app import User, groups, web
from unixsvc import GET, App, Group

__all__ = ["Counts", "app"]


class Counts:
    """Routes that mark counts; their result is that of ``/user/7``."""

    async def settle(self) -> User:
        """Prepare for counting."""
        callgrind.settle()
        return User(7, "user 7")

    async def mark(self) -> User:
        """Write the counts since the last mark."""
        callgrind.mark()
        return User(7, "user 7")


app = App(
    [*groups, Group("/counts", Counts, [GET("/settle", Counts.settle), GET("/mark", Counts.mark)])], web=web
)

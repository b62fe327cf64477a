"""The application under load: a path variable, a validated argument, small results, no storage.

``BENCH_ROUTES`` is the number of additional routes.
"""

from __future__ import annotations

import os
from typing import Annotated

import msgspec
from msgspec import Meta

from unixsvc import GET, POST, App, Group, NotFound

__all__ = ["Echoes", "Text", "User", "Users", "app", "groups"]


class User(msgspec.Struct):
    """A user."""

    id: int
    name: str


class Text(msgspec.Struct):
    """A text."""

    text: str


class Users:
    """100 users in memory."""

    def __init__(self) -> None:
        self._users = {number: User(number, f"user {number}") for number in range(1, 101)}

    async def show(self, id: int) -> User:
        """One user."""
        if id not in self._users:
            raise NotFound(f"no user {id}")
        return self._users[id]


class Echoes:
    """Echoes texts."""

    async def echo(self, text: Annotated[str, Meta(min_length=1)]) -> Text:
        """The same text."""
        return Text(text)


_ADDITIONAL = [
    GET(f"/r{number}/{{id:int}}", Users.show) for number in range(int(os.environ.get("BENCH_ROUTES", "0")))
]

groups = [
    Group("/user", Users, [GET("/{id:int}", Users.show)]),
    Group("/echo", Echoes, [POST("", Echoes.echo)]),
    Group("", Users, _ADDITIONAL),
]
app = App(groups)

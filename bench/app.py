"""The application that is measured: a path variable, an argument that is checked, small results, no store.

``BENCH_ROUTES`` says how many further routes it has.
"""

from __future__ import annotations

import os
from typing import Annotated

import msgspec
from msgspec import Meta

from unixsvc import GET, POST, App, Group, NotFound

__all__ = ["Echoes", "Text", "User", "Users", "app"]


class User(msgspec.Struct):
    """What a request asks for."""

    id: int
    name: str


class Text(msgspec.Struct):
    """What is sent back."""

    text: str


class Users:
    """Some users in memory."""

    def __init__(self) -> None:
        self._users = {number: User(number, f"user {number}") for number in range(1, 101)}

    async def show(self, id: int) -> User:
        """One user."""
        if id not in self._users:
            raise NotFound(f"no user {id}")
        return self._users[id]


class Echoes:
    """Nothing of its own."""

    async def echo(self, text: Annotated[str, Meta(min_length=1)]) -> Text:
        """The same text."""
        return Text(text)


_COUNT = int(os.environ.get("BENCH_ROUTES", "0"))
_MORE = [GET(f"/r{number}/{{id:int}}", Users.show) for number in range(_COUNT)]

app = App(
    [
        Group("/user", Users, [GET("/{id:int}", Users.show)]),
        Group("/echo", Echoes, [POST("", Echoes.echo)]),
        Group("", Users, _MORE),
    ]
)

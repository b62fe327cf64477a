"""The application that is measured: a path variable, a small result, no store."""

from __future__ import annotations

import msgspec

from unixsvc import GET, App, Group, NotFound


class User(msgspec.Struct):
    """What a request asks for."""

    id: int
    name: str


class Users:
    """Some users in memory."""

    def __init__(self) -> None:
        self._users = {number: User(number, f"user {number}") for number in range(1, 101)}

    async def show(self, id: int) -> User:
        """One user."""
        if id not in self._users:
            raise NotFound(f"no user {id}")
        return self._users[id]


app = App([Group("/user", Users, [GET("/{id:int}", Users.show)])])

"""The application under load: a path variable, a validated argument, small results, no storage.

``BENCH_ROUTES`` is the number of additional routes.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta

from unixsvc import GET, POST, App, Group, NotFound

if TYPE_CHECKING:  # a worker of a Unix socket loads neither
    from klein import Klein
    from svcs import Container
    from twisted.web.iweb import IRequest

__all__ = ["CreatedUser", "Echoes", "NewUser", "Text", "User", "Users", "app", "groups", "web"]


class User(msgspec.Struct):
    """A user."""

    id: int
    name: str


class NewUser(msgspec.Struct):
    """The body of ``POST /user``."""

    name: Annotated[str, Meta(min_length=1, max_length=80)]
    age: Annotated[int, Meta(ge=0, le=150)]


class CreatedUser(User):
    """A new user."""

    age: int


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

    async def create(self, new: NewUser) -> CreatedUser:
        """A new user, which is not stored."""
        return CreatedUser(101, new.name, new.age)


class Echoes:
    """Echoes texts."""

    async def echo(self, text: Annotated[str, Meta(min_length=1)]) -> Text:
        """The same text."""
        return Text(text)


_ADDITIONAL = [
    GET(f"/r{number}/{{id:int}}", Users.show) for number in range(int(os.environ.get("BENCH_ROUTES", "0")))
]

groups = [
    Group("/user", Users, [GET("/{id:int}", Users.show), POST("", Users.create)]),
    Group("/echo", Echoes, [POST("", Echoes.echo)]),
    Group("", Users, _ADDITIONAL),
]


def web(klein: Klein, container: Container) -> None:
    """The route of a user, once more as a Klein route."""
    users = Users()

    @klein.route("/klein/user/<int:id>", methods=["GET"])
    async def show(request: IRequest, id: int) -> Any:  # Klein's types do not know that we encode it
        return await users.show(id)


app = App(groups, web=web)

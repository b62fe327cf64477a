"""An application with users, for tests of authentication."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

import svcs
from msgspec import Struct
from twisted.internet.defer import Deferred

from unixsvc import (
    GET,
    POST,
    ApiKey,
    App,
    CurrentUser,
    Forbidden,
    Group,
    Request,
    ServiceContext,
    Unauthorized,
)

__all__ = ["Robot", "User", "Users", "app_with", "key", "make_app"]


class User(Struct, frozen=True):
    """A user; a key is the name and the scopes."""

    name: str
    scopes: frozenset[str] = frozenset()


class Robot(Struct, frozen=True):
    """A user of another kind."""

    name: str


class Users:
    """Finds users in the container; waits if the test says so."""

    def __init__(self) -> None:
        self.waiting: Deferred[None] | None = None

    async def find(self, text: str) -> User | None:
        """Return the user of a key."""
        if self.waiting is not None:
            await self.waiting
        return at_once(text)


def at_once(text: str) -> User | None:
    """Return the user of a key: ``ada:orders:write``."""
    name, _, scope = text.partition(":")
    return None if name == "nobody" else User(name, frozenset([scope] if scope else []))


async def later(text: str, users: Users, request: Request) -> User | None:
    """Return the user of a key, with values of the container."""
    return await users.find(text)


def key(text: str) -> dict[str, str]:
    """The header with a key."""
    return {"X-API-Key": text}


def whoami(user: CurrentUser[User]) -> str:
    """An action that needs a user."""
    return user.name


async def maybe(user: CurrentUser[User] | None, greeting: str = "Hello") -> str:
    """An action for users and others."""
    return f"{greeting} {user.name if user else 'stranger'}"


def anonymous() -> str:
    """An action that does not know its user."""
    return "done"


def identity(request: Request) -> str | None:
    """An action that asks who the caller is."""
    return request.identity


def robot(user: CurrentUser[Robot]) -> str:
    """An action for users of another kind."""
    return user.name


def only_ada(user: User) -> bool:
    """A guard that refuses by its result."""
    return user.name == "ada"


async def not_eve(user: User, users: Users, container: svcs.Container) -> None:
    """A guard that refuses by an error, and waits."""
    if await users.find(user.name) == User("eve"):
        raise Unauthorized("locked")


def register(registry: svcs.Registry, context: ServiceContext) -> None:
    """Fill the container."""
    registry.register_value(Users, USERS)


USERS = Users()


def app_with(*routes: Any, find_user: Any = at_once, **options: Any) -> App:
    """An application with these routes and API keys."""
    return App(routes, register, authenticate=ApiKey(find_user), **options)


def make_app(find_user: Any = at_once) -> App:
    """An application with routes of all kinds."""
    return app_with(
        GET("/me", whoami),
        GET("/maybe", maybe, public=True),
        GET("/open", anonymous, public=True),
        GET("/private", anonymous),
        GET("/identity", identity, requires=[]),
        POST("/identity", identity, requires=[]),
        POST("/orders", anonymous, requires=["orders:write"]),
        POST("/orders/whole", whoami, public=True, requires=["orders:write", only_ada]),
        Group("/guarded", None, [GET("/a", anonymous), GET("/b", anonymous, requires=[not_eve])], [only_ada]),
        GET("/locked", anonymous, requires=[not_eve]),
        find_user=find_user,
    )


def refuse(user: Any) -> Awaitable[None] | None:
    """A guard that always refuses."""
    raise Forbidden("never")

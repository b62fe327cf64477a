"""Routes with users: schemes, permissions, and users who are optional."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from unixsvc import GET, POST, ApiKey, Basic, CurrentUser, Group, Password

__all__ = ["ROUTES", "SCHEMES"]


class Account(Struct):
    """A user."""

    name: str
    scopes: list[str] = []


def _by_key(key: str) -> Account | None:
    accounts = {"key-of-ada": Account("ada", ["items:write"]), "key-of-bob": Account("bob")}
    return accounts.get(key)


def _by_password(sent: Password) -> Account | None:
    return Account(sent.username) if sent.password == "secret" else None


SCHEMES: Final = (ApiKey(_by_key), Basic(_by_password, max_failures=0))


def _me(user: CurrentUser[Account]) -> Account:
    return user


def _maybe(user: CurrentUser[Account] | None) -> str:
    return "anonymous" if user is None else user.name


async def _write(item: str, user: CurrentUser[Account]) -> str:
    return f"{item} of {user.name}"


def _private() -> bool:
    return True


ROUTES: Final = (
    Group(
        "/users",
        None,
        [
            GET("/me", _me),
            GET("/maybe", _maybe, public=True),
            POST("/items", _write, requires=["items:write"]),
            GET("/private", _private),
        ],
    ),
)

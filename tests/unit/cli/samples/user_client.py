"""Typed calls of the service ``user``: Users 1.0.

Made by unixsvc stub from the service's contract. Don't change it: make it again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from typing import Annotated, Any, Protocol
from urllib.parse import quote

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

__all__ = ["Caller", "NewUser", "User", "UserChange", "UserClient"]


class User(Struct, kw_only=True):
    """Somebody we know."""

    id: int
    name: str


class NewUser(Struct, kw_only=True, forbid_unknown_fields=True):
    """Somebody we are told about."""

    name: Annotated[str, Meta(min_length=1, max_length=80)]


class UserChange(Struct, kw_only=True, forbid_unknown_fields=True):
    """What is to be different about a user."""

    name: Annotated[str, Meta(min_length=1, max_length=80)]


class Caller(Protocol):
    """What carries the calls: a client of unixsvc, or whatever else has these methods."""

    def call(
        self,
        method: str,
        path: str,
        data: Any = None,
        *,
        timeout: float | None = None,
        type: Any = Any,
    ) -> Awaitable[Any]:
        """Ask for a result, which is decoded into the type."""

    def stream(
        self,
        method: str,
        path: str,
        data: Any = None,
        *,
        timeout: float | None = None,
        type: Any = Any,
    ) -> AsyncIterator[Any]:
        """Ask for a stream, each of whose items is decoded into the type."""


class UserClient:
    """Calls the service ``user``.

    Every method takes ``timeout``, in seconds. What it leaves out, the service decides.

    :param client: carries the calls.
    """

    def __init__(self, client: Caller) -> None:
        self._client = client

    async def get_user(
        self,
        *,
        limit: Annotated[int, Meta(ge=1, le=100)] | UnsetType = UNSET,
        offset: Annotated[int, Meta(ge=0, le=9223372036854775807)] | UnsetType = UNSET,
        timeout: float | None = None,
    ) -> list[User]:
        """Some users, by id.

        ``GET /user``.

        List some users.

        :param limit: 20 if it is left out.
        :param offset: 0 if it is left out.
        """
        data: dict[str, Any] = {"limit": limit, "offset": offset}
        result: list[User] = await self._client.call(
            "GET",
            "/user",
            _given(data),
            timeout=timeout,
            type=list[User],
        )
        return result

    async def post_user(self, data: NewUser, *, timeout: float | None = None) -> User:
        """Adds a user.

        ``POST /user``.

        Add a user.
        """
        result: User = await self._client.call(
            "POST",
            "/user",
            data,
            timeout=timeout,
            type=User,
        )
        return result

    async def get_user_by_id(self, id: int, *, timeout: float | None = None) -> User:
        """One user.

        ``GET /user/{id:int}``.

        Show one user.
        """
        result: User = await self._client.call(
            "GET",
            f"/user/{_quoted(id)}",
            timeout=timeout,
            type=User,
        )
        return result

    async def put_user_by_id(
        self,
        id: int,
        data: UserChange,
        *,
        timeout: float | None = None,
    ) -> User:
        """Changes a user.

        ``PUT /user/{id:int}``.

        Change a user.
        """
        result: User = await self._client.call(
            "PUT",
            f"/user/{_quoted(id)}",
            data,
            timeout=timeout,
            type=User,
        )
        return result

    async def patch_user_by_id(
        self,
        id: int,
        data: UserChange,
        *,
        timeout: float | None = None,
    ) -> User:
        """Changes a user.

        ``PATCH /user/{id:int}``.

        Change a user.
        """
        result: User = await self._client.call(
            "PATCH",
            f"/user/{_quoted(id)}",
            data,
            timeout=timeout,
            type=User,
        )
        return result

    async def delete_user_by_id(self, id: int, *, timeout: float | None = None) -> None:
        """Removes a user.

        ``DELETE /user/{id:int}``.

        Remove a user.
        """
        await self._client.call(
            "DELETE",
            f"/user/{_quoted(id)}",
            timeout=timeout,
            type=None,
        )


def _given(data: dict[str, Any]) -> dict[str, Any]:
    """Leave out what was left out: the service knows best what holds instead."""
    return {name: value for name, value in data.items() if value is not UNSET}


def _quoted(value: object, safe: str = "") -> str:
    """Write a value so that it can stand in a path."""
    plain = msgspec.to_builtins(value)
    text = plain if isinstance(plain, str) else msgspec.json.encode(plain).decode()
    return quote(text, safe=safe)

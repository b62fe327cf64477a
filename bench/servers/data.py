"""The data that all peers serve."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

__all__ = ["NewUser", "create", "show"]

_USERS = {number: {"id": number, "name": f"user {number}"} for number in range(1, 101)}


class NewUser(Struct, frozen=True):
    """The body of ``POST /user``, which is checked."""

    name: Annotated[str, Meta(min_length=1, max_length=80)]
    age: Annotated[int, Meta(ge=0, le=150)]


def show(number: int) -> dict[str, Any]:
    """One user.

    :raises KeyError: if there is none.
    """
    return {**_USERS[number]}


def create(name: str, age: int) -> dict[str, Any]:
    """A new user, which is not stored."""
    return {"id": 101, "name": name, "age": age}

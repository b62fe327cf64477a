"""What a user is, and what a store of users does."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct
from zope.interface import Interface

from unixsvc import NotFound

__all__ = ["IUsers", "Name", "NewUser", "NoSuchUser", "User", "UserChange"]

Name = Annotated[str, Meta(min_length=1, max_length=80)]


class User(Struct, frozen=True):
    """Somebody we know.

    :ivar id: given by the store, and never given again.
    """

    id: int
    name: str


class NewUser(Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody we are told about."""

    name: Name


class UserChange(Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be different about a user."""

    name: Name


class NoSuchUser(NotFound):
    """Nobody has this id.

    :param id: what was asked for.
    """

    def __init__(self, id: int) -> None:
        super().__init__(f"no user {id}")


class IUsers(Interface):
    """A store of users. Its methods may block, and may be called from several threads at once."""

    def page(limit: int, offset: int) -> list[User]:
        """Some of the users, by rising id.

        :param limit: at most so many.
        :param offset: after so many that are left out.
        """

    def get(id: int) -> User:
        """One user.

        :raises NoSuchUser: if nobody has this id.
        """

    def add(new: NewUser) -> User:
        """Keep a new user."""

    def change(id: int, change: UserChange) -> User:
        """Make a user different.

        :raises NoSuchUser: if nobody has this id.
        """

    def remove(id: int) -> None:
        """Forget a user.

        :raises NoSuchUser: if nobody has this id.
        """

"""The domain of the service ``user``: users, and the interface of their stores."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct
from zope.interface import Interface

from unixsvc import NotFound

__all__ = ["IUsers", "Name", "NewUser", "NoSuchUser", "User", "UserChange"]

Name = Annotated[str, Meta(min_length=1, max_length=80)]


class User(Struct, frozen=True):
    """A user.

    :ivar id: assigned by the store and never reused.
    """

    id: int
    name: str


class NewUser(Struct, frozen=True, forbid_unknown_fields=True):
    """The data of a user to add."""

    name: Name


class UserChange(Struct, frozen=True, forbid_unknown_fields=True):
    """The fields of a user to change."""

    name: Name


class NoSuchUser(NotFound):
    """There is no user with this id.

    :param id: the requested id.
    """

    def __init__(self, id: int) -> None:
        super().__init__(f"no user {id}")


class IUsers(Interface):
    """A store of users. Its methods may block, and may be called from several threads at once."""

    def page(limit: int, offset: int) -> list[User]:
        """Return users, sorted by id.

        :param limit: the maximum number of users.
        :param offset: the number of users to skip.
        """

    def get(id: int) -> User:
        """Return a user.

        :raises NoSuchUser: if there is no user with this id.
        """

    def add(new: NewUser) -> User:
        """Add a user."""

    def change(id: int, change: UserChange) -> User:
        """Change a user.

        :raises NoSuchUser: if there is no user with this id.
        """

    def remove(id: int) -> None:
        """Remove a user.

        :raises NoSuchUser: if there is no user with this id.
        """

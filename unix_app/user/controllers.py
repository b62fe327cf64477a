"""The actions of the service ``user``."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from unix_app.user.users import IUsers, NewUser, User, UserChange
from unixsvc import Created

__all__ = ["Users"]

Limit = Annotated[int, Meta(ge=1, le=100)]
Offset = Annotated[int, Meta(ge=0, le=2**63 - 1)]  # the range of SQLite's integers


class Users:
    """The actions on users. They block, as the methods of the store do.

    :param users: the store.
    """

    def __init__(self, users: IUsers) -> None:
        self._users = users

    def index(self, limit: Limit = 20, offset: Offset = 0) -> list[User]:
        """Return a page of users, sorted by id."""
        return self._users.page(limit, offset)

    def show(self, id: int) -> User:
        """Return a user."""
        return self._users.get(id)

    def create(self, new: NewUser) -> Created[User]:
        """Add a user."""
        user = self._users.add(new)
        return Created(user, f"/user/{user.id}")

    def update(self, id: int, change: UserChange) -> User:
        """Change a user."""
        return self._users.change(id, change)

    def delete(self, id: int) -> None:
        """Remove a user."""
        self._users.remove(id)

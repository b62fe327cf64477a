"""A store of users that forgets them all, for tests."""

from __future__ import annotations

from threading import Lock

from zope.interface import implementer

from unix_app.user.users import IUsers, NewUser, NoSuchUser, User, UserChange

__all__ = ["MemoryUsers"]


@implementer(IUsers)
class MemoryUsers:
    """Users in a dict; begins with the same user as a new database."""

    def __init__(self) -> None:
        self._users = {1: User(1, "Zeki")}
        self._last = 1
        self._lock = Lock()

    def page(self, limit: int, offset: int) -> list[User]:
        """Some of the users, by rising id."""
        with self._lock:
            return list(self._users.values())[offset : offset + limit]

    def get(self, id: int) -> User:
        """One user."""
        with self._lock:
            return self._find(id)

    def add(self, new: NewUser) -> User:
        """Keep a new user."""
        with self._lock:
            self._last += 1
            self._users[self._last] = User(self._last, new.name)
            return self._users[self._last]

    def change(self, id: int, change: UserChange) -> User:
        """Make a user different."""
        with self._lock:
            self._users[self._find(id).id] = User(id, change.name)
            return self._users[id]

    def remove(self, id: int) -> None:
        """Forget a user."""
        with self._lock:
            del self._users[self._find(id).id]

    def _find(self, id: int) -> User:
        if id not in self._users:
            raise NoSuchUser(id)
        return self._users[id]

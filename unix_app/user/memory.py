"""A store of users in memory, for tests."""

from __future__ import annotations

from threading import Lock

from zope.interface import implementer

from unix_app.user.users import IUsers, NewUser, NoSuchUser, User, UserChange

__all__ = ["MemoryUsers"]


@implementer(IUsers)
class MemoryUsers:
    """A store with the same first user as a new database."""

    def __init__(self) -> None:
        self._users = {1: User(1, "Zeki")}
        self._last = 1
        self._lock = Lock()

    def page(self, limit: int, offset: int) -> list[User]:
        """Return users, sorted by id."""
        with self._lock:
            return list(self._users.values())[offset : offset + limit]

    def get(self, id: int) -> User:
        """Return a user."""
        with self._lock:
            return self._find(id)

    def add(self, new: NewUser) -> User:
        """Add a user."""
        with self._lock:
            self._last += 1
            self._users[self._last] = User(self._last, new.name)
            return self._users[self._last]

    def change(self, id: int, change: UserChange) -> User:
        """Change a user."""
        with self._lock:
            self._users[self._find(id).id] = User(id, change.name)
            return self._users[id]

    def remove(self, id: int) -> None:
        """Remove a user."""
        with self._lock:
            del self._users[self._find(id).id]

    def _find(self, id: int) -> User:
        if id not in self._users:
            raise NoSuchUser(id)
        return self._users[id]

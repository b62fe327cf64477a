"""The store of users that forgets them."""

from __future__ import annotations

from tests.unit.unix_app import stores
from unix_app.user.memory import MemoryUsers


class MemoryUsersTests(stores.StoreContract):
    def make(self) -> MemoryUsers:
        """A store as it is at first."""
        return MemoryUsers()

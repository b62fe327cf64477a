"""The store of users in memory."""

from __future__ import annotations

from tests.unit.unix_app import stores
from unix_app.user.memory import MemoryUsers


class MemoryUsersTests(stores.StoreContract):
    def make(self) -> MemoryUsers:
        """Create a store."""
        return MemoryUsers()

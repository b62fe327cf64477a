"""The store of users in an SQLite file. The files are real, because the locks of SQLite are tested."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.unix_app import stores
from unix_app.user.sqlite import SQLiteUsers
from unix_app.user.users import NewUser, User


class SQLiteUsersTests(stores.StoreContract):
    def make(self) -> SQLiteUsers:
        """Create a store."""
        users = SQLiteUsers(self.mktemp())
        self.addCleanup(users.close)
        return users


class FileTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Choose a file."""
        self.path = self.mktemp()

    def open(self, busy_timeout: float = 5.0) -> SQLiteUsers:
        """A store on the file, as another process has one."""
        users = SQLiteUsers(self.path, busy_timeout)
        self.addCleanup(users.close)
        return users

    def test_made_when_used(self) -> None:
        """Creating a store does not create the file."""
        users = self.open()
        self.assertRaises(sqlite3.OperationalError, sqlite3.connect, f"file:{self.path}?mode=rw", uri=True)
        users.page(1, 0)
        sqlite3.connect(f"file:{self.path}?mode=rw", uri=True).close()

    def test_kept(self) -> None:
        """Users are in the file after a restart."""
        users = self.open()
        users.add(NewUser("Ada"))
        users.close()
        self.assertEqual(self.open().page(20, 0), [User(1, "Zeki"), User(2, "Ada")])

    def test_seeded_once(self) -> None:
        """The first user is not restored after its removal."""
        users = self.open()
        users.remove(1)
        users.close()
        self.assertEqual(self.open().page(20, 0), [])

    def test_visible_at_once(self) -> None:
        """Changes of one process are visible to others."""
        one, other = self.open(), self.open()
        other.page(1, 0)
        self.assertEqual(other.get(one.add(NewUser("Ada")).id).name, "Ada")

    def test_readers_go_on(self) -> None:
        """Readers do not wait for a writer."""
        users = self.open(busy_timeout=0)
        users.page(1, 0)
        writer = sqlite3.connect(self.path, isolation_level=None)
        self.addCleanup(writer.close)
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("UPDATE users SET name = 'unfinished'")
        self.assertEqual(users.get(1), User(1, "Zeki"))

    def test_from_several_threads(self) -> None:
        """Several threads can use one store; each user has a unique id."""
        users = self.open()
        with ThreadPoolExecutor(8) as threads:
            added = list(threads.map(lambda n: users.add(NewUser(f"user {n}")), range(200)))
        self.assertEqual(sorted(user.id for user in added), list(range(2, 202)))
        self.assertEqual(users.page(300, 1), sorted(added, key=lambda user: user.id))

    def test_used_after_close(self) -> None:
        """A closed store opens its file again."""
        users = self.open()
        users.page(1, 0)
        users.close()
        self.assertEqual(users.page(20, 0), [User(1, "Zeki")])

    def test_newer_schema(self) -> None:
        """A file with a newer schema is not migrated."""
        users = self.open()
        users.page(1, 0)
        connection = sqlite3.connect(self.path)
        self.addCleanup(connection.close)
        connection.execute("PRAGMA user_version = 7")
        self.assertEqual(self.open().page(20, 0), [User(1, "Zeki")])
        self.assertEqual(connection.execute("PRAGMA user_version").fetchone(), (7,))

"""A store of users in an SQLite file, which several processes may use at the same time."""

from __future__ import annotations

import sqlite3
import threading
import time
from typing import Final

from zope.interface import implementer

from unix_app.user.users import IUsers, NewUser, NoSuchUser, User, UserChange

__all__ = ["SQLiteUsers"]

# To change the schema, append a migration: user_version is the number of migrations that a file has had.
# AUTOINCREMENT prevents the reuse of the ids of removed users.
_MIGRATIONS: Final = (
    (
        "CREATE TABLE users (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL)",
        "INSERT INTO users (id, name) VALUES (1, 'Zeki')",
    ),
)


@implementer(IUsers)
class SQLiteUsers:
    """A store in a file, which is created on first use. Each thread has its own connection.

    :param path: the path of the file.
    :param busy_timeout: the time to wait while another process writes, in seconds.
    """

    def __init__(self, path: str, busy_timeout: float = 5.0) -> None:
        self._path = path
        self._busy_timeout = busy_timeout
        self._local = threading.local()
        self._lock = threading.Lock()
        self._connections: list[sqlite3.Connection] = []

    def page(self, limit: int, offset: int) -> list[User]:
        """Return users, sorted by id."""
        query = "SELECT id, name FROM users ORDER BY id LIMIT ? OFFSET ?"
        return [User(*row) for row in self._run(query, limit, offset)]

    def get(self, id: int) -> User:
        """Return a user."""
        row = self._run("SELECT id, name FROM users WHERE id = ?", id).fetchone()
        if row is None:
            raise NoSuchUser(id)
        return User(*row)

    def add(self, new: NewUser) -> User:
        """Add a user."""
        cursor = self._run("INSERT INTO users (name) VALUES (?)", new.name)
        return User(cursor.lastrowid, new.name)  # type: ignore[arg-type]  # not None after an INSERT

    def change(self, id: int, change: UserChange) -> User:
        """Change a user."""
        if not self._run("UPDATE users SET name = ? WHERE id = ?", change.name, id).rowcount:
            raise NoSuchUser(id)
        return User(id, change.name)

    def remove(self, id: int) -> None:
        """Remove a user."""
        if not self._run("DELETE FROM users WHERE id = ?", id).rowcount:
            raise NoSuchUser(id)

    def close(self) -> None:
        """Close the connections of all threads; no thread may be using one."""
        with self._lock:
            for connection in self._connections:
                connection.close()
            self._connections.clear()
            self._local = threading.local()

    def _run(self, query: str, *values: object) -> sqlite3.Cursor:
        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._connect()
        return connection.execute(query, values)

    def _connect(self) -> sqlite3.Connection:
        # Without an isolation level, each statement outside BEGIN is a transaction of its own.
        connection = sqlite3.connect(
            self._path, timeout=self._busy_timeout, isolation_level=None, check_same_thread=False
        )
        try:
            _switch_to_wal(connection, time.monotonic() + self._busy_timeout)
            _migrate(connection)
        except BaseException:
            connection.close()
            raise
        with self._lock:
            self._connections.append(connection)
        return connection


def _switch_to_wal(connection: sqlite3.Connection, deadline: float) -> None:
    """Switch to the write-ahead log, with which readers do not wait for writers.

    SQLite's busy timeout does not apply to this switch, as waiting could deadlock: processes that create the
    file at the same time get "database is locked" immediately.
    """
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
        time.sleep(0.01)


def _migrate(connection: sqlite3.Connection) -> None:
    """Apply missing migrations in one transaction, so that only one of several processes does."""
    if _version(connection) >= len(_MIGRATIONS):
        return
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        for statements in _MIGRATIONS[_version(connection) :]:
            for statement in statements:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {max(_version(connection), len(_MIGRATIONS))}")


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])

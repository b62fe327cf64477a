"""A store of users in an SQLite file that several processes use at once."""

from __future__ import annotations

import sqlite3
import threading
import time
from typing import Final

from zope.interface import implementer

from unix_app.user.users import IUsers, NewUser, NoSuchUser, User, UserChange

__all__ = ["SQLiteUsers"]

# Each is applied once in the life of a file, which counts them in its user_version: to change the schema,
# append one. AUTOINCREMENT keeps the id of a removed user from being given again.
_MIGRATIONS: Final = (
    (
        "CREATE TABLE users (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL)",
        "INSERT INTO users (id, name) VALUES (1, 'Zeki')",
    ),
)


@implementer(IUsers)
class SQLiteUsers:
    """Users in a file, made when it is first used. Each thread has a connection of its own.

    :param path: of the file.
    :param busy_timeout: how long to wait for another process that writes, in seconds.
    """

    def __init__(self, path: str, busy_timeout: float = 5.0) -> None:
        self._path = path
        self._busy_timeout = busy_timeout
        self._own = threading.local()
        self._lock = threading.Lock()
        self._open: list[sqlite3.Connection] = []

    def page(self, limit: int, offset: int) -> list[User]:
        """Some of the users, by rising id."""
        query = "SELECT id, name FROM users ORDER BY id LIMIT ? OFFSET ?"
        return [User(*row) for row in self._run(query, limit, offset)]

    def get(self, id: int) -> User:
        """One user."""
        row = self._run("SELECT id, name FROM users WHERE id = ?", id).fetchone()
        if row is None:
            raise NoSuchUser(id)
        return User(*row)

    def add(self, new: NewUser) -> User:
        """Keep a new user."""
        done = self._run("INSERT INTO users (name) VALUES (?)", new.name)
        return User(done.lastrowid, new.name)  # type: ignore[arg-type]  # there is one after an INSERT

    def change(self, id: int, change: UserChange) -> User:
        """Make a user different."""
        if not self._run("UPDATE users SET name = ? WHERE id = ?", change.name, id).rowcount:
            raise NoSuchUser(id)
        return User(id, change.name)

    def remove(self, id: int) -> None:
        """Forget a user."""
        if not self._run("DELETE FROM users WHERE id = ?", id).rowcount:
            raise NoSuchUser(id)

    def close(self) -> None:
        """Close the connections of all threads; none may be at work."""
        with self._lock:
            for connection in self._open:
                connection.close()
            self._open.clear()
            self._own = threading.local()

    def _run(self, query: str, *values: object) -> sqlite3.Cursor:
        connection = getattr(self._own, "connection", None)
        if connection is None:
            connection = self._own.connection = self._connect()
        return connection.execute(query, values)

    def _connect(self) -> sqlite3.Connection:
        # Without an isolation level, a statement that no BEGIN precedes is a transaction of its own.
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
            self._open.append(connection)
        return connection


def _switch_to_wal(connection: sqlite3.Connection, deadline: float) -> None:
    """Let readers go on while somebody writes.

    SQLite's own waiting leaves out this one switch, where it could lead to a deadlock: processes that make
    a file together get "database is locked" at once.
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
    """Bring the schema up to date, in one transaction: of several processes, one does it."""
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

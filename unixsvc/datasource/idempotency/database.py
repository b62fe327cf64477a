"""The SQLite file of idempotency keys, shared by the workers of a service."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import stat
import time
from typing import Final, TypeAlias

from unixsvc.datasource.idempotency.directory import make_directory
from unixsvc.lock_file import open_lock_file

__all__ = ["LockHeld", "Values", "database_path", "execute", "inode_of", "open_database"]

Values: TypeAlias = tuple[bytes | str | int | float | None, ...]

# SQLite's own retries start at 1 ms and slow down: with four busy workers, one waited for half a second.
_RETRY_INTERVAL: Final = 0.000_05
_VERSION: Final = 4

# synchronous=OFF: the kernel has the data that a process wrote, even if the process is killed. NORMAL would
# wait for the disk now and then, and helps only after a loss of power.
_SETTINGS: Final = "PRAGMA synchronous = OFF"
# The index has all columns that pruning reads.
_SCHEMA: Final = f"""
PRAGMA journal_mode = WAL;
CREATE TABLE IF NOT EXISTS answers (
    key BLOB PRIMARY KEY, fingerprint BLOB NOT NULL, owner TEXT NOT NULL, begun REAL NOT NULL,
    answered REAL, size INTEGER, code INTEGER, body BLOB, message TEXT, detail BLOB,
    location TEXT, head BLOB
);
CREATE INDEX IF NOT EXISTS by_answered ON answers (answered, size);
PRAGMA user_version = {_VERSION};
"""


class LockHeld(Exception):
    """Another process holds the lock of the file. The call has changed nothing and can be repeated."""


def database_path(directory: str) -> str:
    """Return the path of the file in the directory of a service."""
    return os.path.join(directory, "answers.sqlite3")


def open_database(directory: str) -> sqlite3.Connection:
    """Open the file in a directory, and create both if they do not exist.

    :param directory: empty for a database in memory.
    :raises LockHeld: if another process opens it.
    :raises unixsvc.errors.ConfigError: if the directory or a file cannot be created, or is not only ours.
    :raises OSError: as well.
    :raises sqlite3.Error: if the file is not a database of this version.
    """
    if not directory:
        return _set_up(sqlite3.connect(":memory:", isolation_level=None))
    make_directory(directory, os.geteuid())
    lock_path = os.path.join(directory, "lock")
    lock = open_lock_file(lock_path)
    try:
        # One process at a time: SQLite does not wait if two processes switch a file to WAL.
        _acquire(lock, lock_path)
        path = database_path(directory)
        _create(path)
        return _set_up(sqlite3.connect(path, timeout=0.0, isolation_level=None))
    finally:
        os.close(lock)


def execute(
    database: sqlite3.Connection, statement: str, values: Values, patience: float = 0.0
) -> sqlite3.Cursor:
    """Execute a statement.

    :param patience: the time for which it is tried again while another process holds the lock, in seconds.
    :raises LockHeld: if another process holds it still.
    :raises sqlite3.Error: if the statement fails.
    """
    deadline = time.monotonic() + patience
    while True:
        try:
            return database.execute(statement, values)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:  # the other bits are the reason
                raise
            if time.monotonic() >= deadline:
                raise LockHeld from error
        time.sleep(_RETRY_INTERVAL)


def inode_of(path: str) -> int:
    """Return the inode of a file; 0 if it does not exist."""
    try:
        return os.stat(path).st_ino
    except FileNotFoundError:
        return 0


def _create(path: str) -> None:
    """Create the file with the mode 0600, or check that an existing file has it.

    An existing file is not opened: closing it would release the locks that SQLite has on it in this process.
    """
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    state = os.lstat(path)
    if not stat.S_ISREG(state.st_mode) or state.st_uid != os.geteuid() or state.st_mode & 0o077:
        raise PermissionError("it is not a regular file of this user with the mode 0600")


def _acquire(lock: int, path: str) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise LockHeld from error
    if os.fstat(lock).st_ino != inode_of(path):
        raise LockHeld  # it was removed meanwhile, and another process may have the new one


def _set_up(database: sqlite3.Connection) -> sqlite3.Connection:
    try:
        (version,) = execute(database, "PRAGMA user_version", ()).fetchone()
        if version == 0:
            database.executescript(_SCHEMA)
        elif version != _VERSION:
            raise sqlite3.DatabaseError(f"it was written by another version of unixsvc (format {version})")
        execute(database, _SETTINGS, ())
    except (sqlite3.Error, LockHeld):
        database.close()
        raise
    return database

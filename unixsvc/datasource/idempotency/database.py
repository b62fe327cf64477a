"""The SQLite file of idempotency keys, shared by the workers of a service."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import stat
import time
from typing import Final, TypeAlias

__all__ = ["LOCK_TIMEOUT", "Values", "execute", "inode_of", "open_database"]

Values: TypeAlias = tuple[bytes | str | int | float | None, ...]

# Other workers hold the lock of the file for microseconds, and the kernel releases the locks of killed
# processes. This is the time that the reactor may block if a worker was stopped while it wrote, in seconds.
LOCK_TIMEOUT: Final = 1.0
# SQLite's own retries start at 1 ms and slow down: with four busy workers, one waited for half a second.
_RETRY_INTERVAL: Final = 0.000_05
_VERSION: Final = 2

# synchronous=OFF: the kernel has the data that a process wrote, even if the process is killed. NORMAL would
# wait for the disk now and then, and helps only after a loss of power.
_SETUP: Final = f"""
PRAGMA journal_mode = WAL;
PRAGMA synchronous = OFF;
CREATE TABLE IF NOT EXISTS answers (
    key BLOB PRIMARY KEY, fingerprint BLOB NOT NULL, owner TEXT NOT NULL, begun REAL NOT NULL,
    answered REAL, code INTEGER, body BLOB, message TEXT, detail BLOB,
    location TEXT
);
CREATE INDEX IF NOT EXISTS by_answered ON answers (answered);
PRAGMA user_version = {_VERSION};
PRAGMA busy_timeout = 0;
"""


def open_database(path: str) -> sqlite3.Connection:
    """Open the file and create it if it does not exist.

    :param path: empty for a database in memory.
    :raises OSError: if the file cannot be created, or if other users may access it.
    :raises sqlite3.Error: if the file is not a database of this version.
    """
    if not path:
        return _set_up(sqlite3.connect(":memory:", isolation_level=None))
    folder = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # One process at a time: SQLite does not wait if two processes switch a file to WAL.
        fcntl.flock(folder, fcntl.LOCK_EX)
        _create(path)
        return _set_up(sqlite3.connect(path, timeout=LOCK_TIMEOUT, isolation_level=None))
    finally:
        os.close(folder)


def execute(database: sqlite3.Connection, statement: str, values: Values) -> sqlite3.Cursor:
    """Execute a statement, with retries while another process holds the lock.

    :raises sqlite3.Error: if the statement fails, or after :data:`LOCK_TIMEOUT`.
    """
    deadline = time.monotonic() + LOCK_TIMEOUT
    while True:
        try:
            return database.execute(statement, values)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
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


def _set_up(database: sqlite3.Connection) -> sqlite3.Connection:
    try:
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if version not in (0, _VERSION):
            raise sqlite3.DatabaseError(f"it was written by another version of unixsvc (format {version})")
        database.executescript(_SETUP)
    except sqlite3.Error:
        database.close()
        raise
    return database

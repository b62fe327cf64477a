"""Remembers what was answered to an idempotency key, so that no action is run twice for one.

A request whose ``meta`` has ``idempotency_key``, with a method that may change something, is noted in a file
that all workers of the service share, before its action begins. Asked again with the same key, they give
what was answered then; wait, while the action still runs, in whichever worker; and say 409 where the worker
that began it has died, as nobody knows then how far it came. The guide for users is
``docs/how-to/idempotency-keys.rst``.

A key is kept with the process that began it: its pid, when it was started (field 22 of proc(5)'s ``stat``)
and the machine's boot, which together are never given twice. A lock (flock) of each worker would be inherited
by whatever an application forks, which would keep a dead worker alive, and needs files that somebody must
remove.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import sqlite3
import stat
import time
from collections.abc import Callable
from typing import Any, Final

import msgspec
from twisted.logger import Logger
from zope.interface import implementer

from unixsvc.domain.handle_message import error_to_reply
from unixsvc.domain.interfaces import IIdempotencyStore
from unixsvc.domain.message import Reply
from unixsvc.errors import ConfigError, Conflict, Unavailable

__all__ = ["UNKNOWN", "IdempotencyStore", "is_alive", "owner_of", "store_path"]

UNKNOWN: Final = error_to_reply(
    Conflict("the action was begun for this idempotency_key, and its outcome is not known: not run again")
)
# Others hold the file's lock for microseconds, and the kernel takes it from those that are killed. This is
# how long the reactor stands still where one of them was stopped while it wrote; in seconds.
_PATIENCE: Final = 1.0
# SQLite itself tries again after 1 ms, then ever more: with four busy workers, one waited for half a second.
_NEXT_TRY: Final = 0.000_05
_PRUNE_EVERY: Final = 64  # answers: that makes it cost next to nothing
_VERSION: Final = 2
_WRONG: Final = (OSError, sqlite3.Error)

# synchronous=OFF: what a process has written is the kernel's, and outlives the process however it ends.
# NORMAL would wait for the disk now and then, and helps only where a machine loses its power.
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
_BEGIN: Final = """
INSERT INTO answers (key, fingerprint, owner, begun) VALUES (?, ?, ?, ?)
ON CONFLICT (key) DO UPDATE SET fingerprint = excluded.fingerprint, owner = excluded.owner,
    begun = excluded.begun, answered = NULL, code = NULL, body = NULL, message = NULL, detail = NULL,
    location = NULL
WHERE answers.answered < ?
"""
_FIND: Final = """
SELECT fingerprint, owner, answered, code, body, message, detail, location FROM answers WHERE key = ?
"""
# An insert, as somebody may have removed the file meanwhile.
_FINISH: Final = """
INSERT INTO answers (key, fingerprint, owner, begun, answered, code, body, message, detail, location)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (key) DO UPDATE SET answered = excluded.answered, code = excluded.code, body = excluded.body,
    message = excluded.message, detail = excluded.detail, location = excluded.location
WHERE answers.owner = excluded.owner AND answers.answered IS NULL
"""
_OLD: Final = "DELETE FROM answers WHERE answered < ?"
_TOO_MANY: Final = """
DELETE FROM answers WHERE rowid IN (SELECT rowid FROM answers WHERE answered IS NOT NULL
    ORDER BY answered DESC, rowid DESC LIMIT -1 OFFSET ?)
"""
_COUNT: Final = "SELECT count(*), count(answered) FROM answers"
_LONG_BEGUN: Final = "SELECT key, owner FROM answers WHERE answered IS NULL AND begun < ?"
_DROP: Final = "DELETE FROM answers WHERE key = ? AND owner = ? AND answered IS NULL"


def store_path(socket_dir: str, service: str) -> str:
    """Where the answers of a service are; empty if there is no directory."""
    return os.path.join(socket_dir, f".answers_{service}.sqlite3") if socket_dir else ""


def owner_of(pid: int) -> str:
    """What no other process is called, now or later; it ends with an empty start time if there is none."""
    return f"{_boot()}:{pid}:{_started(pid)}"


def is_alive(owner: str) -> bool:
    """Whether the process that :func:`owner_of` has named so is still there."""
    _, pid, started = owner.rsplit(":", 2)
    return bool(started) and owner == owner_of(int(pid))


@functools.cache
def _boot() -> str:
    with open("/proc/sys/kernel/random/boot_id") as file:
        return file.read().strip()


def _started(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # The second field is the program's name in brackets, and may hold anything.
            fields = file.read().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    # A killed process stays, as a zombie, until its parent has heard of it.
    return "" if fields[0] in (b"Z", b"X") else fields[19].decode()


@implementer(IIdempotencyStore)
class IdempotencyStore:
    """What one service has begun and answered, over all its workers: a file of SQLite.

    The file is made when the first key comes. Every call is short (tens of microseconds), and is made on
    the reactor's thread.

    :param path: of the file; empty to keep all in memory, for this process alone.
    :param ttl: for how long an answer is kept, in seconds.
    :param most: how many answers are kept; each worker looks after it at every 64th answer, so there may be
        that many more.
    :param owner: what this process is called; found out if empty.
    :param alive: whether a process that is called so is there.
    :param now: the time, in seconds since 1970: other processes, before and after, count from there too.
    """

    def __init__(
        self,
        path: str,
        *,
        ttl: float,
        most: int,
        owner: str = "",
        alive: Callable[[str], bool] = is_alive,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._path = path
        self._ttl = ttl
        self._most = most
        self._owner = owner
        self._alive = alive
        self._now = now
        self._running: dict[bytes, bytes] = {}
        self._base: sqlite3.Connection | None = None
        self._inode = 0
        self._answered = 0
        self._prune_every = max(1, min(_PRUNE_EVERY, most // 16))
        self._log = Logger()

    def check(self) -> None:
        """See that a file that is there can be used; none is made.

        :raises ConfigError: if it cannot.
        """
        if not self._path or not os.path.lexists(self._path):  # also one that we may not look at
            return
        try:
            _execute(self._opened(), _COUNT, ()).fetchone()
        except _WRONG as error:
            raise ConfigError(self._path, f"cannot be used: {error}", "remove it") from None
        finally:
            self.close()

    def begin(self, key: bytes, fingerprint: bytes) -> tuple[bytes, Reply | None] | None:
        """Note that an action begins, unless one has begun for this key."""
        try:
            base = self._opened()
            while True:
                now = self._now()
                mine = key, fingerprint, self._owner, now, now - self._ttl
                if _execute(base, _BEGIN, mine).rowcount:
                    self._running[key] = fingerprint
                    return None
                row = _execute(base, _FIND, (key,)).fetchone()
                if row is not None:  # else dropped by another worker in between
                    return self._found(base, key, row)
        except _WRONG as error:
            raise self._failed() from error

    def finish(self, key: bytes, reply: Reply) -> None:
        """Keep the answer to what has begun here."""
        fingerprint = self._running.pop(key)
        try:
            base, now = self._opened(), self._now()
            _execute(base, _FINISH, (key, fingerprint, self._owner, now, now, *_row_of(reply)))
            self._answered += 1
            if self._answered % self._prune_every == 0:
                self._prune(base, now)
        except _WRONG as error:
            raise self._failed() from error

    def close(self) -> None:
        """Close the file; it is opened again if it has to be."""
        base, self._base = self._base, None
        if base is not None:
            base.close()

    def _found(self, base: sqlite3.Connection, key: bytes, row: Any) -> tuple[bytes, Reply | None]:
        fingerprint, owner, answered, *columns = row
        if answered is not None:
            return fingerprint, _reply_of(*columns)
        if key in self._running if owner == self._owner else self._alive(owner):
            return fingerprint, None
        # Its owner may have answered and ended just now, so what is kept counts, not what was seen above.
        now = self._now()
        _execute(base, _FINISH, (key, fingerprint, owner, now, now, *_row_of(UNKNOWN)))
        settled = _execute(base, _FIND, (key,)).fetchone()
        return fingerprint, UNKNOWN if settled is None else _reply_of(*settled[3:])

    def _prune(self, base: sqlite3.Connection, now: float) -> None:
        _execute(base, _OLD, (now - self._ttl,))
        _execute(base, _TOO_MANY, (self._most,))
        for key, owner in _execute(base, _LONG_BEGUN, (now - self._ttl,)).fetchall():
            if key not in self._running and not self._alive(owner):
                _execute(base, _DROP, (key, owner))

    def _opened(self) -> sqlite3.Connection:
        if self._base is not None and self._path and _inode(self._path) != self._inode:
            self.close()  # somebody has removed it, and the other workers may have another one by now
        if self._base is None:
            self._owner = self._owner or owner_of(os.getpid())
            self._base = self._open()
            self._inode = _inode(self._path) if self._path else 0
        return self._base

    def _open(self) -> sqlite3.Connection:
        if not self._path:
            return _set_up(sqlite3.connect(":memory:", isolation_level=None))
        folder = os.open(os.path.dirname(self._path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            # One at a time: SQLite refuses to wait where two make a file WAL.
            fcntl.flock(folder, fcntl.LOCK_EX)
            _bind(self._path)
            return _set_up(sqlite3.connect(self._path, timeout=_PATIENCE, isolation_level=None))
        finally:
            os.close(folder)

    def _failed(self) -> Unavailable:
        self._log.failure("{path}: what was answered cannot be kept there", path=self._path)
        return Unavailable()


def _bind(path: str) -> None:
    """Make the file, for us alone, or see that it is so.

    One that is there is not opened: to close it would free the locks that SQLite has on it in this process.
    """
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    state = os.lstat(path)
    if not stat.S_ISREG(state.st_mode) or state.st_uid != os.geteuid() or state.st_mode & 0o077:
        raise PermissionError("it is no file that is ours alone (mode 0600)")


def _set_up(base: sqlite3.Connection) -> sqlite3.Connection:
    try:
        (version,) = base.execute("PRAGMA user_version").fetchone()
        if version not in (0, _VERSION):
            raise sqlite3.DatabaseError(f"it is of another version of unixsvc ({version})")
        base.executescript(_SETUP)
    except sqlite3.Error:
        base.close()
        raise
    return base


def _execute(base: sqlite3.Connection, statement: str, values: tuple[Any, ...]) -> sqlite3.Cursor:
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            return base.execute(statement, values)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
        time.sleep(_NEXT_TRY)


def _inode(path: str) -> int:
    try:
        return os.stat(path).st_ino
    except FileNotFoundError:
        return 0


def _row_of(reply: Reply) -> tuple[Any, ...]:
    return reply.code, reply.body, reply.message, msgspec.json.encode(reply.detail), reply.location


def _reply_of(code: int, body: bytes, message: str, detail: bytes, location: str | None) -> Reply:
    return Reply(code, body, message, msgspec.json.decode(detail), location)

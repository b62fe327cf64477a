"""The store of idempotency keys, so that no action runs twice for one key.

A request with an ``idempotency_key`` in its ``meta``, and a method that may change something, is recorded in
a file before its action starts. All workers of the service share the file. For another request with the same
key they return the stored reply, wait while the action is running in any of them, or return 409 if the worker
that ran the action has died: its outcome is unknown then.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable
from typing import Final

import msgspec
from msgspec import Struct
from zope.interface import implementer

from unixsvc.datasource.idempotency.database import (
    LockHeld,
    Values,
    database_path,
    execute,
    inode_of,
    open_database,
)
from unixsvc.datasource.idempotency.directory import make_directory
from unixsvc.datasource.idempotency.process_identity import is_alive, process_identity
from unixsvc.domain.handle_message import error_to_reply
from unixsvc.domain.interfaces import IIdempotencyStore
from unixsvc.domain.json import Json
from unixsvc.domain.message import Reply
from unixsvc.domain.reply_head import ReplyHead
from unixsvc.errors import ConfigError, Conflict, Unavailable
from unixsvc.telemetry.limited_logger import LimitedLogger

__all__ = ["OUTCOME_UNKNOWN", "TOO_LARGE", "IdempotencyStore"]

OUTCOME_UNKNOWN: Final = error_to_reply(
    Conflict("the action was started for this idempotency_key, and its outcome is not known: not run again")
)
TOO_LARGE: Final = error_to_reply(
    Conflict("the action was executed for this idempotency_key, and its reply is too large to be repeated")
)
# A worker prunes after this number of replies, or if fewer have that part of the permitted bytes. The cost of
# pruning is negligible then.
_PRUNE_INTERVAL: Final = 64
_PRUNE_BYTES: Final = 1 / 16
# Other workers hold the lock of the file for microseconds. This is the time that the reactor may block, in
# seconds; a worker that was stopped while it wrote holds the lock for longer.
_PATIENCE: Final = 0.005
_DATABASE_ERRORS: Final = (OSError, sqlite3.Error, ConfigError)

_BEGIN: Final = """
INSERT INTO answers (key, fingerprint, owner, begun) VALUES (?, ?, ?, ?)
ON CONFLICT (key) DO UPDATE SET fingerprint = excluded.fingerprint, owner = excluded.owner,
    begun = excluded.begun, answered = NULL, size = NULL, code = NULL, body = NULL, message = NULL,
    detail = NULL, location = NULL, head = NULL
WHERE answers.answered < ?
"""
_FIND: Final = """
SELECT fingerprint, owner, answered, code, body, message, detail, location, head FROM answers WHERE key = ?
"""
# An insert, because the file may have been removed since the start of the action.
_FINISH: Final = """
INSERT INTO answers (key, fingerprint, owner, begun, answered, size, code, body, message, detail, location,
    head)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (key) DO UPDATE SET answered = excluded.answered, size = excluded.size, code = excluded.code,
    body = excluded.body, message = excluded.message, detail = excluded.detail, location = excluded.location,
    head = excluded.head
WHERE answers.owner = excluded.owner AND answers.answered IS NULL
"""
_DELETE_UNTIL: Final = "DELETE FROM answers WHERE answered <= ?"
# One statement, so that the totals are those of the same moment: other workers prune as well.
_OLDEST: Final = """
SELECT answered, size, (SELECT count(answered) FROM answers), (SELECT total(size) FROM answers)
FROM answers WHERE answered IS NOT NULL ORDER BY answered, size
"""
_COUNT: Final = "SELECT count(*), count(answered) FROM answers"
_FIND_UNFINISHED: Final = "SELECT key, owner FROM answers WHERE answered IS NULL AND begun < ?"
_DELETE: Final = "DELETE FROM answers WHERE key = ? AND owner = ? AND answered IS NULL"


class StoreLimits(Struct, frozen=True):
    """How much is stored, and how long.

    :ivar ttl: the time for which a reply is stored, in seconds.
    :ivar replies: the number of stored replies. Each worker enforces it at every 64th reply, so the number
        can be higher by that.
    :ivar bytes: the size of all stored replies. Each worker enforces it after a 16th of that.
    """

    ttl: float
    replies: int
    bytes: int


@implementer(IIdempotencyStore)
class IdempotencyStore:
    """Stores the keys and replies of one service in an SQLite file, for all its workers.

    The file is created for the first key. Each call takes tens of microseconds, in the reactor's thread.

    :param directory: of the file; empty for memory, without the other workers.
    :param limits: of what is stored.
    :param owner: the identity of this process; determined if empty.
    :param is_alive: returns whether the process with an identity is running.
    :param now: a clock in seconds since 1970, which is the same for all processes.
    """

    def __init__(
        self,
        directory: str,
        limits: StoreLimits,
        *,
        owner: str = "",
        is_alive: Callable[[str], bool] = is_alive,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._directory = directory
        self._path = database_path(directory) if directory else ""
        self._limits = limits
        self._owner = owner
        self._is_alive = is_alive
        self._now = now
        self._running: dict[bytes, bytes] = {}  # the fingerprints of running actions by key
        self._database: sqlite3.Connection | None = None
        self._inode = 0
        self._lock_held = False
        self._replies = 0  # that this process has stored since it has pruned
        self._bytes = 0
        self._prune_interval = max(1, min(_PRUNE_INTERVAL, limits.replies // 16))
        self._log = LimitedLogger(__name__)

    def check(self) -> None:
        """Check that an existing file is usable; no file is created.

        :raises ConfigError: if it is not usable.
        """
        # lexists() sees files without permission.
        if not self._directory or not os.path.lexists(self._directory):
            return
        try:
            make_directory(self._directory, os.geteuid())
            if os.path.lexists(self._path):
                execute(self._open(), _COUNT, ()).fetchone()
        except LockHeld:  # then another worker is using it
            return
        except ConfigError:
            raise
        except _DATABASE_ERRORS as error:
            raise ConfigError(self._path, f"cannot be used: {error}", "remove it") from None
        finally:
            self.close()

    def begin(self, key: bytes, fingerprint: bytes) -> tuple[bytes, Reply | None] | None:
        """Record the start of an action unless the key has a record already."""
        try:
            database = self._open()
            while True:
                now = self._now()
                values = key, fingerprint, self._owner, now, now - self._limits.ttl
                if self._execute(database, _BEGIN, values).rowcount:
                    self._running[key] = fingerprint
                    return None
                row = self._execute(database, _FIND, (key,)).fetchone()
                if row is not None:  # otherwise another worker has just deleted it
                    return self._record(database, key, row)
        except _DATABASE_ERRORS as error:
            raise self._unavailable(error) from error

    def finish(self, key: bytes, reply: Reply) -> None:
        """Store the reply of an action that :meth:`begin` has recorded."""
        columns = _to_columns(reply)
        if columns[0] > self._limits.bytes:
            columns = _to_columns(TOO_LARGE)
        try:
            database, now = self._open(), self._now()
            self._execute(database, _FINISH, (key, self._running[key], self._owner, now, now, *columns))
            self.abandon(key)
            self._count(database, columns[0], now)
        except _DATABASE_ERRORS as error:
            self.abandon(key)
            raise self._unavailable(error) from error

    def abandon(self, key: bytes) -> None:
        """Leave the outcome of an action unknown."""
        self._running.pop(key, None)

    def close(self) -> None:
        """Close the file; the next call opens it again."""
        database, self._database = self._database, None
        if database is not None:
            database.close()

    def _record(self, database: sqlite3.Connection, key: bytes, row: Json) -> tuple[bytes, Reply | None]:
        fingerprint, owner, answered, *columns = row
        if answered is not None:
            return fingerprint, _from_columns(*columns)
        if key in self._running if owner == self._owner else self._is_alive(owner):
            return fingerprint, None
        # The owner may have stored its reply and ended since the lookup, so the stored row decides.
        now = self._now()
        self._execute(database, _FINISH, (key, fingerprint, owner, now, now, *_to_columns(OUTCOME_UNKNOWN)))
        stored = self._execute(database, _FIND, (key,)).fetchone()
        return fingerprint, OUTCOME_UNKNOWN if stored is None else _from_columns(*stored[3:])

    def _count(self, database: sqlite3.Connection, size: int, now: float) -> None:
        """Count a reply, and prune if it is time."""
        self._replies += 1
        self._bytes += size
        if self._replies >= self._prune_interval or self._bytes >= self._limits.bytes * _PRUNE_BYTES:
            with contextlib.suppress(LockHeld):  # the next reply prunes
                self._prune(database, now)
                self._replies = self._bytes = 0

    def _prune(self, database: sqlite3.Connection, now: float) -> None:
        self._execute(database, _DELETE_UNTIL, (now - self._limits.ttl,))
        self._execute(database, _DELETE_UNTIL, (self._newest_excess(database),))
        for key, owner in self._execute(database, _FIND_UNFINISHED, (now - self._limits.ttl,)).fetchall():
            if key not in self._running and not self._is_alive(owner):
                self._execute(database, _DELETE, (key, owner))

    def _newest_excess(self, database: sqlite3.Connection) -> float:
        """Return the time of the newest reply that exceeds a limit, counted from the newest of all."""
        newest, number, size = 0.0, 0, 0
        oldest = self._execute(database, _OLDEST, ())
        for answered, size_of_one, replies, size_of_all in oldest:
            if replies - number <= self._limits.replies and size_of_all - size <= self._limits.bytes:
                break
            newest, number, size = answered, number + 1, size + size_of_one
        oldest.close()
        return newest

    def _execute(self, database: sqlite3.Connection, statement: str, values: Values) -> sqlite3.Cursor:
        """Execute a statement. Only the first one that meets a held lock blocks the reactor."""
        try:
            cursor = execute(database, statement, values, 0.0 if self._lock_held else _PATIENCE)
        except LockHeld:
            self._lock_held = True
            raise
        self._lock_held = False
        return cursor

    def _open(self) -> sqlite3.Connection:
        if self._database is not None and self._path and inode_of(self._path) != self._inode:
            self.close()  # the file was removed, and other workers may have created another one
        if self._database is None:
            self._owner = self._owner or process_identity(os.getpid())
            self._database = open_database(self._directory)
            self._inode = inode_of(self._path) if self._path else 0
        return self._database

    def _unavailable(self, error: Exception) -> Unavailable:
        self._log.failure("{path}: replies cannot be stored", error, path=self._path)
        return Unavailable()


def _to_columns(reply: Reply) -> tuple[int, int, bytes, str, bytes, str | None, bytes | None]:
    """Return the size of a reply, and its parts."""
    detail = msgspec.json.encode(reply.detail)
    head = None if reply.head is None else msgspec.json.encode(reply.head)
    size = len(reply.body) + len(reply.message) + len(detail) + len(reply.location or "") + len(head or b"")
    return size, reply.code, reply.body, reply.message, detail, reply.location, head


def _from_columns(
    code: int, body: bytes, message: str, detail: bytes, location: str | None, head: bytes | None
) -> Reply:
    found = None if head is None else msgspec.json.decode(head, type=ReplyHead)
    return Reply(code, body, message, msgspec.json.decode(detail), location, head=found)

"""The store of idempotency keys, so that no action runs twice for one key.

A request with an ``idempotency_key`` in its ``meta``, and a method that may change something, is recorded in
a file before its action starts. All workers of the service share the file. For another request with the same
key they return the stored reply, wait while the action is running in any of them, or return 409 if the worker
that ran the action has died: its outcome is unknown then.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from typing import Final

import msgspec
from zope.interface import implementer

from unixsvc.datasource.idempotency.database import Values, execute, inode_of, open_database
from unixsvc.datasource.idempotency.process_identity import is_alive, process_identity
from unixsvc.domain.handle_message import error_to_reply
from unixsvc.domain.interfaces import IIdempotencyStore
from unixsvc.domain.json import Json
from unixsvc.domain.message import Reply
from unixsvc.errors import ConfigError, Conflict, Unavailable
from unixsvc.telemetry.limited_logger import LimitedLogger

__all__ = ["OUTCOME_UNKNOWN", "IdempotencyStore", "store_path"]

OUTCOME_UNKNOWN: Final = error_to_reply(
    Conflict("the action was started for this idempotency_key, and its outcome is not known: not run again")
)
_PRUNE_INTERVAL: Final = 64  # replies; the cost of pruning is negligible then
_DATABASE_ERRORS: Final = (OSError, sqlite3.Error)

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
# An insert, because the file may have been removed since the start of the action.
_FINISH: Final = """
INSERT INTO answers (key, fingerprint, owner, begun, answered, code, body, message, detail, location)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (key) DO UPDATE SET answered = excluded.answered, code = excluded.code, body = excluded.body,
    message = excluded.message, detail = excluded.detail, location = excluded.location
WHERE answers.owner = excluded.owner AND answers.answered IS NULL
"""
_DELETE_EXPIRED: Final = "DELETE FROM answers WHERE answered < ?"
_DELETE_EXCESS: Final = """
DELETE FROM answers WHERE rowid IN (SELECT rowid FROM answers WHERE answered IS NOT NULL
    ORDER BY answered DESC, rowid DESC LIMIT -1 OFFSET ?)
"""
_COUNT: Final = "SELECT count(*), count(answered) FROM answers"
_FIND_UNFINISHED: Final = "SELECT key, owner FROM answers WHERE answered IS NULL AND begun < ?"
_DELETE: Final = "DELETE FROM answers WHERE key = ? AND owner = ? AND answered IS NULL"


def store_path(socket_dir: str, service: str) -> str:
    """Return the path of a service's file; empty if there is no socket directory."""
    return os.path.join(socket_dir, f".answers_{service}.sqlite3") if socket_dir else ""


@implementer(IIdempotencyStore)
class IdempotencyStore:
    """Stores the keys and replies of one service in an SQLite file, for all its workers.

    The file is created for the first key. Each call takes tens of microseconds, in the reactor's thread.

    :param path: of the file; empty for memory, without the other workers.
    :param ttl: the time for which a reply is stored, in seconds.
    :param max_replies: the number of stored replies; each worker enforces it at every 64th reply, so the
        number can be higher by that.
    :param owner: the identity of this process; determined if empty.
    :param is_alive: returns whether the process with an identity is running.
    :param now: a clock in seconds since 1970, which is the same for all processes.
    """

    def __init__(
        self,
        path: str,
        *,
        ttl: float,
        max_replies: int,
        owner: str = "",
        is_alive: Callable[[str], bool] = is_alive,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._path = path
        self._ttl = ttl
        self._max_replies = max_replies
        self._owner = owner
        self._is_alive = is_alive
        self._now = now
        self._running: dict[bytes, bytes] = {}  # the fingerprints of running actions by key
        self._database: sqlite3.Connection | None = None
        self._inode = 0
        self._replies = 0
        self._prune_interval = max(1, min(_PRUNE_INTERVAL, max_replies // 16))
        self._log = LimitedLogger(__name__)

    def check(self) -> None:
        """Check that an existing file is usable; no file is created.

        :raises ConfigError: if it is not usable.
        """
        if not self._path or not os.path.lexists(self._path):  # lexists() sees files without permission
            return
        try:
            execute(self._open(), _COUNT, ()).fetchone()
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
                values = key, fingerprint, self._owner, now, now - self._ttl
                if execute(database, _BEGIN, values).rowcount:
                    self._running[key] = fingerprint
                    return None
                row = execute(database, _FIND, (key,)).fetchone()
                if row is not None:  # otherwise another worker has just deleted it
                    return self._record(database, key, row)
        except _DATABASE_ERRORS as error:
            raise self._unavailable(error) from error

    def finish(self, key: bytes, reply: Reply) -> None:
        """Store the reply of an action that :meth:`begin` has recorded."""
        fingerprint = self._running.pop(key)
        try:
            database, now = self._open(), self._now()
            execute(database, _FINISH, (key, fingerprint, self._owner, now, now, *_to_columns(reply)))
            self._replies += 1
            if self._replies % self._prune_interval == 0:
                self._prune(database, now)
        except _DATABASE_ERRORS as error:
            raise self._unavailable(error) from error

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
        execute(database, _FINISH, (key, fingerprint, owner, now, now, *_to_columns(OUTCOME_UNKNOWN)))
        stored = execute(database, _FIND, (key,)).fetchone()
        return fingerprint, OUTCOME_UNKNOWN if stored is None else _from_columns(*stored[3:])

    def _prune(self, database: sqlite3.Connection, now: float) -> None:
        execute(database, _DELETE_EXPIRED, (now - self._ttl,))
        execute(database, _DELETE_EXCESS, (self._max_replies,))
        for key, owner in execute(database, _FIND_UNFINISHED, (now - self._ttl,)).fetchall():
            if key not in self._running and not self._is_alive(owner):
                execute(database, _DELETE, (key, owner))

    def _open(self) -> sqlite3.Connection:
        if self._database is not None and self._path and inode_of(self._path) != self._inode:
            self.close()  # the file was removed, and other workers may have created another one
        if self._database is None:
            self._owner = self._owner or process_identity(os.getpid())
            self._database = open_database(self._path)
            self._inode = inode_of(self._path) if self._path else 0
        return self._database

    def _unavailable(self, error: Exception) -> Unavailable:
        self._log.failure("{path}: replies cannot be stored", error, path=self._path)
        return Unavailable()


def _to_columns(reply: Reply) -> Values:
    return reply.code, reply.body, reply.message, msgspec.json.encode(reply.detail), reply.location


def _from_columns(code: int, body: bytes, message: str, detail: bytes, location: str | None) -> Reply:
    return Reply(code, body, message, msgspec.json.decode(detail), location)

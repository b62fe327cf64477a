"""The file of idempotency keys, its directory and its locks."""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
import stat
import time
from typing import Any

from tests.unit.datasource.idempotency.store_harness import StoreTestCase
from unixsvc.datasource.idempotency.database import LockHeld, execute
from unixsvc.datasource.idempotency.store import OUTCOME_UNKNOWN
from unixsvc.domain.message import Reply
from unixsvc.errors import ConfigError, Unavailable

FAILURE = Reply(418, b"", "I'm a teapot")


class FileTests(StoreTestCase):
    """The database file."""

    def test_made_late(self) -> None:
        """The directory and its files are created for the first key; no other user can open them."""
        self.a.check()
        self.assertEqual(os.listdir(self.folder), [])
        before = os.umask(0)
        self.addCleanup(os.umask, before)
        self.a.begin(b"k", b"f")
        self.assertEqual(os.listdir(self.folder), [".answers_items"])
        self.assertEqual(stat.S_IMODE(os.stat(self.directory).st_mode), 0o700)
        found = sorted(os.listdir(self.directory))
        self.assertEqual(found, [*("answers.sqlite3" + each for each in ("", "-shm", "-wal")), "lock"])
        for each in found:
            self.assertEqual(stat.S_IMODE(os.stat(os.path.join(self.directory, each)).st_mode), 0o600)

    def assert_unusable(self, *words: str) -> None:
        """The start of a worker fails, naming the file; a request with a key gets 503, which is logged."""
        error = self.assertRaises(ConfigError, self.a.check)
        self.assertEqual(error.where, self.path)
        for word in words:
            self.assertIn(word, str(error))
        self.assert_unavailable()

    def assert_unavailable(self) -> None:
        """A request with a key gets 503, and the reason is logged."""
        self.assertRaises(Unavailable, self.a.begin, b"k", b"f")
        self.assertEqual(len(self.flushLoggedErrors(OSError, sqlite3.Error, ConfigError)), 1)

    def test_damaged(self) -> None:
        """The file is not a database."""
        os.mkdir(self.directory, 0o700)
        with open(self.path, "wb") as file:
            file.write(b"nonsense" * 1000)
        os.chmod(self.path, 0o600)
        self.assert_unusable("not a database", "remove it")

    def test_other_version(self) -> None:
        """The file has another format version."""
        self.a.begin(b"k", b"f")
        self.a.close()
        with sqlite3.connect(self.path) as base:
            base.execute("PRAGMA user_version = 7")
        base.close()
        self.assert_unusable("another version of unixsvc (format 7)")

    def test_readable_by_others(self) -> None:
        """A file that other users can read is not used."""
        self.a.begin(b"k", b"f")
        self.a.close()
        os.chmod(self.path, 0o640)
        self.assert_unusable("0600")

    def test_link(self) -> None:
        """A symbolic link is not followed."""
        os.mkdir(self.directory, 0o700)
        os.symlink(os.path.join(self.folder, "elsewhere"), self.path)
        self.assert_unusable("0600")
        self.assertFalse(os.path.exists(os.path.join(self.folder, "elsewhere")))

    def test_not_a_file(self) -> None:
        """A path that is not a regular file is not used."""
        for each in self.directory, self.path:
            os.mkdir(each, 0o700)
        self.assert_unusable("0600")

    def test_open_directory(self) -> None:
        """A directory that other users can enter is not used: they could hold the lock."""
        os.mkdir(self.directory)
        os.chmod(self.directory, 0o755)
        error = self.assertRaises(ConfigError, self.a.check)
        self.assertEqual(error.where, self.directory)
        self.assertIn(f"mode 0755); run: chmod 700 {self.directory}", str(error))
        self.assert_unavailable()

    def test_bad_lock(self) -> None:
        """A lock that is not a file of its own is not used, and nothing waits for it."""
        os.mkdir(self.directory, 0o700)
        os.mkfifo(os.path.join(self.directory, "lock"))
        self.assert_unavailable()

    def test_no_folder(self) -> None:
        """A missing directory does not prevent the start; the first key gets 503."""
        os.rmdir(self.folder)
        self.a.check()
        self.assert_unavailable()
        os.mkdir(self.folder)
        self.assertIsNone(self.a.begin(b"k", b"f"))

    def test_result_not_stored(self) -> None:
        """A failure to store a reply is raised and logged; the outcome of the key is unknown then."""
        self.a.begin(b"k", b"f")
        self.a.close()
        os.rename(self.path, self.path + ".away")
        os.mkdir(self.path)
        self.assertRaises(Unavailable, self.a.finish, b"k", FAILURE)
        self.assertEqual(len(self.flushLoggedErrors(OSError, sqlite3.Error)), 1)
        os.rmdir(self.path)
        os.rename(self.path + ".away", self.path)
        self.assertEqual(self.a.begin(b"k", b"f"), (b"f", OUTCOME_UNKNOWN))

    def test_removed(self) -> None:
        """If the file is removed, all workers use one new file; running actions store their replies there."""
        self.a.begin(b"k", b"f")
        self.b.begin(b"l", b"f")
        shutil.rmtree(self.directory)
        self.a.finish(b"k", FAILURE)
        for each in (self.b, self.store("C")):
            self.assertEqual(each.begin(b"k", b"f"), (b"f", FAILURE))

    def test_checked(self) -> None:
        """Checking a file changes nothing and leaves no descriptor open."""
        self.a.begin(b"k", b"f")
        self.a.finish(b"k", FAILURE)
        self.a.close()
        self.b.check()
        self.assertEqual(sorted(os.listdir(self.directory)), ["answers.sqlite3", "lock"])
        self.assertEqual(self.b.begin(b"k", b"f"), (b"f", FAILURE))


class LockTests(StoreTestCase):
    """While another process holds a lock, no call waits for it; each can be repeated later."""

    def setUp(self) -> None:
        """Count the time that calls sleep."""
        super().setUp()
        self.slept = 0.0
        self.patch(time, "sleep", self.sleep)
        self.patch(time, "monotonic", lambda: self.slept)

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.slept += seconds

    def hold_write_lock(self) -> sqlite3.Connection:
        """Hold the write lock of the file, as a worker that was stopped while it wrote."""
        holder = sqlite3.connect(self.path, isolation_level=None)
        self.addCleanup(holder.close)
        holder.execute("BEGIN IMMEDIATE")
        return holder

    def test_open(self) -> None:
        """A worker that was stopped while it opened the file holds up neither a start nor a key."""
        self.a.begin(b"k", b"f")
        with open(os.path.join(self.directory, "lock")) as lock:
            fcntl.flock(lock, fcntl.LOCK_SH)  # which excludes the exclusive one
            self.b.check()
            for _ in range(3):
                self.assertRaises(LockHeld, self.b.begin, b"l", b"f")
        self.assertEqual(self.slept, 0.0)
        self.assertIsNone(self.b.begin(b"l", b"f"))

    def test_begin(self) -> None:
        """While the file is locked, only the first call waits, for 5 ms; then the key is recorded."""
        self.a.begin(b"k", b"f")
        holder = self.hold_write_lock()
        for _ in range(3):
            self.assertRaises(LockHeld, self.a.begin, b"l", b"f")
            self.assertTrue(0.005 <= self.slept < 0.006, self.slept)
        holder.execute("ROLLBACK")
        self.assertIsNone(self.a.begin(b"l", b"f"))
        self.assertEqual(self.b.begin(b"l", b"f"), (b"f", None))

    def test_finish(self) -> None:
        """While the file is locked, a reply is not stored, and its action counts as running."""
        self.a.begin(b"k", b"f")
        holder = self.hold_write_lock()
        self.assertRaises(LockHeld, self.a.finish, b"k", FAILURE)
        holder.execute("ROLLBACK")
        for each in self.a, self.b:
            self.assertEqual(each.begin(b"k", b"f"), (b"f", None))
        self.a.finish(b"k", FAILURE)
        self.assertEqual(self.b.begin(b"k", b"f"), (b"f", FAILURE))

    def test_abandoned(self) -> None:
        """The outcome of an action is unknown when its worker has abandoned its reply."""
        self.a.begin(b"k", b"f")
        self.a.abandon(b"k")
        self.assertEqual(self.a.begin(b"k", b"f"), (b"f", OUTCOME_UNKNOWN))

    def test_recovery(self) -> None:
        """All reasons of SQLite for a held lock are the same, as another worker that recovers the file."""

        def fails(*_: object) -> None:
            error = sqlite3.OperationalError("database is locked")
            error.sqlite_errorcode = sqlite3.SQLITE_BUSY_RECOVERY
            raise error

        database: Any = _Fake(fails)
        self.assertRaises(LockHeld, execute, database, "", ())


class _Fake:
    def __init__(self, execute: Any) -> None:
        self.execute = execute

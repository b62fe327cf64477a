"""The store of idempotency keys."""

from __future__ import annotations

import os
import sqlite3
import stat

from zope.interface.verify import verifyClass, verifyObject

from tests.unit.datasource.idempotency.store_harness import StoreTestCase
from unixsvc.datasource.idempotency.store import OUTCOME_UNKNOWN, IdempotencyStore, store_path
from unixsvc.domain.interfaces import IIdempotencyStore
from unixsvc.domain.message import Reply
from unixsvc.errors import ConfigError, Unavailable

FAILURE = Reply(418, b"", "I'm a teapot", {"lid": [None, "open", 1.5]})


class AnswersTests(StoreTestCase):
    """Two stores on one file."""

    def test_interface(self) -> None:
        """It provides IIdempotencyStore."""
        self.assertTrue(verifyObject(IIdempotencyStore, self.a))
        self.assertTrue(verifyClass(IIdempotencyStore, IdempotencyStore))

    def test_started_once(self) -> None:
        """Only the first request starts the action; both stores then return its fingerprint."""
        self.assertIsNone(self.a.begin(b"k", b"f"))
        for each in (self.a, self.b):
            self.assertEqual(each.begin(b"k", b"other"), (b"f", None))

    def test_stored_result(self) -> None:
        """Both stores return the stored reply, a result or an error."""
        made = Reply(200, b"7", location="/user/7"), Reply(200, b"7", location="")
        replies = Reply(200, b'{"a":"\xc3\xa4"}'), FAILURE, *made
        for key, reply in zip((b"k", b"l", b"m", b"n"), replies, strict=True):
            self.a.begin(key, b"f")
            self.a.finish(key, reply)
            for each in (self.a, self.b):
                self.assertEqual(each.begin(key, b"f"), (b"f", reply))

    def test_outlives_its_worker(self) -> None:
        """A stored reply stays after the end of its worker."""
        self.a.begin(b"k", b"f")
        self.a.finish(b"k", FAILURE)
        self.a.close()
        self.alive.clear()
        self.assertEqual(self.b.begin(b"k", b"f"), (b"f", FAILURE))

    def test_lost(self) -> None:
        """The outcome of an action is unknown, for all stores, if its worker has died."""
        self.a.begin(b"k", b"f")
        self.alive.remove("A")
        self.assertEqual(self.b.begin(b"k", b"f"), (b"f", OUTCOME_UNKNOWN))
        self.assertEqual((OUTCOME_UNKNOWN.code, OUTCOME_UNKNOWN.message), (409, "Conflict"))
        self.assertIn("outcome is not known", OUTCOME_UNKNOWN.detail)
        self.assertEqual(self.store("C").begin(b"k", b"f"), (b"f", OUTCOME_UNKNOWN))

    def test_result_before_exit(self) -> None:
        """A reply that a worker stores just before its death counts."""
        self.a.begin(b"k", b"f")

        def ends(owner: str) -> bool:
            self.a.finish(b"k", FAILURE)
            return False

        looks = IdempotencyStore(
            self.path,
            ttl=self.ttl,
            max_replies=self.max_replies,
            owner="B",
            is_alive=ends,
            now=self.clock.seconds,
        )
        self.addCleanup(looks.close)
        self.assertEqual(looks.begin(b"k", b"f"), (b"f", FAILURE))

    def test_late_result(self) -> None:
        """A worker that was considered dead does not change a recorded outcome."""
        self.a.begin(b"k", b"f")
        self.alive.remove("A")
        self.b.begin(b"k", b"f")
        self.a.finish(b"k", FAILURE)
        self.assertEqual(self.b.begin(b"k", b"f"), (b"f", OUTCOME_UNKNOWN))

    def test_lost_in_this_process(self) -> None:
        """A key that this process has recorded, but is not running, has an unknown outcome."""
        self.a.begin(b"k", b"f")
        self.assertEqual(self.store("A").begin(b"k", b"f"), (b"f", OUTCOME_UNKNOWN))

    def test_old(self) -> None:
        """After its time to live a reply is dropped, and the key can be used again."""
        self.a.begin(b"k", b"f")
        self.clock.advance(50.0)
        self.a.finish(b"k", FAILURE)
        self.clock.advance(self.ttl)
        self.assertEqual(self.b.begin(b"k", b"g"), (b"f", FAILURE))
        self.clock.advance(0.5)
        self.assertIsNone(self.b.begin(b"k", b"g"))
        self.assertEqual(self.a.begin(b"k", b"g"), (b"g", None))

    def test_old_ones_are_removed(self) -> None:
        """Pruning removes expired replies and records of dead workers, but no running actions."""
        self.a.begin(b"answered", b"f")
        self.a.finish(b"answered", FAILURE)
        self.a.begin(b"runs", b"f")
        self.b.begin(b"lost", b"f")
        self.alive.remove("B")
        self.assertEqual(self.keys(), {b"answered", b"runs", b"lost"})
        self.clock.advance(self.ttl + 1)
        self.a.begin(b"new", b"f")
        self.a.finish(b"new", FAILURE)
        self.assertEqual(self.keys(), {b"runs", b"new"})

    def test_most(self) -> None:
        """Above the limit, the oldest replies are removed, but no unfinished records."""
        self.b.begin(b"runs", b"f")
        for number in range(self.max_replies + 3):
            self.clock.advance(1.0)
            self.a.begin(b"%d" % number, b"f")
            self.a.finish(b"%d" % number, FAILURE)
        self.assertEqual(
            self.keys(), {b"runs"} | {b"%d" % number for number in range(3, self.max_replies + 3)}
        )

    def keys(self) -> set[bytes]:
        """The keys in the file."""
        base = sqlite3.connect(self.path)
        try:
            return {key for (key,) in base.execute("SELECT key FROM answers")}
        finally:
            base.close()

    def test_in_memory(self) -> None:
        """Without a directory, the store is in memory and not shared."""
        self.assertEqual(store_path("", "items"), "")
        memory = self.store("A", "")
        memory.check()
        self.assertIsNone(memory.begin(b"k", b"f"))
        memory.finish(b"k", FAILURE)
        self.assertEqual(memory.begin(b"k", b"f"), (b"f", FAILURE))
        self.assertIsNone(self.store("B", "").begin(b"k", b"f"))


class FileTests(StoreTestCase):
    """The database file."""

    def test_made_late(self) -> None:
        """The file is created for the first key, with the mode 0600, as the files of SQLite beside it."""
        self.a.check()
        self.assertEqual(os.listdir(self.folder), [])
        before = os.umask(0)
        self.addCleanup(os.umask, before)
        self.a.begin(b"k", b"f")
        found = sorted(os.listdir(self.folder))
        self.assertEqual(found, [".answers_items.sqlite3" + each for each in ("", "-shm", "-wal")])
        for each in found:
            self.assertEqual(stat.S_IMODE(os.stat(os.path.join(self.folder, each)).st_mode), 0o600)

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
        self.assertEqual(len(self.flushLoggedErrors(OSError, sqlite3.Error)), 1)

    def test_damaged(self) -> None:
        """The file is not a database."""
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
        os.symlink(os.path.join(self.folder, "elsewhere"), self.path)
        self.assert_unusable("0600")
        self.assertFalse(os.path.exists(os.path.join(self.folder, "elsewhere")))

    def test_directory(self) -> None:
        """A path that is not a regular file is not used."""
        os.mkdir(self.path, 0o700)
        self.assert_unusable("0600")

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
        for each in os.listdir(self.folder):
            os.unlink(os.path.join(self.folder, each))
        self.a.finish(b"k", FAILURE)
        for each in (self.b, self.store("C")):
            self.assertEqual(each.begin(b"k", b"f"), (b"f", FAILURE))

    def test_checked(self) -> None:
        """Checking a file changes nothing and leaves no descriptor open."""
        self.a.begin(b"k", b"f")
        self.a.finish(b"k", FAILURE)
        self.a.close()
        self.b.check()
        self.assertEqual(os.listdir(self.folder), [".answers_items.sqlite3"])
        self.assertEqual(self.b.begin(b"k", b"f"), (b"f", FAILURE))

"""What is kept of keys: begun, answered, lost, dropped."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys

from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyClass, verifyObject

from tests.unit.datasource.idempotency.store_harness import StoreTestCase
from unixsvc.datasource.idempotency.process_identity import is_alive, process_identity
from unixsvc.datasource.idempotency.store import OUTCOME_UNKNOWN, IdempotencyStore, store_path
from unixsvc.domain.interfaces import IIdempotencyStore
from unixsvc.domain.message import Reply
from unixsvc.errors import ConfigError, Unavailable

FAILURE = Reply(418, b"", "I'm a teapot", {"lid": [None, "open", 1.5]})


class AnswersTests(StoreTestCase):
    """Two stores on one file."""

    def test_interface(self) -> None:
        """It is what the domain asks for."""
        self.assertTrue(verifyObject(IIdempotencyStore, self.a))
        self.assertTrue(verifyClass(IIdempotencyStore, IdempotencyStore))

    def test_begun_once(self) -> None:
        """Only the first begins; both see then that it runs, and for which request."""
        self.assertIsNone(self.a.begin(b"k", b"f"))
        for each in (self.a, self.b):
            self.assertEqual(each.begin(b"k", b"other"), (b"f", None))

    def test_answered(self) -> None:
        """Both give the answer, a success or a failure, as it was."""
        made = Reply(200, b"7", location="/user/7"), Reply(200, b"7", location="")
        replies = Reply(200, b'{"a":"\xc3\xa4"}'), FAILURE, *made
        for key, reply in zip((b"k", b"l", b"m", b"n"), replies, strict=True):
            self.a.begin(key, b"f")
            self.a.finish(key, reply)
            for each in (self.a, self.b):
                self.assertEqual(each.begin(key, b"f"), (b"f", reply))

    def test_outlives_its_worker(self) -> None:
        """An answer counts, whether the worker that gave it lives or not."""
        self.a.begin(b"k", b"f")
        self.a.finish(b"k", FAILURE)
        self.a.close()
        self.alive.clear()
        self.assertEqual(self.b.begin(b"k", b"f"), (b"f", FAILURE))

    def test_lost(self) -> None:
        """What a dead worker had begun has an unknown outcome: from then on, for everyone."""
        self.a.begin(b"k", b"f")
        self.alive.remove("A")
        self.assertEqual(self.b.begin(b"k", b"f"), (b"f", OUTCOME_UNKNOWN))
        self.assertEqual((OUTCOME_UNKNOWN.code, OUTCOME_UNKNOWN.message), (409, "Conflict"))
        self.assertIn("outcome is not known", OUTCOME_UNKNOWN.detail)
        self.assertEqual(self.store("C").begin(b"k", b"f"), (b"f", OUTCOME_UNKNOWN))

    def test_answered_in_the_last_moment(self) -> None:
        """A worker that answers and dies between two looks of another has answered."""
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

    def test_answers_after_all(self) -> None:
        """A worker that was taken for dead does not change what others were told since."""
        self.a.begin(b"k", b"f")
        self.alive.remove("A")
        self.b.begin(b"k", b"f")
        self.a.finish(b"k", FAILURE)
        self.assertEqual(self.b.begin(b"k", b"f"), (b"f", OUTCOME_UNKNOWN))

    def test_forgotten_in_this_process(self) -> None:
        """What this process has begun, and nobody here knows of any more, is lost, though it lives."""
        self.a.begin(b"k", b"f")
        self.assertEqual(self.store("A").begin(b"k", b"f"), (b"f", OUTCOME_UNKNOWN))

    def test_old(self) -> None:
        """An answer counts until its time is over; then the key is as new, for another request too."""
        self.a.begin(b"k", b"f")
        self.clock.advance(50.0)
        self.a.finish(b"k", FAILURE)
        self.clock.advance(self.ttl)
        self.assertEqual(self.b.begin(b"k", b"g"), (b"f", FAILURE))
        self.clock.advance(0.5)
        self.assertIsNone(self.b.begin(b"k", b"g"))
        self.assertEqual(self.a.begin(b"k", b"g"), (b"g", None))

    def test_old_ones_are_removed(self) -> None:
        """Also those that nobody asks for: old answers, and what the dead began, but not what runs."""
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
        """Beyond so many, the oldest answers go, and nothing that was begun, however old."""
        self.b.begin(b"runs", b"f")
        for number in range(self.max_replies + 3):
            self.clock.advance(1.0)
            self.a.begin(b"%d" % number, b"f")
            self.a.finish(b"%d" % number, FAILURE)
        self.assertEqual(
            self.keys(), {b"runs"} | {b"%d" % number for number in range(3, self.max_replies + 3)}
        )

    def keys(self) -> set[bytes]:
        """All that is in the file."""
        base = sqlite3.connect(self.path)
        try:
            return {key for (key,) in base.execute("SELECT key FROM answers")}
        finally:
            base.close()

    def test_in_memory(self) -> None:
        """Without a directory, nothing is shared, and all else is the same."""
        self.assertEqual(store_path("", "items"), "")
        memory = self.store("A", "")
        memory.check()
        self.assertIsNone(memory.begin(b"k", b"f"))
        memory.finish(b"k", FAILURE)
        self.assertEqual(memory.begin(b"k", b"f"), (b"f", FAILURE))
        self.assertIsNone(self.store("B", "").begin(b"k", b"f"))


class FileTests(StoreTestCase):
    """The file."""

    def test_made_late(self) -> None:
        """There is none before the first key, and then it is for its user alone, as what SQLite adds."""
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
        """The start of a worker fails, naming the file; a key that comes gets 503, and the log has why."""
        error = self.assertRaises(ConfigError, self.a.check)
        self.assertEqual(error.where, self.path)
        for word in words:
            self.assertIn(word, str(error))
        self.assert_unavailable()

    def assert_unavailable(self) -> None:
        """A key that comes gets 503, and the log has why."""
        self.assertRaises(Unavailable, self.a.begin, b"k", b"f")
        self.assertEqual(len(self.flushLoggedErrors(OSError, sqlite3.Error)), 1)

    def test_damaged(self) -> None:
        """A file that is no database."""
        with open(self.path, "wb") as file:
            file.write(b"nonsense" * 1000)
        os.chmod(self.path, 0o600)
        self.assert_unusable("not a database", "remove it")

    def test_other_version(self) -> None:
        """A file of a version that does not keep it so."""
        self.a.begin(b"k", b"f")
        self.a.close()
        with sqlite3.connect(self.path) as base:
            base.execute("PRAGMA user_version = 7")
        base.close()
        self.assert_unusable("another version of unixsvc (format 7)")

    def test_others_may_read_it(self) -> None:
        """A file that others can read is not written to."""
        self.a.begin(b"k", b"f")
        self.a.close()
        os.chmod(self.path, 0o640)
        self.assert_unusable("0600")

    def test_link(self) -> None:
        """What a symbolic link leads to is not ours to write to."""
        os.symlink(os.path.join(self.folder, "elsewhere"), self.path)
        self.assert_unusable("0600")
        self.assertFalse(os.path.exists(os.path.join(self.folder, "elsewhere")))

    def test_directory(self) -> None:
        """What is no file is none, whatever its mode."""
        os.mkdir(self.path, 0o700)
        self.assert_unusable("0600")

    def test_no_folder(self) -> None:
        """Where none can be made, a worker starts all the same; it matters when the first key comes."""
        os.rmdir(self.folder)
        self.a.check()
        self.assert_unavailable()
        os.mkdir(self.folder)
        self.assertIsNone(self.a.begin(b"k", b"f"))

    def test_cannot_be_kept(self) -> None:
        """An answer that cannot be kept is said and logged; its key's outcome is not known, then."""
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
        """Somebody removes the file: all go on with one new file, and what ran meanwhile is kept there."""
        self.a.begin(b"k", b"f")
        self.b.begin(b"l", b"f")
        for each in os.listdir(self.folder):
            os.unlink(os.path.join(self.folder, each))
        self.a.finish(b"k", FAILURE)
        for each in (self.b, self.store("C")):
            self.assertEqual(each.begin(b"k", b"f"), (b"f", FAILURE))

    def test_checked(self) -> None:
        """To look whether a file can be used leaves what is in it, and holds nothing open."""
        self.a.begin(b"k", b"f")
        self.a.finish(b"k", FAILURE)
        self.a.close()
        self.b.check()
        self.assertEqual(os.listdir(self.folder), [".answers_items.sqlite3"])
        self.assertEqual(self.b.begin(b"k", b"f"), (b"f", FAILURE))


class OwnerTests(SynchronousTestCase):
    """Processes, and whether they are there."""

    def start(self) -> subprocess.Popen[bytes]:
        """A process that waits."""
        process = subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    def test_this_one(self) -> None:
        """This process is."""
        self.assertTrue(is_alive(process_identity(os.getpid())))

    def test_killed(self) -> None:
        """One that was killed is not, even while its parent has not heard of it."""
        process = self.start()
        owner = process_identity(process.pid)
        self.assertTrue(is_alive(owner))
        process.send_signal(signal.SIGKILL)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        self.assertFalse(is_alive(owner))
        process.wait()
        self.assertFalse(is_alive(owner))
        self.assertFalse(is_alive(process_identity(process.pid)))

    def test_another_with_its_pid(self) -> None:
        """A process is no other one that had its pid, in this boot of the machine or before."""
        boot, pid, started = process_identity(os.getpid()).split(":")
        self.assertFalse(is_alive(f"{boot}:{pid}:{int(started) - 1}"))
        self.assertFalse(is_alive(f"before:{pid}:{started}"))
        self.assertFalse(is_alive(f"{boot}:{pid}:"))

    def test_name_with_brackets(self) -> None:
        """The name of a program may look like the end of itself."""
        process = subprocess.Popen(
            ["bash", "-c", "printf ') Z 0' > /proc/self/comm; read line"], stdin=subprocess.PIPE
        )
        self.addCleanup(process.communicate)
        while b") Z 0" not in (text := _stat(process.pid)):
            self.assertIsNone(process.poll(), text)
        self.assertTrue(is_alive(process_identity(process.pid)))


def _stat(pid: int) -> bytes:
    with open(f"/proc/{pid}/stat", "rb") as file:
        return file.read()

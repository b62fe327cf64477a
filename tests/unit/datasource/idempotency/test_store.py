"""The store of idempotency keys."""

from __future__ import annotations

import sqlite3

import msgspec
from zope.interface.verify import verifyClass, verifyObject

from tests.unit.datasource.idempotency.store_harness import StoreTestCase
from unixsvc.datasource.idempotency.directory import directory_path
from unixsvc.datasource.idempotency.store import OUTCOME_UNKNOWN, TOO_LARGE, IdempotencyStore, StoreLimits
from unixsvc.domain.interfaces import IIdempotencyStore
from unixsvc.domain.message import Reply
from unixsvc.domain.reply_head import ReplyHead

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

    def test_stored_head(self) -> None:
        """So are status, headers and media type, and bytes as they are."""
        head = ReplyHead(202, (("Set-Cookie", "a=b"), ("X-A", "é")), "image/png", "base64")
        for key, reply in (
            (b"k", Reply(200, b"\xff\n", head=head)),
            (b"l", msgspec.structs.replace(FAILURE, head=head)),
        ):
            self.a.begin(key, b"f")
            self.a.finish(key, reply)
            self.assertEqual(self.b.begin(key, b"f"), (b"f", reply))

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
            self.directory,
            StoreLimits(self.ttl, self.max_replies, self.max_bytes),
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

    def test_most_bytes(self) -> None:
        """Above the limit in bytes, the oldest replies are removed."""
        for number in range(40):
            self.clock.advance(1.0)
            self.a.begin(b"%d" % number, b"f")
            self.a.finish(b"%d" % number, Reply(200, b"x" * 1200))
        kept = {b"%d" % number for number in range(40 - self.max_bytes // 1206, 40)}
        self.assertEqual(self.keys(), kept)

    def test_size(self) -> None:
        """All parts of a reply count."""
        for key, reply in (
            (b"a", Reply(200, b"x" * 6000)),
            (b"b", Reply(409, b"", "Conflict", "x" * 6000)),
            (b"c", Reply(200, b"1", location="/" + "x" * 6000)),
            (b"d", Reply(200, b"1", head=ReplyHead(headers=(("X-A", "x" * 6000),)))),
        ):
            self.clock.advance(1.0)
            self.a.begin(key, b"f")
            self.a.finish(key, reply)
            self.assertEqual(self.keys(), {key})

    def test_large_reply(self) -> None:
        """A reply above the limit is not stored, and other ones stay: its action is not run again."""
        self.a.begin(b"k", b"f")
        self.a.finish(b"k", FAILURE)
        self.a.begin(b"large", b"f")
        self.a.finish(b"large", Reply(200, b"x" * (self.max_bytes + 1)))
        for each in self.a, self.b:
            self.assertEqual(each.begin(b"large", b"f"), (b"f", TOO_LARGE))
            self.assertEqual(each.begin(b"k", b"f"), (b"f", FAILURE))
        self.assertEqual(TOO_LARGE.code, 409)
        self.assertIn("too large", TOO_LARGE.detail)

    def keys(self) -> set[bytes]:
        """The keys in the file."""
        base = sqlite3.connect(self.path)
        try:
            return {key for (key,) in base.execute("SELECT key FROM answers")}
        finally:
            base.close()

    def test_in_memory(self) -> None:
        """Without a directory, the store is in memory and not shared."""
        self.assertEqual(directory_path("", "items"), "")
        memory = self.store("A", "")
        memory.check()
        self.assertIsNone(memory.begin(b"k", b"f"))
        memory.finish(b"k", FAILURE)
        self.assertEqual(memory.begin(b"k", b"f"), (b"f", FAILURE))
        self.assertIsNone(self.store("B", "").begin(b"k", b"f"))


class FewLargeRepliesTests(StoreTestCase):
    """A store whose limit of replies is not reached."""

    max_replies = 1_000_000

    def test_most_bytes(self) -> None:
        """The bytes of all replies exceed their limit by at most a 16th, and one reply."""
        for number in range(100):
            self.clock.advance(1.0)
            self.a.begin(b"%d" % number, b"f")
            self.a.finish(b"%d" % number, Reply(200, b"x" * 296))
            base = sqlite3.connect(self.path)
            ((size,),) = base.execute("SELECT sum(length(body) + 4) FROM answers").fetchall()
            base.close()
            self.assertLessEqual(size, self.max_bytes * 17 / 16 + 300)

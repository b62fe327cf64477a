"""The table of buckets."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.limiting.lock import RecordLocks
from unixsvc.limiting.table import Bucket, RateTable, SharedTable, Verdict

SECOND = 1_000_000_000
_TAKE_ALL = """
import sys
from unixsvc.limiting.table import RateTable
table = RateTable(int(sys.argv[1]))
bucket = table.bucket(b"limit", "key", 10**14, 1000)
print("ready", flush=True)
sys.stdin.readline()
print(sum(table.take([bucket], 10**9)[0].allowed for _ in range(int(sys.argv[2]))), flush=True)
"""
_TAKE_ONE = """
import sys, time
from types import SimpleNamespace
from unixsvc.limiting import lock
from unixsvc.limiting.table import RateTable

def sleep(seconds):
    lock.time.sleep = time.sleep
    print("waits", flush=True)

lock.time = SimpleNamespace(monotonic=time.monotonic, sleep=sleep)
lock._DEADLINE = 600.0  # seconds: it must not go on without the lock
table = RateTable(int(sys.argv[1]))
bucket = table.bucket(b"limit", "key", 10**14, 1)
print("ready", flush=True)
sys.stdin.readline()
print(table.take([bucket], 10**9)[0].allowed, flush=True)
"""
_HOLD = """
import sys, fcntl
fcntl.lockf(int(sys.argv[1]), fcntl.LOCK_EX, 1, int(sys.argv[2]))
print("held", flush=True)
sys.stdin.readline()
"""


class TableTests(SynchronousTestCase):
    """One process with a table."""

    def setUp(self) -> None:
        """Make a table."""
        self.table = RateTable()

    def bucket(
        self, key: str = "key", *, limit: bytes = b"limit", interval: int = SECOND, size: int = 3
    ) -> Bucket:
        """A bucket of three tokens, one a second."""
        return self.table.bucket(limit, key, interval, size)

    def allowed(self, now: float, *buckets: Bucket) -> bool:
        """Whether each bucket has a token."""
        return all(verdict.allowed for verdict in self.table.take(buckets, int(now * SECOND)))

    def test_burst_and_rate(self) -> None:
        """A full bucket has its size of tokens; then one comes in each interval, and it never has more."""
        bucket = self.bucket()
        self.assertEqual([self.allowed(0, bucket) for _ in range(4)], [True] * 3 + [False])
        self.assertEqual(
            [self.allowed(at, bucket) for at in (0.9, 1, 1.5, 2, 2.1)], [False, True, False, True, False]
        )
        self.assertEqual([self.allowed(1000, bucket) for _ in range(4)], [True] * 3 + [False])

    def test_verdict(self) -> None:
        """It says how many tokens are left, when there is one again, and when the bucket is full."""
        bucket = self.bucket()
        self.assertEqual(self.table.take([bucket], 0), [Verdict(True, 2, 0, SECOND)])
        self.table.take([bucket], 0)
        self.assertEqual(self.table.take([bucket], 0), [Verdict(True, 0, 0, 3 * SECOND)])
        self.assertEqual(
            self.table.take([bucket], SECOND // 4), [Verdict(False, 0, SECOND * 3 // 4, SECOND * 11 // 4)]
        )

    def test_refused_takes_nothing(self) -> None:
        """A client that goes on after a 429 does not wait longer for it."""
        bucket = self.bucket(size=1)
        self.assertTrue(self.allowed(0, bucket))
        self.assertFalse(any(self.allowed(number / 100, bucket) for number in range(100)))
        self.assertTrue(self.allowed(1, bucket))

    def test_several(self) -> None:
        """A request that one limit refuses takes no token of another, whose state is unchanged."""
        small, large = self.bucket(size=1), self.bucket(limit=b"other", size=5)
        self.assertTrue(self.allowed(0, small, large))
        verdicts = self.table.take([small, large], 0)
        self.assertEqual(verdicts[1], Verdict(True, 4, 0, SECOND))
        self.assertEqual([self.allowed(0, large) for _ in range(5)], [True] * 4 + [False])

    def test_same_set(self) -> None:
        """Two buckets that have no place yet get different ones in one set."""
        first, second = Bucket(SECOND, 1, 7, 100), Bucket(SECOND, 1, 7, 200)
        self.assertTrue(self.allowed(0, first, second))
        self.assertFalse(self.allowed(0, first))
        self.assertFalse(self.allowed(0, second))

    def test_keys_apart(self) -> None:
        """Keys, and limits with the same keys, have buckets of their own."""
        buckets = [self.bucket(size=1), self.bucket("other", size=1), self.bucket(limit=b"x", size=1)]
        self.assertEqual([self.allowed(0, each) for each in buckets], [True] * 3)
        self.assertEqual([self.allowed(0, each) for each in buckets], [False] * 3)
        self.assertNotEqual(self.bucket("ab", limit=b"c").tag, self.bucket("b", limit=b"ca").tag)

    def test_any_key(self) -> None:
        """A key may have any characters and any length."""
        for key in ("", "\0", "\udc80", "ü" * 100_000):
            self.assertTrue(self.allowed(0, self.bucket(key)))

    def test_keyed(self) -> None:
        """Where a key is differs between tables, so a caller cannot compute which keys share a set."""
        others = {RateTable().bucket(b"limit", "key", SECOND, 3).tag for _ in range(20)}
        self.assertEqual(len(others), 20)

    def test_flood(self) -> None:
        """A flood of keys takes no bucket that is in use, and is limited as one caller for each set."""
        early = self.bucket("early", interval=1000 * SECOND, size=1)
        self.assertTrue(self.allowed(0, early))
        # As many keys as the table has places, all in the set of the early one: the worst case.
        flood = [Bucket(SECOND, 1, early.number, tag) for tag in range(1, 1000) if tag != early.tag]
        admitted = sum(self.allowed(0, each) for each in flood)
        self.assertEqual(admitted, 15 + 1)  # the other places, and the shared one
        self.assertFalse(self.allowed(1, early))
        self.assertTrue(self.table.take([flood[-1]], 0)[0].shared)

    def test_after_flood(self) -> None:
        """When buckets are full again, other keys get their places."""
        for tag in range(1, 100):
            self.allowed(0, Bucket(SECOND, 1, 7, tag))
        verdict = self.table.take([Bucket(SECOND, 1, 7, 5000)], SECOND)[0]
        self.assertEqual((verdict.allowed, verdict.shared), (True, False))

    def test_shared_by_limit(self) -> None:
        """Limits with other intervals share other buckets, so a slow one does not close a fast one."""
        for tag in range(1, 20):
            self.allowed(0, Bucket(10**6 * SECOND, 1, 7, tag))
        fast = [self.allowed(at, Bucket(SECOND + 1, 1, 7, 10**6)) for at in (1.0, 3.0, 5.0)]
        self.assertEqual(fast, [True] * 3)

    def test_wrong_time(self) -> None:
        """A time from another clock locks a caller out for no longer than an empty bucket."""
        bucket = self.bucket()
        self.table.take([bucket], 10**6 * SECOND)
        self.assertFalse(self.allowed(0, bucket))
        self.assertEqual(self.table.take([bucket], 0)[0].wait, SECOND)


class WatchedWords:
    """The words of a table; a function is called before the first one is written."""

    def __init__(self, words: memoryview, before_write: Callable[[], object]) -> None:
        self._words = words
        self._before_write = [before_write]

    def __getitem__(self, place: Any) -> Any:
        return self._words[place]

    def __setitem__(self, place: int, value: int) -> None:
        while self._before_write:
            self._before_write.pop()()
        self._words[place] = value


class SharedTests(SynchronousTestCase):
    """Several processes with one table."""

    def setUp(self) -> None:
        """Make the memory."""
        self.shared = SharedTable()
        self.addCleanup(self.shared.close)

    def child(self, code: str, *arguments: object) -> subprocess.Popen[str]:
        """Start a process that has inherited the memory, and wait until it says that it is ready."""
        child = subprocess.Popen(
            [sys.executable, "-c", code, str(self.shared.fileno()), *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            pass_fds=[self.shared.fileno()],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        self.addCleanup(self.end, child)
        assert child.stdout is not None
        child.stdout.readline()
        return child

    def end(self, child: subprocess.Popen[str]) -> None:
        """End a process."""
        child.kill()
        child.communicate()

    def test_exact(self) -> None:
        """Three processes at the same time get exactly as many tokens as there are."""
        children = [self.child(_TAKE_ALL, 600) for _ in range(3)]
        for child in children:
            assert child.stdin is not None
            child.stdin.write("\n")
            child.stdin.flush()
        counts = [int(child.communicate()[0]) for child in children]
        self.assertEqual(sum(counts), 1000)

    def test_read_and_write(self) -> None:
        """A process that has read a bucket writes it before another one reads it."""
        child = self.child(_TAKE_ONE)
        sent, received = child.stdin, child.stdout
        assert sent is not None
        assert received is not None
        table = RateTable(self.shared.fileno())
        said: list[str] = []

        def before_write() -> None:
            sent.write("\n")
            sent.flush()
            said.append(received.readline())

        table._words = WatchedWords(table._words, before_write)  # type: ignore[assignment]
        bucket = table.bucket(b"limit", "key", 10**14, 1)
        self.assertTrue(table.take([bucket], 10**9)[0].allowed)
        said.append(received.readline())
        self.assertEqual(said, ["waits\n", "False\n"])

    def test_give_back(self) -> None:
        """A token is put back while this process holds the lock, which others can get afterwards."""
        table = RateTable(self.shared.fileno())
        bucket = table.bucket(b"limit", "key", SECOND, 1)
        sums: list[int] = []
        locks = RecordLocks(self.shared.fileno())

        class Watched:
            def acquire(self, places: list[int]) -> None:
                locks.acquire(places)
                sums.append(sum(table._words))

            def release(self) -> None:
                sums.append(sum(table._words))
                locks.release()

        self.assertTrue(table.take([bucket], SECOND)[0].allowed)
        table._locks = Watched()  # type: ignore[assignment]  # a double
        table.give_back(bucket, SECOND)
        self.assertEqual(sums[0] - sums[1], SECOND)
        self.child(_HOLD, bucket.number)  # has read the line, so it has the lock
        table._locks = None
        self.assertTrue(table.take([bucket], SECOND)[0].allowed)

    def test_same_keys(self) -> None:
        """All processes find the same place for a key, and another one in another table."""
        tables = [RateTable(self.shared.fileno()) for _ in range(2)]
        self.assertEqual(*(each.bucket(b"limit", "key", 1, 1) for each in tables))

    def test_killed_holder(self) -> None:
        """The lock of a process that is killed is free at once."""
        bucket = RateTable(self.shared.fileno()).bucket(b"limit", "key", SECOND, 2)
        child = self.child(_HOLD, bucket.number)
        locks = RecordLocks(self.shared.fileno())
        self.assertFalse(locks.acquire([bucket.number]))
        child.send_signal(signal.SIGKILL)
        child.wait()
        self.assertTrue(locks.acquire([bucket.number]))

    def test_stopped_holder(self) -> None:
        """A process that is stopped while it holds a lock delays the others, and does not stop them."""
        table = RateTable(self.shared.fileno())
        bucket = table.bucket(b"limit", "key", SECOND, 2)
        self.child(_HOLD, bucket.number)
        started = time.monotonic()
        self.assertTrue(table.take([bucket], 0)[0].allowed)
        self.assertLess(time.monotonic() - started, 10)

    def test_released(self) -> None:
        """After a request, other processes can lock again."""
        table = RateTable(self.shared.fileno())
        bucket = table.bucket(b"limit", "key", SECOND, 2)
        table.take([bucket], 0)
        self.child(_HOLD, bucket.number)  # has read the line, so it has the lock
        self.assertRaises(
            BlockingIOError,
            fcntl.lockf,
            self.shared.fileno(),
            fcntl.LOCK_EX | fcntl.LOCK_NB,
            1,
            bucket.number,
        )

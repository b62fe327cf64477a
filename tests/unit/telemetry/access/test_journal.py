"""The memory in which a worker notes requests."""

from __future__ import annotations

import os
from typing import Any, cast

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.telemetry.access.journal import JOURNAL_BYTES, AccessJournal, JournalReader, make_journal


class JournalTests(SynchronousTestCase):
    """Both sides, on the same memory."""

    def setUp(self) -> None:
        """Make both sides."""
        descriptor = make_journal()
        self.reader, self.journal = JournalReader(descriptor), AccessJournal(descriptor)
        os.close(descriptor)

    def test_sealed(self) -> None:
        """No worker can truncate the memory, which would kill the orchestrator as it reads."""
        descriptor = make_journal()
        self.addCleanup(os.close, descriptor)
        self.assertRaises(PermissionError, os.ftruncate, descriptor, 0)

    def test_read(self) -> None:
        """Lines are read once, in their order."""
        self.journal.add(b"one\n")
        self.journal.add(b"two\n")
        self.assertEqual(self.reader.take(), (b"one\ntwo\n", 0))
        self.assertEqual(self.reader.take(), (b"", 0))

    def test_wraps(self) -> None:
        """Lines go on at the beginning of the memory, also within a line, as long as they are read."""
        line = b"x" * 999 + b"\n"
        for _ in range(3 * JOURNAL_BYTES // len(line) // 100):
            for number in range(100):
                self.journal.add(b"%03d" % number + line)
            found, lost = self.reader.take()
            self.assertEqual(found, b"".join(b"%03d" % number + line for number in range(100)))
            self.assertEqual(lost, 0)

    def test_full(self) -> None:
        """Lines without room are counted; when there is room again, the next ones are noted."""
        line = b"x" * 65_535 + b"\n"
        for _ in range(20):
            self.journal.add(line)
        found, lost = self.reader.take()
        self.assertEqual((len(found), lost), (JOURNAL_BYTES, 4))
        self.journal.add(b"later\n")
        self.assertEqual(self.reader.take(), (b"later\n", 0))

    def test_full_within_round(self) -> None:
        """So are those that would overwrite the ones that are not read, in any place of the memory."""
        line = b"y" * 99_999 + b"\n"
        for _ in range(7):
            self.journal.add(line)
        self.reader.take()
        for _ in range(11):
            self.journal.add(line)
        found, lost = self.reader.take()
        self.assertEqual((found, lost), (line * 10, 1))

    def test_foreign_counters(self) -> None:
        """Whatever the worker's process writes to the counters, reading returns; later lines are read."""
        counters = cast(Any, self.journal)._counters
        for written in (2**64 - 1, JOURNAL_BYTES + 1):
            counters[0] = written
            self.assertEqual(self.reader.take()[0], b"")
        counters[0] += 4
        self.assertEqual(len(self.reader.take()[0]), 4)

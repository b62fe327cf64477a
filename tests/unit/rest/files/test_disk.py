import errno
import os
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.files.opened import FileDescriptor
from unixsvc.rest.files.disk import Disk


class DiskTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Make a file of six bytes."""
        path = self.mktemp()
        with open(path, "wb") as file:
            file.write(b"abcdef")
        self.file = FileDescriptor(os.open(path, os.O_RDONLY))
        self.addCleanup(self.file.close)
        self.ran = 0

        def run(function: Callable[[], None]) -> Deferred[None]:
            self.ran += 1
            function()
            return succeed(None)

        self.disk = Disk(run)

    def fail_with(self, error: int) -> None:
        """Have the kernel fail to read without waiting."""

        def preadv(*arguments: Any) -> int:
            raise OSError(error, os.strerror(error))

        self.patch(os, "preadv", preadv)

    def test_cached(self) -> None:
        """What is in the page cache is read at once; of a shorter file there is less."""
        self.patch(os, "RWF_NOWAIT", 0)
        self.assertEqual(self.disk.read_small(self.file, 1, 3), b"bcd")
        self.assertIsNone(self.disk.read_small(self.file, 1, 30))
        self.assertTrue(self.disk.is_cached(self.file, 0, 6))

    def test_not_cached(self) -> None:
        """What is not there has to be loaded, in a thread."""
        self.fail_with(errno.EAGAIN)
        self.assertIsNone(self.disk.read_small(self.file, 1, 3))
        self.assertFalse(self.disk.is_cached(self.file, 0, 6))
        self.successResultOf(self.disk.load(self.file, 0, 6))
        self.assertEqual(self.ran, 1)

    def test_load(self) -> None:
        """A part is loaded to its end, or to that of the file, in little memory, which threads keep."""
        read: list[tuple[int, int]] = []

        def pread(descriptor: int, count: int, offset: int) -> bytes:
            read.append((offset, count))
            return bytes(max(min(count, 200_000 - offset), 0))

        self.patch(os, "pread", pread)
        self.successResultOf(self.disk.load(self.file, 10, 150_000))
        self.assertEqual(read, [(10, 65_536), (65_546, 65_536), (131_082, 18_928)])
        read.clear()
        self.successResultOf(self.disk.load(self.file, 190_000, 1_048_576))
        self.assertEqual([offset for offset, _ in read], [190_000, 200_000])

    def test_unknown(self) -> None:
        """Where the file system cannot tell, small files are read, and large ones loaded in a thread."""
        self.fail_with(errno.EOPNOTSUPP)
        self.assertEqual(self.disk.read_small(self.file, 1, 3), b"bcd")
        self.assertFalse(self.disk.is_cached(self.file, 0, 6))

    def test_error(self) -> None:
        """A disk with an error says so."""
        self.fail_with(errno.EIO)
        self.assertRaises(OSError, self.disk.read_small, self.file, 1, 3)
        self.assertRaises(OSError, self.disk.is_cached, self.file, 0, 6)

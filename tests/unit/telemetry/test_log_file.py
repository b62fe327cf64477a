"""Where a log is written."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import tempfile
import threading
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.telemetry.log_file import AppendedFile, OutputDescriptor


class AppendedFileTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Open a file."""
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        self.path = Path(self.folder, "log")
        self.file = AppendedFile(str(self.path))
        self.addCleanup(lambda: self.file.close())

    def test_append(self) -> None:
        """An existing file is appended to, and other users cannot read a new one."""
        self.file.write(b"one\n")
        self.assertEqual(self.path.stat().st_mode & 0o007, 0)
        again = AppendedFile(str(self.path))
        again.write(b"two\n")
        again.close()
        self.assertEqual(self.path.read_bytes(), b"one\ntwo\n")

    def test_hard_link(self) -> None:
        """A file that another user may have put there is not opened."""
        os.chmod(self.folder, 0o777)
        os.link(self.path, self.path.with_name("other"))
        self.assertRaises(PermissionError, AppendedFile, str(self.path))
        self.assertRaises(PermissionError, self.file.reopen)

    def test_truncated(self) -> None:
        """After another program has truncated the file, it starts again without a gap."""
        self.file.write(b"one\n")
        os.truncate(self.path, 0)
        self.file.write(b"two\n")
        self.assertEqual(self.path.read_bytes(), b"two\n")

    def test_renamed(self) -> None:
        """After another program has renamed the file, the path is a new file once it is opened again."""
        self.file.write(b"one\n")
        old = self.path.rename(self.path.with_suffix(".1"))
        self.file.write(b"two\n")
        self.file.reopen()
        self.file.write(b"three\n")
        self.assertEqual((old.read_bytes(), self.path.read_bytes()), (b"one\ntwo\n", b"three\n"))

    def test_cannot_reopen(self) -> None:
        """A path that cannot be opened again is an error, and the old file is used."""
        old = self.path.rename(self.path.with_suffix(".1"))
        self.path.mkdir()
        self.assertRaises(IsADirectoryError, self.file.reopen)
        self.file.write(b"one\n")
        self.assertEqual(old.read_bytes(), b"one\n")

    def test_no_reader(self) -> None:
        """A named pipe without a reader is an error, and does not block."""
        pipe = os.path.join(self.folder, "pipe")
        os.mkfifo(pipe)
        error = self.assertRaises(OSError, AppendedFile, pipe)
        self.assertEqual((error.strerror, error.filename), ("a pipe that no process reads", pipe))

    def test_torn_line(self) -> None:
        """After a write that has failed within a line, as on a full disk, the next one begins a line."""
        old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        self.addCleanup(signal.signal, signal.SIGXFSZ, old)
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        self.addCleanup(resource.setrlimit, resource.RLIMIT_FSIZE, limits)
        self.file.write(b"12345\n")
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))
        self.assertRaises(OSError, self.file.write, b"a long line\n")
        self.assertRaises(OSError, self.file.write, b"another\n")
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        self.file.write(b"next\n")
        self.file.write(b"last\n")
        self.assertEqual(self.path.read_bytes(), b"12345\na lo\nnext\nlast\n")


class OutputDescriptorTests(SynchronousTestCase):
    def test_non_blocking(self) -> None:
        """It waits until a descriptor that another process has made non-blocking takes everything."""
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        data = b"x" * 1_000_000

        def write() -> None:
            OutputDescriptor(writing).write(data)
            os.close(writing)

        thread = threading.Thread(target=write)
        thread.start()
        with open(reading, "rb") as reader:
            self.assertEqual(reader.read(), data)
        thread.join()

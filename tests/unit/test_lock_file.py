"""Lock files that no other user can hold."""

from __future__ import annotations

import fcntl
import os
import socket
import stat
import tempfile
from pathlib import Path
from shutil import rmtree
from unittest import skipIf

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.errors import ConfigError
from unixsvc.lock_file import open_lock_file


class LockFileTests(SynchronousTestCase):
    """Opening a lock file."""

    def setUp(self) -> None:
        """A directory without the file."""
        self.folder = tempfile.mkdtemp()
        self.addCleanup(rmtree, self.folder)
        self.path = os.path.join(self.folder, "lock")

    def open(self) -> int:
        """Open the file."""
        descriptor = open_lock_file(self.path)
        self.addCleanup(os.close, descriptor)
        return descriptor

    def assert_refused(self, problem: str, remedy: str = "remove it") -> None:
        """The file is refused, with a line that names it and says what to do; no descriptor stays open."""
        descriptors = os.listdir("/proc/self/fd")
        line = str(self.assertRaises(ConfigError, open_lock_file, self.path))
        self.assertEqual(line, f"{self.path}: {problem}; {remedy}")
        self.assertEqual(os.listdir("/proc/self/fd"), descriptors)

    def test_created(self) -> None:
        """A missing file is created with the mode 0600 under any umask, and is not inherited."""
        for umask in 0o000, 0o777:
            before = os.umask(umask)
            self.addCleanup(os.umask, before)
            descriptor = self.open()
            os.umask(before)
            self.assertEqual(stat.S_IMODE(os.lstat(self.path).st_mode), 0o600)
            self.assertTrue(fcntl.fcntl(descriptor, fcntl.F_GETFD) & fcntl.FD_CLOEXEC)
            os.unlink(self.path)

    def test_existing(self) -> None:
        """An existing file keeps its content; a mode that lets other users open it is changed to 0600."""
        Path(self.path).write_text("7")
        os.chmod(self.path, 0o644)
        self.assertEqual(os.read(self.open(), 10), b"7")
        self.assertEqual(stat.S_IMODE(os.lstat(self.path).st_mode), 0o600)

    def test_not_regular(self) -> None:
        """A pipe is refused at once instead of waiting for its other end."""
        os.mkfifo(self.path, 0o600)
        self.assert_refused("is not a regular file")

    @skipIf(os.geteuid() != 0, "only root can make devices")
    def test_device(self) -> None:
        """A device is refused."""
        os.mknod(self.path, 0o600 | stat.S_IFCHR, os.makedev(1, 3))
        self.assert_refused("is not a regular file")

    def test_cannot_be_opened(self) -> None:
        """A directory or a socket is refused."""
        os.mkdir(self.path)
        self.assert_refused("cannot be opened: Is a directory")
        os.rmdir(self.path)
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(self.path)
        self.assert_refused("cannot be opened: No such device or address")

    def test_missing_folder(self) -> None:
        """A file that is not there cannot be removed: the line says who must be able to write."""
        self.path = os.path.join(self.folder, "none", "lock")
        remedy = "let this user write to it and to its directory"
        self.assert_refused("cannot be opened: No such file or directory", remedy)

    def test_symbolic_link(self) -> None:
        """A symbolic link is not followed, to a file or to nothing."""
        target = Path(self.folder, "target")
        os.symlink(target, self.path)
        self.assert_refused("is a symbolic link")
        self.assertFalse(target.exists())
        target.write_text("mine")
        self.assert_refused("is a symbolic link")
        self.assertEqual(target.read_text(), "mine")

    def test_hard_link(self) -> None:
        """A hard link to another file is refused, and neither its content nor its mode is changed."""
        target = Path(self.folder, "target")
        target.write_text("mine")
        target.chmod(0o640)
        os.link(target, self.path)
        self.assert_refused("is a hard link: it has another name as well")
        self.assertEqual((target.read_text(), stat.S_IMODE(target.stat().st_mode)), ("mine", 0o640))

    def test_another_user(self) -> None:
        """A file of another user is refused."""
        Path(self.path).touch()
        owner = os.stat(self.path).st_uid
        self.patch(os, "geteuid", lambda: owner + 1)
        self.assert_refused(f"belongs to another user (uid {owner})")

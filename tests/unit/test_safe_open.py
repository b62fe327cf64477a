"""Files that another user may have put where this process writes."""

from __future__ import annotations

import os
import shutil
import tempfile
from unittest import skipIf

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.errors import ConfigError
from unixsvc.safe_open import check_pidfile, open_for_writing

NOBODY = 65534
FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
only_root = skipIf(os.geteuid() != 0, "only root can give a file to another user")


class PlantedFilesTestCase(SynchronousTestCase):
    """Has a directory that others can write to, and a file elsewhere.

    :ivar path: in that directory.
    """

    def setUp(self) -> None:
        """Make both."""
        top = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, top)
        self.secret = os.path.join(top, "secret")
        with open(self.secret, "w") as file:
            file.write("precious")
        self.folder = os.path.join(top, "open")
        os.mkdir(self.folder)
        os.chmod(self.folder, 0o777)
        self.path = os.path.join(self.folder, "file")

    def plant_link(self, uid: int = NOBODY) -> None:
        """Put a symbolic link of a user there."""
        os.symlink(self.secret, self.path)
        os.lchown(self.path, uid, -1)


class OpenTests(PlantedFilesTestCase):
    """Opening a file to write to it, as the log."""

    def write(self) -> None:
        """Open the file and write."""
        descriptor = open_for_writing(self.path, FLAGS, 0o600)
        os.write(descriptor, b"!")
        os.close(descriptor)

    def assert_refused(self, problem: str) -> None:
        """The file is not opened."""
        error = self.assertRaises(OSError, self.write)
        self.assertIn(problem, error.strerror)
        with open(self.secret) as file:
            self.assertEqual(file.read(), "precious")

    def test_own(self) -> None:
        """A new file, an existing one, and a symbolic link of this user are written to."""
        self.write()
        self.write()
        self.assertEqual(os.path.getsize(self.path), 2)
        os.unlink(self.path)
        self.plant_link(os.geteuid())
        self.write()
        self.assertEqual(os.path.getsize(self.secret), len("precious!"))

    @only_root
    def test_links(self) -> None:
        """A symbolic link of this user that leads to one of another user is refused; so is a circle."""
        self.plant_link()
        planted, self.path = self.path, os.path.join(self.folder, "link")
        os.symlink(planted, self.path)
        self.assert_refused("a symbolic link of another user")
        os.unlink(planted)
        os.symlink(self.path, planted)
        self.assert_refused("Too many levels of symbolic links")

    def test_open_file(self) -> None:
        """The path of an open file, as /dev/stdout, is that file, also if it is a pipe."""
        reading, writing = os.pipe()
        self.addCleanup(os.close, reading)
        self.addCleanup(os.close, writing)
        os.symlink(f"/dev/fd/{writing}", self.path)
        self.write()
        self.assertEqual(os.read(reading, 9), b"!")

    def test_relative_link(self) -> None:
        """A relative symbolic link is one from its own directory."""
        os.symlink("../secret", self.path)
        self.write()
        self.assertEqual(os.path.getsize(self.secret), len("precious!"))

    def test_hard_link(self) -> None:
        """A hard link is refused where others can create files."""
        os.link(self.secret, self.path)
        self.assert_refused("a hard link, in a directory that others can write to")
        os.chmod(self.folder, 0o755)
        self.write()

    @only_root
    def test_link_of_another_user(self) -> None:
        """A symbolic link of another user is refused, in any directory."""
        self.plant_link()
        for mode in 0o777, 0o755:
            os.chmod(self.folder, mode)
            self.assert_refused(f"a symbolic link of another user (uid {NOBODY})")

    @only_root
    def test_file_of_another_user(self) -> None:
        """A file of another user, who could read it, is refused where others can create files."""
        self.write()
        os.chown(self.path, NOBODY, -1)
        self.assert_refused(f"a file of another user (uid {NOBODY})")
        os.chmod(self.folder, 0o755)
        self.write()
        os.chown(self.folder, NOBODY, -1)  # who can replace every file in it
        self.assert_refused(f"a file of another user (uid {NOBODY})")


class PidfileTests(PlantedFilesTestCase):
    """The pidfile, which twistd opens itself."""

    def test_directory(self) -> None:
        """A directory that others can write to is refused, unless it is sticky or safe."""
        error = self.assertRaises(ConfigError, check_pidfile, self.path)
        self.assertIn(f"others can write to the directory of the pidfile, {self.folder}", str(error))
        for mode in 0o1777, 0o755:
            os.chmod(self.folder, mode)
            check_pidfile(self.path)

    def test_no_directory(self) -> None:
        """A missing directory is left to twistd."""
        check_pidfile(os.path.join(self.folder, "none", "file"))

    @only_root
    def test_link(self) -> None:
        """A symbolic link of another user is refused, in any directory; one of this user is not."""
        self.plant_link()
        for mode in 0o777, 0o1777, 0o755:
            os.chmod(self.folder, mode)
            error = self.assertRaises(ConfigError, check_pidfile, self.path)
            self.assertIn("the pidfile belongs to another user", str(error))
        os.lchown(self.path, os.geteuid(), -1)
        check_pidfile(self.path)

    @only_root
    def test_directory_of_another_user(self) -> None:
        """A directory of another user, who can replace every file in it, is refused."""
        os.chmod(self.folder, 0o1755)
        os.chown(self.folder, NOBODY, -1)
        self.assertRaises(ConfigError, check_pidfile, self.path)

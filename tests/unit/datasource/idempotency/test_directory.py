"""The directory with the idempotency keys of a service."""

from __future__ import annotations

import os
import stat
from unittest import skipIf

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.datasource.idempotency.directory import directory_path, make_directory
from unixsvc.errors import ConfigError

_NOBODY = 65534


class DirectoryTests(SynchronousTestCase):
    """Creating the directory, or trusting an existing one."""

    def setUp(self) -> None:
        """A socket directory."""
        self.folder = os.path.abspath(self.mktemp())
        os.mkdir(self.folder, 0o770)
        self.path = directory_path(self.folder, "shop")
        self.uid = os.geteuid()

    def owner(self) -> tuple[int, int, int]:
        """The owner, the group and the mode of the directory."""
        state = os.lstat(self.path)
        return state.st_uid, state.st_gid, stat.S_IMODE(state.st_mode)

    def assert_refused(self, *words: str, uid: int | None = None) -> None:
        """The directory is refused with one line that names it."""
        error = self.assertRaises(ConfigError, make_directory, self.path, self.uid if uid is None else uid)
        line = str(error)
        self.assertEqual(len(line.splitlines()), 1)
        for word in (self.path, *words):
            self.assertIn(word, line)

    def test_path(self) -> None:
        """Each service has its own; there is none without a socket directory."""
        self.assertEqual(self.path, f"{self.folder}/.answers_shop")
        self.assertEqual(directory_path("", "shop"), "")

    def test_own(self) -> None:
        """It is created for this user with the mode 0700, and used again; no descriptor stays open."""
        descriptors = os.listdir("/proc/self/fd")
        for _ in range(2):
            make_directory(self.path, self.uid)
            self.assertEqual(self.owner(), (self.uid, os.getegid(), 0o700))
        self.assertEqual(os.listdir("/proc/self/fd"), descriptors)

    @skipIf(os.geteuid() != 0, "only root can change owners")
    def test_other_user(self) -> None:
        """Root creates it for another user."""
        for _ in range(2):
            make_directory(self.path, _NOBODY, 7)
            self.assertEqual(self.owner(), (_NOBODY, 7, 0o700))

    @skipIf(os.geteuid() != 0, "only root can change owners")
    def test_existing(self) -> None:
        """The owner of an existing directory is not changed: it is refused, with its replies."""
        make_directory(self.path, self.uid)
        self.assert_refused(f"belongs to uid 0, and the workers run as uid {_NOBODY}; remove it", uid=_NOBODY)
        self.assertEqual(self.owner(), (0, 0, 0o700))
        os.chown(self.path, _NOBODY, _NOBODY)
        self.assert_refused(f"belongs to uid {_NOBODY}, and the workers run as uid 0; remove it")

    def test_modes(self) -> None:
        """A directory that others or a group can enter is refused."""
        make_directory(self.path, self.uid)
        for mode in 0o750, 0o701, 0o722:
            os.chmod(self.path, mode)
            self.assert_refused(f"others can enter it (mode {mode:04o}); run: chmod 700 {self.path}")

    def test_something_else(self) -> None:
        """A symbolic link is not followed, also in place of the socket directory; a file is refused."""
        target = os.path.join(self.folder, "target")
        os.mkdir(target, 0o700)
        os.symlink(target, self.path)
        self.assert_refused("cannot be made: Not a directory")
        os.unlink(self.path)
        with open(self.path, "w"):
            pass
        self.assert_refused("cannot be made: Not a directory")
        os.symlink(self.folder, self.folder + ".link")
        self.path = directory_path(self.folder + ".link", "user")
        self.assert_refused("cannot be made: Not a directory")
        self.assertEqual(os.listdir(target), [])

    def test_no_parent(self) -> None:
        """A missing socket directory is an error, not created."""
        os.rmdir(self.folder)
        self.assert_refused("cannot be made: No such file or directory")
        self.assertFalse(os.path.exists(self.folder))

"""The socket directory."""

from __future__ import annotations

import os
import stat

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.errors import ConfigError
from unixsvc.socket_directory import prepare_directory, service_names, socket_path


class PathTests(SynchronousTestCase):
    """The path of a service's socket."""

    def test_name(self) -> None:
        """The file name is that of the original system."""
        self.assertEqual(socket_path("/run/unixsvc", "home"), "/run/unixsvc/service_home.sock")

    def test_length(self) -> None:
        """A path of 107 bytes is the longest; bytes count, not characters."""
        room = 107 - len("/" + "/service_home.sock")
        for letter, size in (("x", 1), ("é", 2)):
            longest = "/" + letter * (room // size) + "x" * (room % size)
            self.assertEqual(len(os.fsencode(socket_path(longest, "home"))), 107)
            with self.assertRaises(ConfigError) as caught:
                socket_path(longest + "x", "home")
            line = str(caught.exception)
            self.assertIn("is 108 bytes long", line)
            self.assertIn("choose a shorter socket_dir", line)


class PrepareTests(SynchronousTestCase):
    """Creating the directory, or trusting an existing one."""

    def setUp(self) -> None:
        """A parent directory."""
        self.folder = os.path.abspath(self.mktemp())
        os.makedirs(self.folder)
        self.path = os.path.join(self.folder, "run")

    def mode(self) -> int:
        """The directory's mode."""
        return stat.S_IMODE(os.lstat(self.path).st_mode)

    def assert_refused(self, *words: str) -> None:
        """The directory is refused with one line that names it and says what to do."""
        with self.assertRaises(ConfigError) as caught:
            prepare_directory(self.path)
        line = str(caught.exception)
        self.assertEqual(len(line.splitlines()), 1)
        for word in (self.path, "; ", *words):
            self.assertIn(word, line)

    def test_made(self) -> None:
        """It is created under any umask, by default with mode 0700; only their owner can write to parents."""
        self.path = os.path.join(self.path, "deep", "down")
        previous = os.umask(0o077)
        self.addCleanup(os.umask, previous)
        prepare_directory(self.path, 0o711)
        self.assertEqual(self.mode(), 0o711)
        os.rmdir(self.path)
        os.umask(0o000)
        prepare_directory(self.path)
        self.assertEqual(self.mode(), 0o700)
        for parent in "run", "run/deep":
            self.assertEqual(stat.S_IMODE(os.stat(os.path.join(self.folder, parent)).st_mode), 0o755)
        self.assertEqual(os.umask(0o000), 0o000)

    def test_twice(self) -> None:
        """An existing directory is used as it is."""
        prepare_directory(self.path)
        with open(os.path.join(self.path, "x"), "w"):
            pass
        prepare_directory(self.path)
        self.assertEqual(os.listdir(self.path), ["x"])

    def test_modes(self) -> None:
        """A directory that others can write to is refused; other modes are accepted and never changed."""
        os.mkdir(self.path)
        for mode in (0o700, 0o750, 0o770, 0o755, 0o711, 0o2770):
            os.chmod(self.path, mode)
            prepare_directory(self.path)
            self.assertEqual(self.mode(), mode)
        for mode in (0o777, 0o1777, 0o702, 0o703, 0o773):
            os.chmod(self.path, mode)
            self.assert_refused(f"mode {mode:04o}", f"run: chmod o-w {self.path}")
            self.assertEqual(self.mode(), mode)

    def test_parents(self) -> None:
        """A directory is refused if others can write to a parent: they could put another one in its place."""
        self.path = os.path.join(self.folder, "parent", "middle", "run")
        prepare_directory(self.path)
        for parent in os.path.dirname(self.path), os.path.join(self.folder, "parent"):
            for mode, safe in ((0o777, False), (0o702, False), (0o1777, True), (0o770, True), (0o755, True)):
                os.chmod(parent, mode)
                if safe:
                    prepare_directory(self.path)
                else:
                    self.assert_refused(f"its parent {parent} (mode {mode:04o})", f"run: chmod o-w {parent}")

    def test_linked_parent(self) -> None:
        """The directory of a symbolic link on the way is checked as well as those behind it."""
        for link, target in (("open", "closed"), ("closed", "open")):
            folder = os.path.join(self.folder, link)
            os.makedirs(os.path.join(folder, "run"))
            os.makedirs(os.path.join(self.folder, target, link, "run"), 0o700)
            os.symlink(os.path.join(self.folder, target, link), os.path.join(folder, "link"))
            for each in "open", "closed":
                os.chmod(os.path.join(self.folder, each), 0o777 if each == "open" else 0o755)
            self.path = os.path.join(folder, "link", "run")
            self.assert_refused(f"its parent {os.path.join(self.folder, 'open')} ")

    def test_symbolic_link(self) -> None:
        """A symbolic link is refused, even to a valid directory or to nothing."""
        os.mkdir(os.path.join(self.folder, "good"), 0o700)
        for target in ("good", "nothing"):
            os.symlink(target, self.path)
            self.assert_refused("is a symbolic link")
            os.unlink(self.path)
        self.assertEqual(os.listdir(self.folder), ["good"])

    def test_no_directory(self) -> None:
        """A file in place of the directory or of a parent is refused."""
        with open(self.path, "w"):
            pass
        self.assert_refused("is not a directory")
        self.path = os.path.join(self.path, "below")
        self.assert_refused("cannot be made")
        self.path = os.path.join(self.path, "further")
        self.assert_refused("cannot be made")

    def test_another_user(self) -> None:
        """A directory of another user is refused, unless that is root."""
        os.mkdir(self.path, 0o700)
        owner = os.stat(self.path).st_uid
        self.patch(os, "geteuid", lambda: owner + 1)
        if owner == 0:
            prepare_directory(self.path)
            os.chown(self.path, 4242, -1)
            owner = 4242
        self.assert_refused(f"belongs to another user (uid {owner})")


class NamesTests(SynchronousTestCase):
    """The services in the directory."""

    def test_names(self) -> None:
        """Service names come from the file names of sockets, sorted; other files are ignored."""
        folder = self.mktemp()
        os.makedirs(folder)
        for name in (
            "service_user.sock", "service_home.sock", "service_a-b_2.sock", "service_.sock", "service_X.sock",
            "service_home.sock.lock", "xservice_home.sock", "home.sock", ".auth_token", "service_a.b.sock",
            "service_home.sock\n",
        ):  # fmt: skip
            with open(os.path.join(folder, name), "w"):
                pass
        self.assertEqual(service_names(folder), ["a-b_2", "home", "user"])

    def test_found_again(self) -> None:
        """A service is found by the path that it listens on."""
        folder = self.mktemp()
        os.makedirs(folder)
        with open(socket_path(folder, "home"), "w"):
            pass
        self.assertEqual(service_names(folder), ["home"])

    def test_nothing(self) -> None:
        """A missing directory has no services; an unreadable one is an error."""
        self.assertEqual(service_names(self.mktemp()), [])
        path = self.mktemp()
        with open(path, "w"):
            pass
        with self.assertRaises(ConfigError) as caught:
            service_names(path)
        self.assertIn("cannot be read: Not a directory", str(caught.exception))

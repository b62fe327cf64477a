"""The token file, and other places that the shared token comes from."""

from __future__ import annotations

import contextlib
import os
import stat
import threading
from collections.abc import Callable

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from unixsvc.errors import ConfigError
from unixsvc.security import token_file
from unixsvc.security.token_file import (
    SharedToken,
    external_token,
    file_version,
    is_published,
    load_or_create_token,
    read_token,
    write_private,
)

TOKEN = "ab" * 32


class TokenFileTests(SynchronousTestCase):
    """The token file."""

    def setUp(self) -> None:
        """An empty folder."""
        self.folder = self.mktemp()
        os.makedirs(self.folder)
        self.path = os.path.join(self.folder, ".auth_token")

    def write(self, text: str, mode: int = 0o600) -> None:
        """Write the file."""
        with open(self.path, "w") as file:
            file.write(text)
        os.chmod(self.path, mode)

    def assert_refused(self, *words: str, by: Callable[[str], str] | None = None) -> None:
        """The file is refused with one line that names it, and is not changed."""
        before = os.lstat(self.path) if os.path.lexists(self.path) else None
        for use in (by,) if by else (read_token, load_or_create_token):
            with self.assertRaises(ConfigError) as caught:
                use(self.path)
            line = str(caught.exception)
            self.assertEqual(len(line.splitlines()), 1)
            for word in (self.path, *words):
                self.assertIn(word, line)
            self.assertNotIn(TOKEN, line)
        after = os.lstat(self.path) if os.path.lexists(self.path) else None
        self.assertEqual(before and (before.st_ino, before.st_mode), after and (after.st_ino, after.st_mode))

    def test_made(self) -> None:
        """The first start creates the token: 32 random bytes in hex, mode 0600, no other file."""
        for umask in (0o000, 0o022, 0o077):
            previous = os.umask(umask)
            self.addCleanup(os.umask, previous)
            token = load_or_create_token(self.path)
            self.assertRegex(token, r"\A[0-9a-f]{64}\Z")
            self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), 0o600)
            self.assertEqual(os.listdir(self.folder), [".auth_token"])
            os.umask(previous)
            os.unlink(self.path)

    def test_random(self) -> None:
        """Two tokens differ."""
        tokens = set()
        for _ in range(5):
            tokens.add(load_or_create_token(self.path))
            os.unlink(self.path)
        self.assertEqual(len(tokens), 5)

    def test_kept(self) -> None:
        """An existing token is read, not replaced."""
        token = load_or_create_token(self.path)
        self.assertEqual(load_or_create_token(self.path), token)
        self.assertEqual(read_token(self.path), token)

    def test_written_by_hand(self) -> None:
        """A token may be written by hand, with or without a line end; mode 0400 is accepted."""
        for text, mode in ((TOKEN, 0o600), (TOKEN + "\n", 0o400), (f" {TOKEN}\r\n", 0o600)):
            self.write(text, mode)
            self.assertEqual(read_token(self.path), TOKEN)
            os.unlink(self.path)

    def test_race(self) -> None:
        """Processes that create it at once all get the first one's token; no draft file is left."""
        start, found = threading.Barrier(8), []

        def make() -> None:
            start.wait(10)
            found.append(load_or_create_token(self.path))

        threads = [threading.Thread(target=make) for _ in range(8)]
        for each in threads:
            each.start()
        for each in threads:
            each.join(10)
        self.assertEqual((len(found), set(found)), (8, {read_token(self.path)}))
        self.assertEqual(os.listdir(self.folder), [".auth_token"])

    def test_second_of_two(self) -> None:
        """A process that finds no file, but is not the first to create it, uses the other's."""
        self.write(TOKEN)
        token_file._create(self.path)
        self.assertEqual(read_token(self.path), TOKEN)
        self.assertEqual(os.listdir(self.folder), [".auth_token"])

    def test_missing(self) -> None:
        """A missing file's error says when it is created."""
        self.assert_refused("there is no token", "when the orchestrator first starts; be in", by=read_token)

    def test_modes(self) -> None:
        """A file that other users can read or change is refused, with the command that repairs it."""
        for mode in (0o640, 0o604, 0o660, 0o606, 0o610, 0o644, 0o601, 0o777):
            self.write(TOKEN, mode)
            self.assert_refused(f"mode {mode:04o}", f"run: chmod 600 {self.path}")
            os.unlink(self.path)

    def test_published(self) -> None:
        """A file of root that is read-only for everybody may be read by all, as secrets of containers are."""
        if os.geteuid() != 0:
            raise SkipTest("only root can make a file of root")
        for mode in (0o444, 0o440):
            self.write(TOKEN, mode)
            self.assertEqual(read_token(self.path), TOKEN)
            self.assertTrue(is_published(self.path))
            os.chown(self.path, 4242, -1)
            self.assert_refused("belongs to another user")
            self.patch(os, "geteuid", lambda: 4242)
            self.assert_refused(f"mode {mode:04o}", "chmod 600")
            self.patch(os, "geteuid", lambda: 0)
            os.unlink(self.path)
        for mode in (0o400, 0o600, 0o644):
            self.write(TOKEN, mode)
            self.assertFalse(is_published(self.path))
            os.unlink(self.path)

    def test_foreign_content(self) -> None:
        """Other content is neither used nor replaced; the error says what a token looks like."""
        for text in (
            "",
            "\n",
            TOKEN[:-1],
            TOKEN + "0",
            TOKEN.upper(),
            "password",
            f"{TOKEN}\n{TOKEN}",
            "x" * 9999,
        ):
            self.write(text)
            self.assert_refused("holds no token", "64 hexadecimal digits (0-9, a-f)", "openssl rand -hex 32")
        self.write("é" * 32)
        self.assert_refused("cannot be read")

    def test_symbolic_link(self) -> None:
        """A symbolic link is not followed, even to a valid token or to nothing."""
        target = os.path.join(self.folder, "other")
        load_or_create_token(target)
        for name in ("other", "nothing"):
            os.symlink(name, self.path)
            self.assert_refused("cannot be read")
            os.unlink(self.path)
        self.assertFalse(os.path.exists(os.path.join(self.folder, "nothing")))

    def test_no_file(self) -> None:
        """A directory is refused, and a named pipe without waiting for its other end; neither stays open."""
        os.mkdir(self.path, 0o700)
        self.assert_refused("Is a directory")
        os.rmdir(self.path)
        os.mkfifo(self.path, 0o600)
        self.assert_refused("is not a regular file")
        for number in os.listdir("/proc/self/fd"):
            with contextlib.suppress(FileNotFoundError):  # that of the list itself
                self.assertNotIn(self.path, os.readlink(f"/proc/self/fd/{number}"))

    def test_another_user(self) -> None:
        """A file of another user is refused, unless that user is root."""
        self.write(TOKEN)
        owner = os.stat(self.path).st_uid
        self.patch(os, "geteuid", lambda: owner + 1)
        if owner == 0:
            self.assertEqual(read_token(self.path), TOKEN)
            os.chown(self.path, 4242, -1)
            owner = 4242
        self.assert_refused(f"belongs to another user (uid {owner})")

    def test_not_for_us(self) -> None:
        """An unreadable file's error says which user to run as."""

        def no_permission(path: str, flags: int) -> int:
            raise PermissionError

        self.write(TOKEN)
        self.patch(os, "open", no_permission)
        self.assert_refused("may not be read", "run as the user of the orchestrator")

    def test_no_folder(self) -> None:
        """A failure to create it is reported."""
        self.path = os.path.join(self.folder, "no", "folder")
        self.assert_refused("the token cannot be made: No such file", by=load_or_create_token)


class ReplaceTests(SynchronousTestCase):
    """Replacing a file with a secret."""

    def setUp(self) -> None:
        """An empty folder."""
        self.folder = self.mktemp()
        os.makedirs(self.folder)
        self.path = os.path.join(self.folder, "secret")

    def test_replaced(self) -> None:
        """The file is replaced as a whole, with mode 0600, also if there was none; no draft stays."""
        for text in ("first", "second"):
            write_private(self.path, text)
            with open(self.path) as file:
                self.assertEqual(file.read(), text)
            self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), 0o600)
            self.assertEqual(os.listdir(self.folder), ["secret"])

    def test_failure(self) -> None:
        """If it cannot be replaced, the old one and no draft is left."""
        os.mkdir(self.path)
        self.assertRaises(OSError, write_private, self.path, "text")
        self.assertEqual(os.listdir(self.folder), ["secret"])

    def test_version(self) -> None:
        """The version changes when the file is replaced or removed."""
        versions = [file_version(self.path)]
        for text in ("a", "b"):
            write_private(self.path, text)
            versions.append(file_version(self.path))
        self.assertEqual(len(set(versions)), 3)
        self.assertIsNone(versions[0])
        self.assertEqual(file_version(self.path), versions[2])


class ExternalTests(SynchronousTestCase):
    """Tokens that are not in the token file."""

    def test_none(self) -> None:
        """Without the variable and without the credential there is none."""
        self.assertIsNone(external_token({}))
        self.assertIsNone(external_token({"CREDENTIALS_DIRECTORY": self.mktemp()}))
        self.assertIsNone(external_token({"CREDENTIALS_DIRECTORY": ""}))

    def test_credential(self) -> None:
        """The credential ``unixsvc-token`` of systemd is read, with the checks of a token file."""
        directory = self.mktemp()
        os.makedirs(directory)
        path = os.path.join(directory, "unixsvc-token")
        write_private(path, TOKEN)
        found = external_token({"CREDENTIALS_DIRECTORY": directory})
        self.assertEqual(found, SharedToken(TOKEN, path, path))
        self.assertNotIn(TOKEN, repr(found))
        write_private(path, "password")
        error = self.assertRaises(ConfigError, external_token, {"CREDENTIALS_DIRECTORY": directory})
        self.assertIn(f"{path}: holds no token", str(error))

    def test_variable(self) -> None:
        """The environment variable comes first; a wrong one is refused, and not shown."""
        environ = {"UNIXSVC_TOKEN": TOKEN, "CREDENTIALS_DIRECTORY": "/nowhere"}
        self.assertEqual(
            external_token(environ), SharedToken(TOKEN, "the environment variable UNIXSVC_TOKEN")
        )
        for wrong in ("", "secret", TOKEN.upper(), TOKEN + "\n"):
            error = self.assertRaises(ConfigError, external_token, {"UNIXSVC_TOKEN": wrong})
            self.assertEqual(
                str(error),
                "the environment variable UNIXSVC_TOKEN: is not a token; "
                "a token is 64 hexadecimal digits (0-9, a-f), as 'openssl rand -hex 32' prints them",
            )

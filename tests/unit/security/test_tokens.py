"""The token file and the authentication of requests."""

from __future__ import annotations

import hmac
import os
import stat
import threading
from collections.abc import Callable

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.domain.message import Caller, Request
from unixsvc.errors import ConfigError, Unauthorized
from unixsvc.security import tokens
from unixsvc.security.tokens import TokenGuard, load_or_create_token, read_token

TOKEN, OLD = "ab" * 32, "cd" * 32


class GuardTests(SynchronousTestCase):
    """Which requests are authenticated."""

    def admit(self, guard: TokenGuard, token: str | None, caller: Caller | None = None) -> str:
        """The reason of a refusal, or whether the caller is trusted afterwards."""
        request = Request("GET", "/", auth_token=token, caller=caller or Caller())
        try:
            guard.admit(request)
        except Unauthorized as error:
            self.assertFalse(request.caller.trusted)
            return str(error.detail)
        return "trusted" if request.caller.trusted else "not trusted"

    def test_policies(self) -> None:
        """Each policy with no token, the current, the previous and a wrong one."""
        missing, wrong = "auth_token is missing", "auth_token is wrong"
        for policy, token, outcome in (
            ("required", None, missing), ("private", None, "not trusted"), ("off", None, "trusted"),
            ("required", TOKEN, "trusted"), ("private", TOKEN, "trusted"), ("off", TOKEN, "trusted"),
            ("required", OLD, "trusted"), ("private", OLD, "trusted"),
            ("required", "", wrong), ("private", "", wrong), ("off", "nonsense", "trusted"),
            ("required", TOKEN[:-1], wrong), ("required", TOKEN + "a", wrong),
            ("private", TOKEN.upper(), wrong), ("required", " " + TOKEN, wrong),
            ("required", TOKEN + "\n", wrong), ("required", TOKEN + OLD, wrong),
        ):  # fmt: skip
            self.assertEqual(self.admit(TokenGuard(policy, [TOKEN, OLD]), token), outcome, (policy, token))

    def test_identity(self) -> None:
        """A caller that presents the shared token is ``default``; with a wrong one it stays anonymous."""
        for policy, token, name in (
            ("required", TOKEN, "default"), ("private", TOKEN, "default"), ("required", OLD, "default"),
            ("required", "wrong", None), ("private", "wrong", None), ("private", None, None),
            ("off", TOKEN, None), ("off", None, None),
        ):  # fmt: skip
            caller = Caller()
            self.admit(TokenGuard(policy, [TOKEN, OLD]), token, caller)
            self.assertEqual(caller.token, name, (policy, token))

    def test_tokens_that_are_no_ascii(self) -> None:
        """Any text is a wrong token, not an internal error."""
        guard = TokenGuard("required", [TOKEN])
        for token in ("é", "ab" * 31 + "é", "\0", "\ud800", "٣" * 64, "🔑"):
            self.assertEqual(self.admit(guard, token), "auth_token is wrong")

    def test_no_tokens(self) -> None:
        """Without a valid token, every token is wrong."""
        for token in ("", TOKEN, None):
            self.assertNotEqual(self.admit(TokenGuard("required", []), token), "trusted")

    def test_wrong_tokens_are_counted(self) -> None:
        """Each wrong token is counted for its caller; a missing one is not."""
        for policy in ("required", "private"):
            guard, caller, other = TokenGuard(policy, [TOKEN]), Caller(), Caller()
            for token in ("wrong", None, "", "wrong", None):
                self.admit(guard, token, caller)
            self.assertEqual((caller.wrong_tokens, other.wrong_tokens), (3, 0))
            self.assertEqual(self.admit(guard, TOKEN, caller), "trusted")
            self.assertEqual(caller.wrong_tokens, 3)

    def test_constant_time(self) -> None:
        """Each valid token is compared by the constant-time function, whichever is right."""
        compared: list[tuple[bytes, bytes]] = []
        real = hmac.compare_digest

        def watched(a: bytes, b: bytes) -> bool:
            compared.append((a, b))
            return real(a, b)

        self.patch(hmac, "compare_digest", watched)
        guard = TokenGuard("required", [TOKEN, OLD])
        for token in (TOKEN, OLD, "x"):
            compared.clear()
            self.admit(guard, token)
            self.assertEqual(compared, [(token.encode(), TOKEN.encode()), (token.encode(), OLD.encode())])


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
        tokens._create(self.path)
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

    def test_foreign_content(self) -> None:
        """Other content is neither used nor replaced."""
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
            self.assert_refused("holds no token")
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
        """A directory is refused, and a named pipe without waiting for its other end."""
        os.mkdir(self.path, 0o700)
        self.assert_refused("Is a directory")
        os.rmdir(self.path)
        os.mkfifo(self.path, 0o600)
        self.assert_refused("is no regular file")

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

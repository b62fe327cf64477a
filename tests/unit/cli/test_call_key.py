"""``unixsvc call`` with an idempotency key, or with a token that is rejected."""

from __future__ import annotations

import os

from tests.unit.cli.command_runner import TOKEN, CommandTestCase, failure


class KeyTests(CommandTestCase):
    def test_sent(self) -> None:
        """The key is sent in the meta of the request, which may then be retried."""
        self.run_command("call", "user", "POST", "/user", "name=Ada", "--idempotency-key", "k 1")
        self.run_command("call", "user", "POST", "/user", "name=Ada")
        keys = [each.call.meta.get("idempotency_key") for each in self.calls]
        self.assertEqual(keys, ["k 1", None])
        self.assertEqual([each.retry for each in self.calls], [True, False])


class RejectedTokenTests(CommandTestCase):
    def test_wrong(self) -> None:
        """If the token is rejected, the error names its file."""
        self.answer = failure(401, "auth_token is wrong")
        file = os.path.join(self.folder, ".auth_token")
        for words in (["call", "home", "/"], ["routes", "home"]):
            outcome = self.run_command(*words)
            expected = f"401 Unauthorized: auth_token is wrong; the token was read from {file}\n"
            self.assertError(outcome, 4, expected)
            self.assertNotIn(TOKEN, outcome.err)

    def test_none(self) -> None:
        """If no token was found, the error says why, and what to do."""
        os.unlink(os.path.join(self.folder, ".auth_token"))
        self.configure(
            'socket_dir = "."', "[security]", 'token = "private"', "[services.home]", 'app = "x:y"'
        )
        self.answer = failure(401)
        outcome = self.run_command("call", "home", "/")
        self.assertError(outcome, 4, "auth_token is missing; none was sent, as ", "; use the")

    def test_other(self) -> None:
        """Another error 401 of a service is printed without change."""
        self.answer = failure(401, "who are you?")
        self.assertError(self.run_command("call", "home", "/"), 4, "401 Unauthorized: who are you?\n")


class NoDirectoryTests(CommandTestCase):
    def test_ls(self) -> None:
        """``ls`` fails if the socket directory does not exist; an empty one is no error."""
        nowhere = os.path.join(self.folder, "nowhere")
        outcome = self.run_command("ls", "--socket-dir", nowhere)
        self.assertError(outcome, 2, f"{nowhere}: the directory does not exist; start", "--socket-dir")
        os.mkdir(nowhere)
        outcome = self.run_command("ls", "--socket-dir", nowhere)
        self.assertEqual((outcome.code, outcome.out), (0, ""))

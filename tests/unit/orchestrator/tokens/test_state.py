"""The file with the previous and the revoked tokens."""

from __future__ import annotations

import os
import stat

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.errors import ConfigError
from unixsvc.orchestrator.tokens.state import (
    PreviousToken,
    RevokedToken,
    TokenState,
    load_state,
    save_state,
    state_path,
)

STATE = TokenState((PreviousToken("ab" * 32, 100.0),), (RevokedToken("billing", "cd" * 32),))


class StateTests(SynchronousTestCase):
    """Storing and loading."""

    def setUp(self) -> None:
        """An empty folder."""
        self.folder = self.mktemp()
        os.makedirs(self.folder)
        self.path = os.path.join(self.folder, ".auth_token.state")

    def assert_refused(self, problem: str) -> None:
        """The file is not used; the error says what follows from its removal."""
        error = self.assertRaises(ConfigError, load_state, self.path)
        self.assertIn(f"{self.path}: {problem}", str(error))
        self.assertIn("remove it, and revoked tokens are valid again", str(error))

    def test_path(self) -> None:
        """The file is beside the token file."""
        self.assertEqual(state_path("/etc/shop/.auth_token"), "/etc/shop/.auth_token.state")

    def test_stored(self) -> None:
        """What is stored is loaded; the file has mode 0600."""
        save_state(self.path, STATE)
        self.assertEqual(load_state(self.path), STATE)
        self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), 0o600)

    def test_none(self) -> None:
        """Without a file, no token is revoked."""
        self.assertEqual(load_state(self.path), TokenState())

    def test_damaged(self) -> None:
        """A damaged file is an error, as revocations would get lost."""
        for content in ("", "{", '{"revoked": [{"name": 7}]}', "\udcff"):
            with open(self.path, "w", errors="surrogateescape") as file:
                file.write(content)
            self.assert_refused("is damaged: ")

    def test_foreign(self) -> None:
        """A file that others can write, or that is no file, is an error."""
        save_state(self.path, STATE)
        os.chmod(self.path, 0o620)
        self.assert_refused("is not a file that only its owner can write")
        os.unlink(self.path)
        os.symlink("/nowhere", self.path)
        self.assert_refused("cannot be read: ")
        os.unlink(self.path)
        os.mkfifo(self.path, 0o600)
        self.assert_refused("is not a file that only its owner can write")

    def test_expired(self) -> None:
        """Previous tokens leave the state at the end of their time; revocations stay."""
        self.assertEqual(STATE.without_expired(99.9), STATE)
        self.assertEqual(STATE.without_expired(100.0), TokenState((), STATE.revoked))

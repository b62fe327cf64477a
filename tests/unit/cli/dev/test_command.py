"""``unixsvc dev`` before it starts anything."""

from __future__ import annotations

from tests.unit.cli.command_runner import CommandTestCase
from tests.unit.support.hidden_module import hide_module


class DevTests(CommandTestCase):
    def test_not_installed(self) -> None:
        """Without watchfiles, one line says what to install."""
        hide_module(self, "watchfiles")
        outcome = self.run_command("dev")
        self.assertEqual((outcome.code, outcome.out, outcome.err.count("\n")), (2, "", 1))
        self.assertIn("watchfiles is not installed; install it with: pip install 'unixsvc[dev]'", outcome.err)

    def test_wrong_configuration(self) -> None:
        """A wrong configuration is one line."""
        self.configure("oops")
        outcome = self.run_command("dev", "--no-reload")
        self.assertEqual((outcome.code, outcome.out, outcome.err.count("\n")), (2, "", 1))
        self.assertIn("not valid TOML", outcome.err)

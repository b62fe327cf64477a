"""Tests of ``unixsvc debug`` without a terminal; with one, see ``tests.functional.test_debug``."""

from __future__ import annotations

from tests.unit.cli.command_runner import CommandTestCase


class DebugTests(CommandTestCase):
    """The command."""

    def test_no_terminal(self) -> None:
        """Without a terminal nothing is asked of the orchestrator; the error says how to get one."""
        outcome = self.run_command("debug", "home")
        self.assertEqual((outcome.code, outcome.out, self.calls), (2, "", []))
        self.assertIn("not a terminal; run it in one; ssh and docker exec need the option -t", outcome.err)

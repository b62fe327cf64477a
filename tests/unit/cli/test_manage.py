"""Commands for the control API: ``unixsvc reload`` and others."""

from __future__ import annotations

import os
from typing import Any

import msgspec

from tests.unit.cli.command_runner import CommandTestCase, failure


class ManageTests(CommandTestCase):
    """Each command is one request to the control service, with a long timeout."""

    def setUp(self) -> None:
        """Start an orchestrator."""
        super().setUp()
        self.write("service_orchestrator.sock")

    def assertSends(
        self, words: list[str], method: str, path: str, data: dict[str, Any], message: str
    ) -> None:
        """The command sends this request, and reports success."""
        self.calls.clear()
        outcome = self.run_command(*words)
        self.assertEqual((outcome.code, outcome.out, outcome.err), (0, message + "\n", ""))
        [recorded] = self.calls
        call = recorded.call
        self.assertEqual(os.path.basename(recorded.path), "service_orchestrator.sock")
        self.assertEqual((call.method, call.path, msgspec.json.decode(call.data)), (method, path, data))
        self.assertGreater(recorded.timeout, 3600)

    def test_all_or_one(self) -> None:
        """A command applies to all services, or to one."""
        for word, done in (
            ("reload", "reloaded"),
            ("restart", "restarted"),
            ("start", "started"),
            (
                "stop",
                "stopped",
            ),
        ):
            self.assertSends([word], "POST", f"/{word}", {"service": ""}, f"{done} all services")
            self.assertSends([word, "home"], "POST", f"/{word}", {"service": "home"}, f"{done} home")

    def test_scale(self) -> None:
        """The number of workers must be in range."""
        expected = {"service": "home", "workers": 3}
        self.assertSends(["scale", "home", "3"], "POST", "/scale", expected, "home has 3 workers")
        expected["workers"] = 1
        self.assertSends(["scale", "home", "1"], "POST", "/scale", expected, "home has 1 worker")
        for number in "0", "-1", "many", "1025":
            self.assertError(self.run_command("scale", "home", "--", number), 2, number)
        self.assertError(self.run_command("scale", "home"), 2, "WORKERS")

    def test_log_level(self) -> None:
        """The log level must be a known one."""
        self.assertSends(
            ["log-level", "debug"], "PUT", "/log/level", {"level": "debug"}, "logs debug and above"
        )
        self.assertError(self.run_command("log-level", "loud"), 2, "loud", "debug")

    def test_error(self) -> None:
        """The error of the orchestrator is one line."""
        self.answer = failure(409, "services.home: cannot start: no disk; the old ones stay")
        self.assertError(self.run_command("reload"), 4, "cannot start: no disk; the old ones stay")

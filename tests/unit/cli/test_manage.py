"""``unixsvc reload`` and what else the orchestrator is told."""

from __future__ import annotations

import os
from typing import Any

import msgspec

from tests.unit.cli.command_runner import CommandTestCase, failure


class ManageTests(CommandTestCase):
    """Each command is one request to the control service, and waits for as long as it takes."""

    def setUp(self) -> None:
        """Have an orchestrator."""
        super().setUp()
        self.write("service_orchestrator.sock")

    def assertTells(self, words: list[str], method: str, path: str, data: dict[str, Any], said: str) -> None:
        """The command sends this, and says that it is done."""
        self.calls.clear()
        outcome = self.run_command(*words)
        self.assertEqual((outcome.code, outcome.out, outcome.err), (0, said + "\n", ""))
        [recorded] = self.calls
        call = recorded.call
        self.assertEqual(os.path.basename(recorded.path), "service_orchestrator.sock")
        self.assertEqual((call.method, call.path, msgspec.json.decode(call.data)), (method, path, data))
        self.assertGreater(recorded.timeout, 3600)

    def test_all_or_one(self) -> None:
        """Of all services, or of one."""
        for word, done in (
            ("reload", "reloaded"),
            ("restart", "restarted"),
            ("start", "started"),
            (
                "stop",
                "stopped",
            ),
        ):
            self.assertTells([word], "POST", f"/{word}", {"service": ""}, f"{done} all services")
            self.assertTells([word, "home"], "POST", f"/{word}", {"service": "home"}, f"{done} home")

    def test_scale(self) -> None:
        """The number is one, and not a silly one."""
        expected = {"service": "home", "workers": 3}
        self.assertTells(["scale", "home", "3"], "POST", "/scale", expected, "home has 3 workers")
        expected["workers"] = 1
        self.assertTells(["scale", "home", "1"], "POST", "/scale", expected, "home has 1 worker")
        for number in "0", "-1", "many", "1025":
            self.assertComplains(self.run_command("scale", "home", "--", number), 2, number)
        self.assertComplains(self.run_command("scale", "home"), 2, "WORKERS")

    def test_log_level(self) -> None:
        """A level that there is."""
        self.assertTells(
            ["log-level", "debug"], "PUT", "/log/level", {"level": "debug"}, "logs debug and above"
        )
        self.assertComplains(self.run_command("log-level", "loud"), 2, "loud", "debug")

    def test_refused(self) -> None:
        """What the orchestrator cannot do is one line, with its reason."""
        self.answer = failure(409, "services.home: cannot start: no disk; the old ones stay")
        self.assertComplains(self.run_command("reload"), 4, "cannot start: no disk; the old ones stay")

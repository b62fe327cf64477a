"""The page about upgrades, under a real systemd."""

from __future__ import annotations

from tests.functional.systemd_case import MachineTestCase


class UpgradeTests(MachineTestCase):
    """Two versions of unixsvc side by side."""

    def program(self) -> str:
        """The environment that the orchestrator runs in."""
        pid = self.machine.run("systemctl", "show", "--property=MainPID", "--value", "unixsvc")
        environment = self.machine.run("cat", f"/proc/{pid}/cmdline").split("\0")[1].partition("/bin/")[0]
        return self.machine.run("readlink", "-f", environment)

    def test_page(self) -> None:
        """No call is lost by an upgrade and by going back, as clients wait in the backlog."""
        for version in "0.2.0", "0.3.0":
            self.machine.make_environment(f"/opt/unixsvc/{version}")
        self.machine.run("rm", "-r", "/opt/unixsvc/.venv")
        self.machine.run("ln", "-s", "0.2.0", "/opt/unixsvc/.venv")
        self.configure()
        self.follow("systemd", "Start")
        load = self.load()
        self.follow("upgrading", "Switch and restart")
        load.further(50)
        self.assertEqual(self.program(), "/opt/unixsvc/0.3.0")
        self.follow("upgrading", "Go back")
        load.further(50)
        self.assertEqual(self.program(), "/opt/unixsvc/0.2.0")
        outcome = load.stop()
        self.assertEqual((outcome.failures, outcome.failed), (0, []))

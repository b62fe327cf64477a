"""The units in ``deploy/systemd`` under a real systemd, with the commands of their page."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from twisted.trial.unittest import SynchronousTestCase

from tests.examples.blocks import ROOT
from tests.functional.load_harness import Load
from tests.functional.systemd_machine import SystemdMachine

_PAGE: Final = ROOT / "docs" / "how-to" / "systemd.rst"
_APP: Final = Path(__file__).with_name("apps") / "codes.py"
_CONFIG: Final = """\
socket_dir = "/run/{name}"
token_file = "/var/lib/{name}/.auth_token"
log.file = "/var/log/{name}/unixsvc.log"

[services.home]
app = "codes:app"
"""
_TIMEOUT: Final = 60.0  # seconds; only reached if something is broken


class MachineTestCase(SynchronousTestCase):
    """A systemd with the files that an administrator copies."""

    def setUp(self) -> None:
        """Start it, and do what the page says of an installation."""
        self.machine = SystemdMachine()
        self.addCleanup(self.machine.close)
        self.follow("Install")
        self.machine.write("/etc/unixsvc/codes.py", _APP.read_text())

    def follow(self, heading: str) -> None:
        """Run the commands of the first block under a heading of the page."""
        section = _PAGE.read_text().partition(f"\n{heading}\n---")[2]
        block = section.partition(".. code-block:: console\n\n")[2].partition("\n\n")[0]
        for line in block.splitlines():
            self.machine.run(*_as_root(line.removeprefix("    $ ")))

    def configure(self, name: str = "unixsvc", more: str = "", drop_ins: Sequence[str] = ()) -> None:
        """Write a configuration with the service ``home``.

        :param name: of its directories.
        :param more: keys of the service.
        :param drop_ins: for its unit.
        """
        instance = name.removeprefix("unixsvc-")
        self.machine.write(f"/etc/unixsvc/{instance}.toml", _CONFIG.format(name=name) + more)
        folder = f"/etc/systemd/system/{name.replace('-', '@')}.service.d"
        for each in drop_ins:
            self.machine.run(
                "install", "-D", "-m", "0644", "-t", folder, f"deploy/systemd/drop-in/{each}.conf"
            )
        self.machine.run("systemctl", "daemon-reload")

    def call(self, path: str, instance: str = "unixsvc", user: str = "unixsvc") -> str:
        """Call the service with ``unixsvc call``."""
        program = ["unixsvc", "call", "--config", f"/etc/unixsvc/{instance}.toml", "home", path]
        return self.machine.run(*_as_user(user), *program)

    def assert_unit(self, unit: str, **expected: str) -> None:
        """Compare properties of a unit."""
        found = self.machine.run("systemctl", "show", f"--property={','.join(expected)}", unit)
        self.assertEqual(dict(line.split("=", 1) for line in found.splitlines()), expected)


class ServiceTests(MachineTestCase):
    """One orchestrator."""

    def load(self) -> Load:
        """Clients that call the service without a pause."""
        token = self.machine.path("/var/lib/unixsvc/.auth_token").read_text().strip()
        path = str(self.machine.path("/run/unixsvc/service_home.sock"))
        load = Load(path, token, connections=4, timeout=_TIMEOUT)
        self.addCleanup(load.end)
        load.started(50)
        return load

    def test_life(self) -> None:
        """No call is lost by a reload, by one that fails, and by a restart with socket activation."""
        self.configure()
        self.follow("Start")
        self.assert_unit("unixsvc", ActiveState="active", SubState="running", UnitFileState="enabled")
        self.assertEqual(self.call("/item/3"), '{"id": 3}')
        load = self.load()
        for action in "reload", "restart":
            self.machine.run("systemctl", action, "unixsvc")
            load.further(50)
        with self.machine.path("/etc/unixsvc/codes.py").open("a") as file:
            file.write("oops =\n")
        self.machine.fails("systemctl", "reload", "unixsvc")
        load.further(50)
        self.assert_unit("unixsvc", ActiveState="active", NRestarts="0")
        outcome = load.stop()
        self.assertEqual((outcome.failures, outcome.failed), (0, []))
        self.machine.run("systemctl", "stop", "unixsvc")
        self.assert_unit("unixsvc", ActiveState="inactive", Result="success")
        self.assert_unit("unixsvc-home.socket", SubState="listening")

    def test_other_users(self) -> None:
        """With the drop-in, a worker runs as another user; it can be reloaded and stopped."""
        self.configure(more='user = "nobody"\ngroup = "nogroup"\n', drop_ins=["other-users"])
        self.machine.run("systemctl", "start", "unixsvc")
        for action in ("reload", "restart"):
            self.assertEqual(self.call("/item/3", user="root"), '{"id": 3}')
            self.machine.run("systemctl", action, "unixsvc")
        pid = self.machine.run("systemctl", "show", "--property=MainPID", "--value", "unixsvc")
        self.assertEqual(self.machine.run("ps", "-o", "user=", "--ppid", pid), "nobody")
        self.machine.run("systemctl", "stop", "unixsvc")
        self.assert_unit("unixsvc", Result="success")


class InstanceTests(MachineTestCase):
    """Several orchestrators."""

    def test_instances(self) -> None:
        """Two instances run side by side, each with directories, a socket unit, a credential and a log."""
        self.machine.write("/etc/unixsvc/db-password", "hunter2\n")
        self.machine.path("/etc/unixsvc/db-password").chmod(0o600)
        for color in "green", "blue":
            name = f"unixsvc-{color}"
            self.machine.path(f"/opt/{name}").symlink_to("/opt/unixsvc")
            variables = f'{{ COLOR = "{color}", PASSWORD = "${{credential:db-password}}" }}'
            self.configure(name, f"environment = {variables}\n", ["credentials", "no-network"])
        self.follow("Several orchestrators")
        self.machine.run("systemctl", "start", "unixsvc-home@green.socket", "unixsvc@green.service")
        for color in "blue", "green":
            environment = self.call("/environment", color)
            self.assertIn(f'"COLOR": "{color}"', environment)
            self.assertIn('"PASSWORD": "hunter2"', environment)
        self.rotate_logs("unixsvc-blue", "unixsvc-green")
        self.machine.run("systemctl", "stop", "unixsvc@blue")
        self.assertEqual(self.call("/item/3", "green"), '{"id": 3}')

    def rotate_logs(self, *names: str) -> None:
        """Rename the log files; logrotate's command makes each orchestrator open its own again."""
        logs = [self.machine.path(f"/var/log/{name}/unixsvc.log") for name in names]
        for log in logs:
            log.rename(log.with_name("unixsvc.log.1"))
        text = ROOT.joinpath("deploy", "unixsvc.logrotate").read_text()
        self.machine.run("sh", "-c", text.partition("postrotate\n")[2].partition("endscript")[0])
        self.eventually(lambda: all(log.exists() for log in logs))

    def eventually(self, test: Callable[[], bool]) -> None:
        """Wait until a condition holds."""
        deadline = time.monotonic() + _TIMEOUT
        while not test():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)


def _as_user(name: str) -> list[str]:
    return ["setpriv", f"--reuid={name}", f"--regid={name}", "--clear-groups"]


def _as_root(command: str) -> list[str]:
    """A command of a page without ``sudo``, which is not everywhere."""
    words = shlex.split(command)
    assert words[0] == "sudo", command
    return [*_as_user(words[2]), *words[3:]] if words[1] == "-u" else words[1:]

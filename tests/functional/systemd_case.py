"""Tests with a real systemd, and with the commands of a page."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from twisted.trial.unittest import SynchronousTestCase

from tests.examples.blocks import ROOT
from tests.functional.load_harness import Load
from tests.functional.systemd_machine import SystemdMachine

__all__ = ["CODES", "MachineTestCase"]

CODES: Final = Path(__file__).with_name("apps") / "codes.py"
"""The application ``codes``."""

_PAGES: Final = ROOT / "docs" / "how-to"
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
        self.follow("systemd", "Install", "The user, the directories and the units")
        self.machine.write("/etc/unixsvc/codes.py", CODES.read_text())

    def follow(self, page: str, heading: str, after: str = "") -> None:
        """Run the commands of the first block under a heading of a page.

        :param after: a text after the heading, which the block follows.
        """
        section = f"\n{_PAGES.joinpath(f'{page}.rst').read_text()}".partition(f"\n{heading}\n")[2]
        section = section[section.index(after) :]
        block = section.partition(".. code-block:: console\n\n")[2].partition("\n\n")[0]
        self.assertNotEqual(block, "", heading)
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
        self.add_drop_ins(name, drop_ins)

    def add_drop_ins(self, name: str, drop_ins: Sequence[str]) -> None:
        """Install files of the folder of drop-ins for a unit, and make systemd read the units again."""
        folder = f"/etc/systemd/system/{name.replace('-', '@')}.service.d"
        for each in drop_ins:
            self.machine.run(
                "install", "-D", "-m", "0644", "-t", folder, f"deploy/systemd/drop-in/{each}.conf"
            )
        self.machine.run("systemctl", "daemon-reload")

    def call(self, path: str, instance: str = "unixsvc", user: str = "unixsvc", service: str = "home") -> str:
        """Call the service with ``unixsvc call``."""
        program = ["unixsvc", "call", "--config", f"/etc/unixsvc/{instance}.toml", service, path]
        return self.machine.run(*_as_user(user), *program)

    def assert_unit(self, unit: str, **expected: str) -> None:
        """Compare properties of a unit."""
        found = self.machine.run("systemctl", "show", f"--property={','.join(expected)}", unit)
        self.assertEqual(dict(line.split("=", 1) for line in found.splitlines()), expected)

    def load(self, service: str = "home") -> Load:
        """Clients that call the service without a pause."""
        token = self.machine.path("/var/lib/unixsvc/.auth_token").read_text().strip()
        path = str(self.machine.path(f"/run/unixsvc/service_{service}.sock"))
        load = Load(path, token, connections=4, timeout=_TIMEOUT)
        self.addCleanup(load.end)
        load.started(50)
        return load


def _as_user(name: str) -> list[str]:
    return ["setpriv", f"--reuid={name}", f"--regid={name}", "--clear-groups"]


def _as_root(command: str) -> list[str]:
    """A command of a page without ``sudo``, which is not everywhere."""
    words = shlex.split(command)
    assert words[0] == "sudo", command
    return [*_as_user(words[2]), *words[3:]] if words[1] == "-u" else words[1:]

"""Debian's logrotate, with the configuration in ``deploy``."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.examples.blocks import ROOT
from tests.functional.debian_packages import DebianProgram

__all__ = ["Logrotate"]

_PACKAGES: Final = ("logrotate", "libpopt0")
_LOGS: Final = "/var/log/unixsvc/*.log /var/log/unixsvc-*/*.log"
# tests.functional.test_real_systemd executes it.
_SIGNAL: Final = "systemctl kill --kill-whom=main --signal=USR1 'unixsvc[.@]*service'"


class Logrotate:
    """Rotates a log file as ``deploy/unixsvc.logrotate`` says, at once instead of daily.

    :param folder: for the program, unless it is installed, and for its files.
    :param log: the path of the log file.
    :param pid: of the process that systemctl would signal.
    """

    def __init__(self, folder: str, log: str, pid: int) -> None:
        self._folder = folder
        self._program = DebianProgram("logrotate", _PACKAGES, folder)
        text = Path(ROOT, "deploy", "unixsvc.logrotate").read_text()
        owner = Path(folder)
        for documented, here in (
            (f"\n{_LOGS} {{", f"\n{log} {{"),
            ("su unixsvc unixsvc", f"su {owner.owner()} {owner.group()}"),
            (_SIGNAL, f"kill -USR1 {pid}"),
        ):
            assert documented in text, documented
            text = text.replace(documented, here)
        self._configuration = Path(folder, "logrotate.conf")
        self._configuration.write_text(text)
        self._configuration.chmod(0o600)

    def run(self) -> None:
        """Rotate."""
        done = self._program.run("--force", "--state", f"{self._folder}/state", str(self._configuration))
        if done.returncode or done.stderr:
            raise AssertionError(f"logrotate has failed: {done.stderr.decode()}")

"""Debian's logrotate, with the configuration in ``deploy``."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

from twisted.trial.unittest import SkipTest

from tests.examples.blocks import ROOT

__all__ = ["Logrotate"]

_PACKAGES: Final = ("logrotate", "libpopt0")
_SIGNAL: Final = "systemctl kill --kill-whom=main --signal=USR1 unixsvc.service"


class Logrotate:
    """Rotates a log file as ``deploy/unixsvc.logrotate`` says, at once instead of daily.

    :param folder: for the program, unless it is installed, and for its files.
    :param log: the path of the log file.
    :param pid: of the process that systemctl would signal.
    """

    def __init__(self, folder: str, log: str, pid: int) -> None:
        self._folder = folder
        self._program = shutil.which("logrotate") or _extract(folder)
        text = Path(ROOT, "deploy", "unixsvc.logrotate").read_text()
        owner = Path(folder)
        for documented, here in (
            ("\n/var/log/unixsvc/unixsvc.log {", f"\n{log} {{"),
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
        libraries = os.pathsep.join(map(str, Path(self._folder).glob("usr/lib/*-linux-gnu")))
        command = [self._program, "--force", "--state", f"{self._folder}/state", str(self._configuration)]
        done = subprocess.run(
            command, env={**os.environ, "LD_LIBRARY_PATH": libraries}, capture_output=True, text=True
        )
        if done.returncode or done.stderr:
            raise AssertionError(f"logrotate has failed: {done.stderr}")


def _extract(folder: str) -> str:
    """Take the program from Debian's packages: to install them would need cron."""
    if shutil.which("apt-get") is None:
        raise SkipTest("logrotate is not installed")
    download = ["apt-get", "download", *_PACKAGES]
    if subprocess.run(download, cwd=folder, capture_output=True).returncode:
        if os.geteuid() == 0:
            subprocess.run(["apt-get", "update"], check=True)
        subprocess.run(download, cwd=folder, check=True)
    for package in Path(folder).glob("*.deb"):
        subprocess.run(["dpkg-deb", "--extract", package, folder], check=True)
    return f"{folder}/usr/sbin/logrotate"

"""Programs out of Debian's packages, for tests with the real ones."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from twisted.trial.unittest import SkipTest

from tests.install_program import APT_GET

__all__ = ["DebianProgram"]


class DebianProgram:
    """A program that is installed, or else taken from its packages without installing these.

    :param name: of the program.
    :param packages: the package with the program, and those with its libraries.
    :param folder: for the content of the packages.
    :raises SkipTest: if it is not installed, and there is no apt-get.
    """

    def __init__(self, name: str, packages: Sequence[str], folder: str) -> None:
        self._folder = folder
        self._path = shutil.which(name) or self._extract(name, packages)

    def run(self, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """Run the program to its end."""
        command = [self._path, *arguments]
        return subprocess.run(command, env=self._environment(), input=stdin, capture_output=True, timeout=60)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start the program, with its standard error in a pipe."""
        command = [self._path, *arguments]
        return subprocess.Popen(
            command, env=self._environment(), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )

    def _environment(self) -> dict[str, str]:
        libraries = os.pathsep.join(map(str, Path(self._folder).glob("usr/lib/*-linux-gnu")))
        return {**os.environ, "LD_LIBRARY_PATH": libraries}

    def _extract(self, name: str, packages: Sequence[str]) -> str:
        if shutil.which("apt-get") is None:
            raise SkipTest(f"{name} is not installed, and there is no apt-get to download it with")
        download = [*APT_GET, "download", *packages]
        if subprocess.run(download, cwd=self._folder, capture_output=True).returncode:
            if os.geteuid() == 0:
                subprocess.run([*APT_GET, "update"], check=True)
            subprocess.run(download, cwd=self._folder, check=True)
        for package in Path(self._folder).glob("*.deb"):
            subprocess.run(["dpkg-deb", "--extract", package, self._folder], check=True)
        [found] = [each for each in Path(self._folder).glob(f"usr/*bin/{name}") if os.access(each, os.X_OK)]
        return str(found)

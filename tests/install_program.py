"""``python tests/install_program.py FILE PACKAGE``: installs a program of Debian if it is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

__all__ = ["APT_GET", "install_program"]

# Parts of tox that run at the same time wait for each other: apt-get itself fails if another one is at work.
APT_GET = ("flock", "/var/lib/apt/lists", "apt-get")


def install_program(file: str, package: str) -> str:
    """Install a program from Debian's packages if it is missing.

    :param file: the path of the program.
    :return: what to do if that failed; else empty.
    """
    if os.access(file, os.X_OK):
        return ""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return _instructions(file, package, "only root can install it, and only where there is apt-get")
    for command in (
        (*APT_GET, "update"),
        (*APT_GET, "install", "-y", "--no-install-recommends", package),
    ):
        done = subprocess.run(command, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, check=False)
        if done.returncode != 0:
            return _instructions(file, package, f"{' '.join(command)} ended with {done.returncode}")
    return "" if os.access(file, os.X_OK) else _instructions(file, package, "the package has no such file")


def _instructions(file: str, package: str, why: str) -> str:
    return f"{file} is not there ({why}). Install Debian's package {package}."


if __name__ == "__main__":
    sys.exit(install_program(*sys.argv[1:]) or 0)

"""The modules that the two clients import, and no others."""

import subprocess
import sys
import tomllib
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parents[1]
# Whatever the clients import is part of the distribution; some of it only for type checkers, which take the
# missing names for Any.
LIST = """
import sys, unixsvc.aio, unixsvc.blocking
print(*(name for name in sys.modules if name.partition(".")[0] == "unixsvc"))
"""


def modules() -> set[str]:
    """The names of the modules, in a process of its own: this one may have imported more."""
    command = [sys.executable, "-c", LIST]
    return set(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split())


class BuildClients(build_py):
    """Leaves the modules of the server out."""

    def find_package_modules(self, package: str, package_dir: str) -> list[tuple[str, str, str]]:
        """Return the modules of a package that the clients import."""
        found = super().find_package_modules(package, package_dir)
        wanted = MODULES
        return [
            each for each in found if (package if each[1] == "__init__" else f"{package}.{each[1]}") in wanted
        ]


MODULES = modules()
setup(
    version=tomllib.loads(ROOT.joinpath("pyproject.toml").read_text("utf-8"))["project"]["version"],
    package_dir={"unixsvc": "../unixsvc"},
    packages=sorted(each for each in MODULES if ROOT.joinpath(*each.split("."), "__init__.py").exists()),
    package_data={"unixsvc": ["py.typed"]},
    cmdclass={"build_py": BuildClients},
)

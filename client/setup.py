"""The modules that the two clients import, and no others."""

import subprocess
import sys
import tomllib
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parents[1]
# Whatever the clients import is part of the distribution, at once or inside of a function. What they import
# only for type checkers is not: those take the missing names for Any.
LIST = """
import ast, importlib, sys
import unixsvc.aio, unixsvc.blocking
def ours():
    return {name for name in sys.modules if name.partition(".")[0] == "unixsvc"}
def late(name):
    tree = ast.parse(open(sys.modules[name].__file__, encoding="utf-8").read())
    functions = (each for each in ast.walk(tree) if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef))
    inside = (each for function in functions for each in ast.walk(function))
    found = {each.module for each in inside if isinstance(each, ast.ImportFrom)}
    return {each for each in found if each.partition(".")[0] == "unixsvc"}
done = set()
while ours() - done:
    for name in ours() - done:
        for each in late(name):
            importlib.import_module(each)
        done.add(name)
print(*done)
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

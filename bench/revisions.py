"""Revisions of this project, each installed in a virtual environment of its own.

They are kept in ``$XDG_CACHE_HOME/unixsvc-revisions`` (``~/.cache`` without that variable) and used again.
The libraries have the versions of the running environment, so that revisions differ in their own code only.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib.metadata import distributions
from pathlib import Path
from typing import Final

from msgspec import Struct

from bench.environments import CommandError, cache_folder, install, prepare_once, remove_old, run_command

__all__ = [
    "ROOT",
    "WORKING_TREE",
    "Revision",
    "RevisionError",
    "prepare",
    "resolve_commit",
    "resolve_tree",
    "run_git",
    "working_tree",
]

ROOT: Final = Path(__file__).resolve().parents[1]
WORKING_TREE: Final = "."
_KEPT: Final = 8  # environments, of about 100 MB each


class RevisionError(Exception):
    """A revision does not exist or cannot be installed."""


class Revision(Struct, frozen=True):
    """A revision that can be run.

    :ivar name: as the user wrote it.
    :ivar commit: the whole hash; empty for a working tree.
    :ivar source: the folder with its files.
    :ivar python: the interpreter of its environment, in the same folder as ``twistd`` and ``unixsvc``.
    :ivar path: value of ``PYTHONPATH``, if the revision is not installed; otherwise empty.
    """

    name: str
    commit: str
    source: Path
    python: Path
    path: str = ""

    @property
    def scripts(self) -> Path:
        """The folder of ``twistd``."""
        return self.python.parent

    @property
    def title(self) -> str:
        """The name as written and the abbreviated hash, or only the latter."""
        if not self.commit:
            return "working tree" if self.name == WORKING_TREE else self.name
        short = self.commit[:7]
        return short if self.commit.startswith(self.name) else f"{self.name} ({short})"

    def environment(self) -> dict[str, str]:
        """Environment variables for its processes, without those that lead to another installation."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        return {**inherited, "PYTHONPATH": self.path} if self.path else inherited


def prepare(name: str, root: Path = ROOT, cache: Path | None = None) -> Revision:
    """Install a revision, unless it was installed before.

    :param name: anything that git resolves to a commit, or ``.`` for the files of the checkout as they are,
        without ignored ones.
    :param root: the checkout.
    :param cache: folder of the environments.
    :raises RevisionError: if there is no such revision, or pip fails.
    """
    commit = "" if name == WORKING_TREE else resolve_commit(name, root)
    tree = resolve_tree(name, root)
    constraints = _constraints()
    libraries = hashlib.sha256("\n".join([sys.version, sys.base_prefix, *constraints]).encode())
    cache = cache or cache_folder("unixsvc-revisions")
    folder = cache / f"{tree}-{libraries.hexdigest()[:12]}"
    source, environment = folder / "source", folder / "venv"

    def fill() -> None:
        _extract(tree, source, root)
        _install(source, environment, constraints)

    prepare_once(folder, fill)
    remove_old(cache, _KEPT)
    return Revision(name, commit, source, environment / "bin" / "python")


def working_tree(folder: str | Path, name: str = "") -> Revision:
    """The source in a folder as it is, run by the interpreter of this process with its libraries.

    :raises RevisionError: if the folder does not contain the project.
    """
    source = Path(folder).resolve()
    if not (source / "unixsvc").is_dir():
        raise RevisionError(f"{folder}: no unixsvc in this folder")
    return Revision(name or str(folder), "", source, Path(sys.executable), str(source))


def resolve_commit(name: str, root: Path = ROOT) -> str:
    """The hash of a commit.

    :raises RevisionError: if there is no such commit.
    """
    options = ("--verify", "--quiet", "--end-of-options")
    return run_git(root, "rev-parse", *options, f"{name}^{{commit}}", name=name)


def resolve_tree(name: str, root: Path = ROOT) -> str:
    """The hash of the files of a revision.

    :param name: as of :func:`prepare`.
    :raises RevisionError: if there is no such revision.
    """
    if name != WORKING_TREE:
        return run_git(root, "rev-parse", f"{resolve_commit(name, root)}^{{tree}}")
    with tempfile.TemporaryDirectory() as folder:  # an index of its own: the user's stays as it is
        index = {"GIT_INDEX_FILE": str(Path(folder, "index"))}
        run_git(root, "read-tree", "HEAD", environment=index)
        run_git(root, "add", "--all", environment=index)
        return run_git(root, "write-tree", environment=index)


def run_git(root: Path, *arguments: str, name: str = "", environment: Mapping[str, str] | None = None) -> str:
    """Run git in a checkout; its output, without the line end.

    :param name: of the revision, for the error message.
    :param environment: additional variables.
    :raises RevisionError: if git fails or is not installed.
    """
    command = ["git", "-C", str(root), *arguments]
    return _run(command, name or f"git {arguments[0]}", environment).strip()


def _constraints() -> list[str]:
    installed = {each.metadata["Name"]: each.version for each in distributions()}
    return sorted(f"{name}=={version}" for name, version in installed.items() if name != "unixsvc")


def _extract(tree: str, source: Path, root: Path) -> None:
    shutil.rmtree(source, ignore_errors=True)
    source.mkdir()
    archive = source.with_suffix(".tar")
    run_git(root, "archive", "--format=tar", "-o", str(archive), tree)
    _run(["tar", "-x", "-f", str(archive), "-C", str(source)], "tar")
    archive.unlink()


def _install(source: Path, environment: Path, constraints: Sequence[str]) -> None:
    limits = source.with_name("constraints.txt")
    limits.write_text("\n".join(constraints) + "\n")
    try:
        install(environment, ["--constraint", str(limits), str(source)])
    except CommandError as error:
        raise RevisionError(str(error)) from None


def _run(command: Sequence[str], what: str, environment: Mapping[str, str] | None = None) -> str:
    try:
        return run_command(command, what, environment, silent="no such revision")
    except CommandError as error:
        raise RevisionError(str(error)) from None

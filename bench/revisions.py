"""Revisions of this project, each installed in a virtual environment of its own.

They are kept in ``$XDG_CACHE_HOME/unixsvc-revisions`` (``~/.cache`` without that variable) and used again.
The libraries have the versions of the running environment, so that revisions differ in their own code only.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import distributions
from pathlib import Path
from typing import Final

from msgspec import Struct

__all__ = [
    "ROOT",
    "WORKING_TREE",
    "Revision",
    "RevisionError",
    "cache_folder",
    "prepare",
    "resolve_commit",
    "resolve_tree",
    "run_git",
    "working_tree",
]

ROOT: Final = Path(__file__).resolve().parents[1]
WORKING_TREE: Final = "."
_KEPT: Final = 8  # environments, of about 100 MB each
_KEPT_FOR: Final = 86_400.0  # seconds since the last use, in which an environment is never removed


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
    cache = cache or cache_folder()
    folder = cache / f"{tree}-{libraries.hexdigest()[:12]}"
    source, environment, done = folder / "source", folder / "venv", folder / "done"
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(cache / f"{folder.name}.lock"):
        if not done.exists():
            _extract(tree, source, root)
            _install(source, environment, constraints)
        done.touch()
    _remove_old(cache)
    return Revision(name, commit, source, environment / "bin" / "python")


def working_tree(folder: str | Path, name: str = "") -> Revision:
    """The source in a folder as it is, run by the interpreter of this process with its libraries.

    :raises RevisionError: if the folder does not contain the project.
    """
    source = Path(folder).resolve()
    if not (source / "unixsvc").is_dir():
        raise RevisionError(f"{folder}: no unixsvc in this folder")
    return Revision(name or str(folder), "", source, Path(sys.executable), str(source))


def cache_folder() -> Path:
    """The default folder of the environments."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "unixsvc-revisions"


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
    return _run(["git", "-C", str(root), *arguments], name or f"git {arguments[0]}", environment).strip()


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
    shutil.rmtree(environment, ignore_errors=True)
    _run([sys.executable, "-m", "venv", "--without-pip", str(environment)], "venv")
    limits = environment / "constraints.txt"
    limits.write_text("\n".join(constraints) + "\n")
    pip = [sys.executable, "-m", "pip", "--python", str(environment / "bin" / "python")]
    _run([*pip, "install", "--quiet", "--constraint", str(limits), str(source)], "pip")


def _remove_old(cache: Path) -> None:
    """Remove environments that were not used for long, the oldest first."""
    used = sorted(cache.glob("*/done"), key=lambda each: each.stat().st_mtime, reverse=True)
    for done in used[_KEPT:]:
        if time.time() - done.stat().st_mtime > _KEPT_FOR:
            with suppress(BlockingIOError), _locked(cache / f"{done.parent.name}.lock", wait=False):
                shutil.rmtree(done.parent, ignore_errors=True)


@contextmanager
def _locked(path: Path, *, wait: bool = True) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield


def _run(command: Sequence[str], what: str, environment: Mapping[str, str] | None = None) -> str:
    # GIT_DIR, which git sets for hooks, overrides the folder on the command line; with PYTHONPATH, pip finds
    # libraries outside of the environment and does not install them.
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("GIT_", "PYTHON"))}
    try:
        done = subprocess.run(  # noqa: S603  # commands of the benchmark itself
            command, check=False, capture_output=True, text=True, env={**inherited, **(environment or {})}
        )
    except FileNotFoundError:
        raise RevisionError(f"no program {command[0]}") from None
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        errors = [line for line in lines if line.lower().startswith(("error", "fatal"))]
        raise RevisionError(f"{what}: {(errors or lines or ['no such revision'])[-1]}")
    return done.stdout

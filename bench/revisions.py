"""Revisions of this project, each installed in a virtual environment of its own.

They are kept in ``$XDG_CACHE_HOME/unixsvc-revisions`` (``~/.cache`` without that variable), by commit, and
used again.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

__all__ = ["Revision", "RevisionError", "prepare", "working_tree"]

_ROOT = Path(__file__).resolve().parents[1]


class RevisionError(Exception):
    """A revision that does not exist, or cannot be installed."""


class Revision(Struct, frozen=True):
    """A revision that can be run.

    :ivar name: as the user wrote it.
    :ivar commit: the whole hash; empty for a working tree.
    :ivar source: the folder with its files.
    :ivar python: the interpreter of its environment; ``twistd`` and ``unixsvc`` are beside it.
    :ivar path: for ``PYTHONPATH``, where the revision is not installed; else empty.
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

    def environment(self) -> dict[str, str]:
        """Environment variables for its processes: ours, without what would lead to another revision."""
        ours = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        return {**ours, "PYTHONPATH": self.path} if self.path else ours


def prepare(name: str, root: Path = _ROOT) -> Revision:
    """Install a revision, or find it where it was installed before.

    :param name: anything that git can resolve to a commit.
    :param root: the checkout.
    :raises RevisionError: if there is no such revision, or pip fails.
    """
    commit = _output(
        ["git", "-C", str(root), "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}"], name
    ).strip()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "unixsvc-revisions"
    folder = cache / commit
    source, environment, done = folder / "source", folder / "venv", folder / "done"
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(cache / f"{commit}.lock"):
        if not done.exists():
            for each in (source, environment):
                shutil.rmtree(each, ignore_errors=True)
            source.mkdir()
            archive = folder / "source.tar"
            _output(["git", "-C", str(root), "archive", "-o", str(archive), commit], name)
            _output(["tar", "-x", "-f", str(archive), "-C", str(source)], name)
            archive.unlink()
            _output([sys.executable, "-m", "venv", str(environment)], name)
            _output([str(environment / "bin" / "pip"), "install", "--quiet", str(source)], name)
            done.touch()
    return Revision(name, commit, source, environment / "bin" / "python")


def working_tree(folder: str | Path, name: str = "") -> Revision:
    """A folder with the source as it is, run by the interpreter of this process and its packages.

    :raises RevisionError: if the folder has no project in it.
    """
    source = Path(folder).resolve()
    if not (source / "unixsvc").is_dir():
        raise RevisionError(f"{folder}: no unixsvc in this folder")
    return Revision(name or str(folder), "", source, Path(sys.executable), str(source))


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _output(command: list[str], name: str) -> str:
    done = subprocess.run(  # noqa: S603  # our own commands
        command, check=False, capture_output=True, text=True
    )
    if done.returncode:
        reason = done.stderr.strip().splitlines()
        raise RevisionError(
            f"{name}: {' '.join(command[:4])} …: {reason[-1] if reason else 'no such revision'}"
        )
    return done.stdout

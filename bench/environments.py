"""Virtual environments that the benchmark makes, each in a cache folder and used again.

Peers run with the versions that serve them best, which may be others than those of this project: each has an
environment of its own, in ``$XDG_CACHE_HOME/unixsvc-peers`` (``~/.cache`` without that variable).
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

__all__ = [
    "CommandError",
    "cache_folder",
    "install",
    "installed_versions",
    "make_import_folder",
    "peer_environment",
    "prepare_once",
    "remove_old",
    "run_command",
    "versions",
]

_KEPT_FOR: Final = 86_400.0  # seconds since the last use, in which an environment is never removed
_KEPT_PEERS: Final = 16  # environments, of about 30 MB each


class CommandError(Exception):
    """A program failed or is not installed; the first line of its error."""


def peer_environment(requirements: Sequence[str], cache: Path | None = None) -> Path:
    """The folder of the programs of an environment with exactly these distributions; installed if it is not.

    :param requirements: each in the form ``name==version``.
    :param cache: folder of the environments.
    :raises CommandError: if pip cannot install them.
    """
    cache = cache or cache_folder("unixsvc-peers")
    key = hashlib.sha256("\n".join([sys.version, sys.base_prefix, *sorted(requirements)]).encode())
    folder = cache / key.hexdigest()[:20]
    environment = folder / "venv"
    prepare_once(folder, lambda: install(environment, requirements))
    remove_old(cache, _KEPT_PEERS)
    return environment / "bin"


def make_import_folder(folder: Path) -> Path:
    """A folder with the package ``bench`` of this process and nothing else, for ``PYTHONPATH``."""
    folder.mkdir()
    (folder / "bench").symlink_to(Path(__file__).resolve().parent, target_is_directory=True)
    return folder


def versions(requirements: Sequence[str]) -> dict[str, str]:
    """The versions of distributions, each in the form ``name==version``, by name."""
    return dict(each.split("==") for each in requirements)


def installed_versions(names: Iterable[str]) -> dict[str, str]:
    """The versions of distributions in the environment of this process; those that are installed."""
    found = {}
    for each in names:
        with suppress(PackageNotFoundError):
            found[each] = version(each)
    return found


def cache_folder(name: str) -> Path:
    """A folder for environments, in the cache folder of the user."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / name


def prepare_once(folder: Path, prepare: Callable[[], None]) -> None:
    """Fill a folder unless it was filled before; one process at a time."""
    done = folder / "done"
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(_lock_file(folder)):
        if not done.exists():
            prepare()
        done.touch()


def install(environment: Path, arguments: Sequence[str]) -> None:
    """Create a virtual environment, with the interpreter of this process, and install into it.

    :param arguments: of ``pip install``.
    :raises CommandError: if pip fails.
    """
    shutil.rmtree(environment, ignore_errors=True)
    run_command([sys.executable, "-m", "venv", "--without-pip", str(environment)], "venv")
    pip = [sys.executable, "-m", "pip", "--python", str(environment / "bin" / "python")]
    run_command([*pip, "install", "--quiet", "--retries=1", *arguments], "pip")


def remove_old(cache: Path, kept: int) -> None:
    """Remove environments that were not used for long, the oldest first.

    :param kept: how many always stay.
    """
    used = sorted(cache.glob("*/done"), key=lambda each: each.stat().st_mtime, reverse=True)
    for done in used[kept:]:
        if time.time() - done.stat().st_mtime > _KEPT_FOR:
            with suppress(BlockingIOError), _locked(_lock_file(done.parent), wait=False):
                shutil.rmtree(done.parent, ignore_errors=True)


def run_command(
    command: Sequence[str],
    what: str,
    environment: Mapping[str, str] | None = None,
    silent: str = "failed without a message",
) -> str:
    """Run a program; its output.

    :param what: its name for the error.
    :param environment: additional variables.
    :param silent: the error if it fails and says nothing.
    :raises CommandError: if it fails or is not installed.
    """
    # GIT_DIR, which git sets for hooks, overrides the folder on the command line; with PYTHONPATH, pip finds
    # libraries outside of the environment and does not install them.
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("GIT_", "PYTHON"))}
    try:
        done = subprocess.run(  # noqa: S603  # commands of the benchmark itself
            command, check=False, capture_output=True, text=True, env={**inherited, **(environment or {})}
        )
    except FileNotFoundError:
        raise CommandError(f"no program {command[0]}") from None
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        errors = [line for line in lines if line.lower().startswith(("error", "fatal"))]
        raise CommandError(f"{what}: {(errors or lines or [silent])[-1]}")
    return done.stdout


def _lock_file(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.lock")


@contextmanager
def _locked(path: Path, *, wait: bool = True) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield

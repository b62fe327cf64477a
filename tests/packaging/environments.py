"""Copies of the source tree, builds of it, and virtual environments to install them into."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

__all__ = ["ROOT", "Environment", "build", "copy_source", "pythons", "run"]

ROOT: Final = Path(__file__).resolve().parents[2]
_TIMEOUT: Final = 300.0  # seconds; an installation on a slow network
_READY: Final = 60.0
_MINORS: Final = ("3.11", "3.12", "3.13", "3.14")
_RELEASED: Final = "1767225600"
_DEMO: Final = """\
socket_dir = "run"
[services.home]
app = "unix_app.home:app"
"""


def run(
    *command: str | Path, folder: Path, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end; its output is in the error if it fails.

    :raises AssertionError: for another exit code than 0.
    """
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder, env={**clean_environment(), **(environment or {})}, check=False, capture_output=True,
        text=True, timeout=_TIMEOUT,
    )  # fmt: skip
    if done.returncode:
        raise AssertionError(f"{command} exited with {done.returncode}: {done.stdout}{done.stderr}")
    return done


def clean_environment() -> dict[str, str]:
    """The environment without what leads Python to other modules than the installed ones."""
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}


def copy_source(target: Path) -> Path:
    """Copy the files of the project, without those that builds have left; the copy."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True,
    ).stdout  # fmt: skip
    for name in filter(None, listed.decode().split("\0")):
        if ROOT.joinpath(name).exists():  # else it was removed and this is not committed yet
            target.joinpath(name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    return target


def build(source: Path, kind: str, target: Path) -> Path:
    """Build a distribution as PyPI gets it.

    :param kind: ``wheel`` or ``sdist``.
    """
    tool = Path(sys.executable).with_name("uv")
    command = tool, "build", "--quiet", f"--{kind}", "--out-dir", target, source
    # As CONTRIBUTING says: the times in the archives are those of the release, not of the files.
    run(*command, folder=target, environment={"SOURCE_DATE_EPOCH": _RELEASED})
    [built] = [each for each in target.iterdir() if each.suffix in (".whl", ".gz")]
    return built


def pythons() -> dict[str, str]:
    """The interpreters of this machine that the project supports, by their version."""
    tool = Path(sys.executable).with_name("uv")
    folders = [*sorted(Path.home().glob(".pyenv/versions/*/bin"), reverse=True), os.environ["PATH"]]
    environment = {**clean_environment(), "PATH": os.pathsep.join(map(str, folders))}
    found = {}
    for minor in _MINORS:
        done = subprocess.run(
            [tool, "python", "find", "--no-python-downloads", "--system", minor],
            env=environment, check=False, capture_output=True, text=True,
        )  # fmt: skip
        if done.returncode == 0:
            found[minor] = done.stdout.strip()
    return found


class Environment:
    """A virtual environment.

    :param python: the interpreter.
    """

    def __init__(self, folder: Path, python: str = sys.executable) -> None:
        self._tool = Path(sys.executable).with_name("uv")
        self.programs = folder / "bin"
        run(self._tool, "venv", "--quiet", "--python", python, folder, folder=folder.parent)

    def install(self, *requirements: str | Path) -> None:
        """Install distributions and what they need."""
        python = self.programs / "python"
        run(
            self._tool, "pip", "install", "--quiet", "--python", python, *requirements,
            folder=self.programs.parent,
        )  # fmt: skip


def call_demo(programs: Path, folder: Path, call: Sequence[str | Path] = ()) -> str:
    """Start a service of the demo in an empty folder, call it, and stop it by TERM.

    :param programs: the folder with ``twistd`` and ``unixsvc``.
    :param call: the command that calls it; ``unixsvc call`` if empty.
    :returns: the output of the command.
    :raises AssertionError: if it does not start, or does not exit with code 0.
    """
    folder.joinpath("unixsvc.toml").write_text(_DEMO)
    orchestrator = subprocess.Popen(
        [programs / "twistd", "-n", "unixsvc"],
        cwd=folder, env=clean_environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    with orchestrator:
        log = bytearray()
        try:
            _read_until_ready(orchestrator, log)
            output = run(*(call or (programs / "unixsvc", "call", "home", "/")), folder=folder).stdout
        finally:
            orchestrator.terminate()
            log += orchestrator.communicate(timeout=_READY)[0]
    if orchestrator.returncode:
        raise AssertionError(f"exited with {orchestrator.returncode}: {log.decode()}")
    return output


def _read_until_ready(orchestrator: subprocess.Popen[bytes], log: bytearray) -> None:
    assert orchestrator.stdout is not None
    deadline = time.monotonic() + _READY
    while b" ready: home" not in log:
        readable, _, _ = select.select([orchestrator.stdout], [], [], deadline - time.monotonic())
        data = os.read(orchestrator.stdout.fileno(), 65536) if readable else b""
        if not data:
            raise AssertionError(f"it is not ready: {log.decode()}")
        log += data

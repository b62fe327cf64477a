"""Runs mypy and pyright as users have them: in strict mode, and without plugins."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

__all__ = ["Problem", "generate_client", "mypy", "pyright"]

# Shared by all runs, so that the packages that users import are read once.
_CACHE: Final = Path(tempfile.gettempdir(), f"unixsvc-typing-{os.getpid()}")
_GENERATE: Final = """
import importlib, msgspec, sys, tempfile
from unixsvc.contract.model import Contract
from unixsvc.stubs.module import client_name, write_module
from unixsvc.testing import MemoryService
module, name, service = sys.argv[1:]
app = getattr(importlib.import_module(module), name)
reply = MemoryService(app, folder=tempfile.mkdtemp()).get("/-/routes").result
print(write_module(msgspec.convert(reply, Contract), service, client_name(service)), end="")
"""


class Problem(Struct, frozen=True, order=True):
    """An error that a type checker reports.

    :ivar file: relative to the folder.
    """

    file: str
    line: int
    message: str


def mypy(folder: Path, *arguments: str) -> list[Problem]:
    """Run mypy in a folder, with the configuration that it finds there.

    :raises AssertionError: if mypy fails.
    """
    output = _output(folder, "mypy", f"--cache-dir={_CACHE}", "--output=json", *arguments)
    found: list[dict[str, Any]] = [msgspec.json.decode(line) for line in output.splitlines() if line]
    return sorted(
        Problem(os.path.normpath(each["file"]), each["line"], each["message"])
        for each in found
        if each["severity"] == "error"
    )


def pyright(folder: Path, settings: Mapping[str, object] | None = None) -> list[Problem]:
    """Run pyright in a folder.

    :param settings: its configuration; None if the folder has one.
    :raises AssertionError: if pyright fails, or checks no file.
    """
    if settings is not None:
        (folder / "pyrightconfig.json").write_bytes(msgspec.json.encode(settings))
    report = msgspec.json.decode(
        _output(folder, "pyright", "--outputjson", f"--pythonpath={sys.executable}", "--project=.")
    )
    assert report["summary"]["filesAnalyzed"], report
    return sorted(
        Problem(
            os.path.relpath(each["file"], os.path.realpath(folder)),
            each["range"]["start"]["line"] + 1,
            each["message"],
        )
        for each in report["generalDiagnostics"]
    )


def generate_client(folder: Path, app: str, service: str, target: str) -> None:
    """Write what ``unixsvc stub`` prints, without running the service.

    :param folder: where the module of the application is.
    :param app: as ``module:name``.
    :param target: the path of the client module in the folder.
    """
    module, _, name = app.partition(":")
    (folder / target).write_text(_run(folder, "-c", _GENERATE, module, name, service), "utf-8")


def _output(folder: Path, module: str, *arguments: str) -> str:
    return _run(folder, "-P", "-m", module, *arguments)


def _run(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "MYPYPATH")},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.stdout

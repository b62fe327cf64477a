"""Runs the shell sessions of a page."""

from __future__ import annotations

import os
import queue
import re
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tests.examples.server import SERVER, Server
from tests.examples.texts import Step, matches

__all__ = ["Console", "on_free_port", "source_environment"]

_TIMEOUT: Final = 300.0  # seconds; only reached if something is broken
_MARK: Final = "--end-of-command--"
_HTTP: Final = '["tcp:0:interface=127.0.0.1"]'
_PORTS: Final = ("8080", "8443", "9464")


def on_free_port(text: str) -> str:
    """A command or a configuration that listens on a free port instead of the one that the page shows."""
    return re.sub(f"(tcp|ssl):({'|'.join(_PORTS)})", r"\1:0", text)


class Console:
    """One shell in one folder, and the servers that were started there.

    The sockets are in that folder, HTTP is on a free port. Commands and their output have the ports that the
    page shows.

    :param folder: for everything that the commands make.
    :param environment: the environment variables of the commands.
    :param notes: the folder for the log of the server.
    :ivar port: the HTTP port of the server, of this shell or of another one.
    :ivar server: the server in its foreground.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str], notes: Path) -> None:
        self.port = 0
        self.server: Server | None = None
        self._environment = dict(environment)
        self._notes = notes
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._shell = subprocess.Popen(
            ["bash", "--norc", "--noprofile"],
            cwd=folder,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def run(self, step: Step, *, numbers: bool = True) -> None:
        """Run a command.

        :param numbers: whether numbers in its output have to be the same.
        :raises AssertionError: if it prints something else, or fails and the page does not say so.
        """
        if SERVER.match(step.command):
            self._start(step)
            return
        found, code = self._run(self._with_ports(step.command))
        for port in _PORTS:
            if self.port and f"127.0.0.1:{port}" in step.command:
                found = found.replace(f"127.0.0.1:{self.port}", f"127.0.0.1:{port}")
        assert matches(step.output, found, numbers=numbers), (
            f"$ {step.command}\nexpected:\n{step.output}\nfound:\n{found}"
        )
        assert step.output or not code, f"$ {step.command}\nended with {code}"

    def close(self) -> None:
        """End the shell and the server.

        :raises AssertionError: if the server fails or leaves processes behind.
        """
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        self._shell.stdin.close()
        self._reader.join(_TIMEOUT)
        self._shell.stdout.close()
        self._shell.wait(_TIMEOUT)
        self.stop()

    def stop(self) -> None:
        """End the server as Ctrl-C does.

        :raises AssertionError: if it fails or leaves processes behind.
        """
        server, self.server = self.server, None
        self.port = 0
        if server is not None:
            server.stop()

    @property
    def current_folder(self) -> Path:
        """The folder in which the shell is."""
        return Path(self._run("pwd")[0])

    def _run(self, command: str) -> tuple[str, int]:
        assert self._shell.stdin is not None
        end = f"code=$?; echo; echo {_MARK} $code; (exit $code)"
        self._shell.stdin.write(f"{{ {command}\n}} </dev/null\n{end}\n")
        self._shell.stdin.flush()
        lines: list[str] = []
        while (line := self._lines.get(timeout=_TIMEOUT)) is not None:
            if line.startswith(_MARK):
                return "".join(lines).strip("\n"), int(line.split()[1])
            lines.append(line)
        raise AssertionError(f"$ {command}\nended the shell: {''.join(lines)}")

    def _read(self) -> None:
        assert self._shell.stdout is not None
        for line in self._shell.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def _with_ports(self, text: str) -> str:
        return (
            re.sub(f"127.0.0.1:({'|'.join(_PORTS)})", f"127.0.0.1:{self.port}", text) if self.port else text
        )

    def _start(self, step: Step) -> None:
        self.stop()
        folder = self.current_folder
        command = on_free_port(step.command)
        command = command.replace("PYTHONPATH=.", "PYTHONPATH=.:$PYTHONPATH")  # the source is tested
        port = {"UNIXSVC_HTTP__LISTEN": _HTTP} if _has_port(command, folder / "unixsvc.toml") else {}
        self.server = Server(command, folder, self._notes, self._exported() | port)
        self.port = self.server.port()
        if step.output:
            self.server.expect(step.output.replace("127.0.0.1:8080", f"127.0.0.1:{self.port}"))

    def _exported(self) -> dict[str, str]:
        """The environment variables of the shell."""
        found = self._run("env -0 | tr '\\n\\0' ' \\n'")[0]
        return dict(line.partition("=")[::2] for line in found.splitlines())


def _has_port(command: str, configuration: Path) -> bool:
    """Whether an orchestrator listens on a port of its own: that of the demo, or of a project."""
    if "unixsvc" not in command or re.search("--http|--no-http", command):
        return False
    if not configuration.exists():
        return "--config" not in command
    return f"tcp:{_PORTS[0]}" in configuration.read_text()


def source_environment(folder: Path) -> dict[str, str]:
    """Our environment, but with the folder's programs and sockets."""
    programs = folder / ".programs"
    programs.mkdir()
    ours = Path(sys.executable).parent
    for name, module in (("unixsvc", "-m unixsvc"), ("python", "")):
        if not (ours / name).exists():  # the source is tested and is not installed
            (programs / name).write_text(f'#!/bin/sh\nexec {sys.executable} {module} "$@"\n')
            (programs / name).chmod(0o755)
    runtime = folder / "run"
    runtime.mkdir(mode=0o700)
    found = {
        name: value for name, value in os.environ.items() if not name.startswith(("UNIXSVC", "RUNTIME_"))
    }
    path = f"{ours}{os.pathsep}{programs}{os.pathsep}{os.environ['PATH']}"
    return {
        **found,
        "HOME": str(folder),
        "PATH": path,
        "PYTHONPATH": os.pathsep.join(each for each in sys.path if each),
        "XDG_RUNTIME_DIR": str(runtime),
        "COLUMNS": "110",
    }

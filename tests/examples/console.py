"""Runs the shell sessions of a page."""

from __future__ import annotations

import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import psutil
from msgspec import Struct

__all__ = ["Console", "Step", "matches", "on_free_port", "steps_of"]

_TIMEOUT: Final = 60.0  # seconds; only reached if something is broken
_MARK: Final = "--end-of-command--"
_HTTP: Final = "tcp:0:interface=127.0.0.1"
_SERVER: Final = re.compile(r"(\w+=\S+ )*(twistd -n|unixsvc dev)")
_PORTS: Final = ("8080", "8443")


class Step(Struct, frozen=True):
    """One command of a session and what it is said to print; with ``...`` for what may be anything."""

    command: str
    output: str


def steps_of(session: str) -> Iterator[Step]:
    """The commands of a session: what follows ``$``, continued on the next line after a backslash.

    :raises AssertionError: if it does not start with a command.
    """
    command = ""
    output: list[str] = []
    for line in session.splitlines():
        if command.endswith("\\") and not output:
            command += "\n" + line
        elif line.startswith("$ "):
            if command:
                yield Step(command, "\n".join(output))
            command, output = line[2:], []
        elif not command:
            raise AssertionError(f"a shell session starts with '$ ', not with {line!r}")
        else:
            output.append(line)
    yield Step(command, "\n".join(output).strip("\n"))


def matches(expected: str, found: str, *, numbers: bool = True) -> bool:
    """Whether a text is the expected one, where ``...`` and ``…`` stand for anything.

    :param numbers: whether numbers have to be the same.
    """
    expected, found = _normal(expected, numbers), _normal(found, numbers)
    # A line of its own may stand for several lines or for none.
    pattern = re.escape(expected).replace(re.escape("..."), "…")
    pattern = re.sub(r"(?m)^…\\\n", "(?:.*\n)*", pattern)
    pattern = re.sub(r"\\\n…\Z", "(?:\n.*)*", pattern).replace("…", ".*")
    return re.fullmatch(pattern, found) is not None


def _normal(text: str, numbers: bool) -> str:
    text = re.sub(" +", " ", text)  # columns are as wide as what is in them
    return text if numbers else re.sub(r"[0-9]+(\.[0-9]+)?", "0", text)


def on_free_port(text: str) -> str:
    """A command or a configuration that listens on a free port instead of the one that the page shows."""
    return re.sub(f"(tcp|ssl):({'|'.join(_PORTS)})", r"\1:0", text)


class Console:
    """One shell in one folder, and the servers that were started there.

    The sockets are in that folder, HTTP is on a free port. Commands and their output have the ports that the
    page shows.

    :param folder: for everything that the commands make.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = _environment(folder)
        self._port = 0
        self._server: _Server | None = None
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._shell = subprocess.Popen(
            ["bash", "--norc", "--noprofile"],
            cwd=folder,
            env=self.environment,
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
        if _SERVER.match(step.command):
            self._start(step)
            return
        found, code = self._run(self._with_ports(step.command))
        for port in _PORTS:
            if self._port and f"127.0.0.1:{port}" in step.command:
                found = found.replace(f"127.0.0.1:{self._port}", f"127.0.0.1:{port}")
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
        self._stop()

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
            re.sub(f"127.0.0.1:({'|'.join(_PORTS)})", f"127.0.0.1:{self._port}", text) if self._port else text
        )

    def _start(self, step: Step) -> None:
        self._stop()
        folder = Path(self._run("pwd")[0])
        command = on_free_port(step.command)
        command = command.replace("PYTHONPATH=.", "PYTHONPATH=.:$PYTHONPATH")  # the source is tested
        if command.startswith("twistd -n unixsvc") and not re.search("--config|--no-http|--http", command):
            command += f" --http {_HTTP}" if _has_port(folder / "unixsvc.toml") else ""
        self._server = _Server(command, folder, self.folder, self.environment)
        self._port = self._server.port()
        if step.output:
            self._server.expect(step.output)

    def _stop(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.stop()


def _has_port(configuration: Path) -> bool:
    """Whether the orchestrator listens on a port of its own: that of the demo, or of a project."""
    return not configuration.exists() or f"tcp:{_PORTS[0]}" in configuration.read_text()


class _Server:
    """A program that goes on until it is stopped.

    :param folder: in which it runs.
    :param notes: the folder for its log.
    """

    def __init__(self, command: str, folder: Path, notes: Path, environment: dict[str, str]) -> None:
        self._command = command
        self._notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        path = notes / "notify"
        path.unlink(missing_ok=True)
        self._notified.bind(str(path))
        self._notified.settimeout(0.05)
        self._log = notes / "server.log"
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                ["bash", "-c", re.sub("(?=twistd|unixsvc dev)", "exec ", command, count=1)],
                cwd=folder,
                env={**environment, "NOTIFY_SOCKET": str(path)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            self._wait()
        except BaseException:
            self._kill()
            raise

    def port(self) -> int:
        """The TCP port on which it listens; 0 if it has none."""
        listening = psutil.Process(self._process.pid).net_connections("tcp")
        found = {each.laddr.port for each in listening if each.status == psutil.CONN_LISTEN}
        assert len(found) < 2, f"{self._command} listens on several ports: {found}"
        return found.pop() if found else 0

    def expect(self, output: str) -> None:
        """Look whether its log so far begins like this.

        :raises AssertionError: if it does not.
        """
        found = self._log.read_text()
        lines = "\n".join(found.splitlines()[: output.count("\n") + 1])
        assert matches(output, lines), f"$ {self._command}\nexpected:\n{output}\nfound:\n{found}"

    def stop(self) -> None:
        """End it as Ctrl-C does; it leaves no process behind.

        :raises AssertionError: if it fails, or does.
        """
        os.killpg(self._process.pid, signal.SIGINT)
        try:
            code = self._process.wait(_TIMEOUT)
            left = [each.pid for each in psutil.process_iter() if _session(each.pid) == self._process.pid]
        finally:
            self._kill()
        # twistd itself ends as its signal says; an orchestrator ends as it was asked to.
        wanted = 0 if "unixsvc" in self._command else -signal.SIGINT
        assert (code, left) == (wanted, []), f"{self._command} ended with {code}: {self._log.read_text()}"

    def _wait(self) -> None:
        """Wait until it says that it is ready, or, if it is no orchestrator, until it listens."""
        tries = int(_TIMEOUT / 0.05)
        for _ in range(tries):
            try:
                if b"READY=1" in self._notified.recv(4096):
                    return
            except TimeoutError:
                assert self._process.poll() is None, f"$ {self._command}\n{self._log.read_text()}"
                if "unixsvc" not in self._command and self._listens():
                    return
        raise AssertionError(f"$ {self._command}\nnever got ready: {self._log.read_text()}")

    def _listens(self) -> bool:
        connections = psutil.Process(self._process.pid).net_connections("all")
        return any(
            each.status == psutil.CONN_LISTEN or str(each.laddr).endswith(".sock") for each in connections
        )

    def _kill(self) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._notified.close()


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return None


def _environment(folder: Path) -> dict[str, str]:
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

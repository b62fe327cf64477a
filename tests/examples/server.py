"""Runs the servers of a page."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

import psutil

from tests.examples.texts import matches

__all__ = ["SERVER", "Server"]

SERVER: Final = re.compile(r"(?P<variables>(\w+=\S+ )*)(?P<program>\S*(twistd -n\w*|unixsvc dev)\b)")
"""Begins a command that goes on until it is stopped."""

_TIMEOUT: Final = 60.0  # seconds; only reached if something is broken
_PAUSE: Final = 0.05
# The outcome of a reload by "unixsvc dev".
_OUTCOME: Final = re.compile(
    r"(dev +\| the new code of|orchestrator +\| error: (\[.*\] )?the reload has failed)"
)


class Server:
    """A program that goes on until it is stopped.

    :param folder: in which it runs.
    :param notes: the folder for its log.
    """

    def __init__(self, command: str, folder: Path, notes: Path, environment: Mapping[str, str]) -> None:
        self._command = command
        self._ready = threading.Event()
        self._notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        path = notes / "notify"
        path.unlink(missing_ok=True)
        self._notified.bind(str(path))
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._log = notes / "server.log"
        self._seen: dict[str, int] = {}
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                ["bash", "-c", SERVER.sub(r"\g<variables>exec \g<program>", command, count=1)],
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

    @property
    def lines(self) -> list[str]:
        """What it has printed."""
        return self._log.read_text().splitlines()

    def port(self) -> int:
        """The TCP port on which it listens; 0 if it has none."""
        process = psutil.Process(self._process.pid)
        found = {
            each.laddr.port
            for one in (process, *process.children())  # below "unixsvc dev" it is a child that listens
            for each in one.net_connections("tcp")
            if each.status == psutil.CONN_LISTEN
        }
        assert len(found) < 2, f"{self._command} listens on several ports: {found}"
        return found.pop() if found else 0

    def expect(self, output: str) -> None:
        """Wait until it has printed these lines; those of one service in their order.

        :raises AssertionError: if it does not.
        """
        for line in output.splitlines():
            if line not in ("...", "…"):
                self._wait_until(partial(self._find, line), line)

    def note_change(self) -> None:
        """Take no line that was printed up to now for an expected one."""
        self._seen = {"": len(self.lines)}

    def watches(self, name: str) -> bool:
        """Whether it is ``unixsvc dev``, and reloads a service when this file has changed."""
        is_code = name.endswith(".py") and not name.startswith("tests/")
        return "unixsvc dev" in self._command and (is_code or name == "unixsvc.toml")

    def wait_for_reload(self, name: str) -> None:
        """Wait until ``unixsvc dev`` has handled the change of a file after :meth:`note_change`.

        A test saves the next file at once, a person does not.

        :raises AssertionError: if it does not.
        """
        start = self._seen[""]
        changed = re.compile(rf"dev +\| .*({re.escape(name)}|and \d+ more).* changed$")

        def handled() -> bool:
            found = self.lines[start:]
            at = next((at for at, line in enumerate(found) if changed.search(line)), len(found))
            return any(_OUTCOME.search(line) for line in found[at:])

        self._wait_until(handled, f"{name} changed")

    def stop(self) -> None:
        """End it as Ctrl-C does; it leaves no process behind.

        :raises AssertionError: if it fails, or does.
        """
        os.killpg(self._process.pid, signal.SIGINT)
        try:
            code = self._wait_for_end()
            left = [each.pid for each in psutil.process_iter() if _session(each.pid) == self._process.pid]
        finally:
            self._kill()
        # twistd itself ends as its signal says; an orchestrator ends as it was asked to.
        wanted = 0 if "unixsvc" in self._command else -signal.SIGINT
        assert (code, left) == (wanted, []), f"{self._command} ended with {code}: {self._log.read_text()}"

    def _wait_for_end(self) -> int:
        try:
            return self._process.wait(_TIMEOUT)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self._command} does not end: {self._log.read_text()}") from None

    def _find(self, expected: str) -> bool:
        source, lines = _source_of(expected), self.lines
        start = self._seen.get(source, self._seen.get("", 0))
        for at in range(start, len(lines)):
            if _source_of(lines[at]) == source and matches(expected, lines[at], numbers=False):
                self._seen[source] = at + 1
                return True
        return False

    def _wait_until(self, condition: Callable[[], bool], expected: str) -> None:
        deadline = time.monotonic() + _TIMEOUT
        while not condition():
            assert time.monotonic() < deadline, (
                f"$ {self._command}\nexpected:\n{expected}\nfound:\n{self._log.read_text()}"
            )
            time.sleep(_PAUSE)

    def _wait(self) -> None:
        """Wait until it says that it is ready, or, if it is no orchestrator, until it listens."""
        tries = int(_TIMEOUT / _PAUSE)
        for _ in range(tries):
            if self._ready.wait(_PAUSE):
                return
            assert self._process.poll() is None, f"$ {self._command}\n{self._log.read_text()}"
            if "unixsvc" not in self._command and self._listens():
                return
        raise AssertionError(f"$ {self._command}\nnever got ready: {self._log.read_text()}")

    def _read(self) -> None:
        """Read what it tells systemd, which would wait otherwise; an empty message is the end."""
        while data := self._notified.recv(4096):
            if b"READY=1" in data:
                self._ready.set()

    def _listens(self) -> bool:
        connections = psutil.Process(self._process.pid).net_connections("all")
        return any(
            each.status == psutil.CONN_LISTEN or str(each.laddr).endswith(".sock") for each in connections
        )

    def _kill(self) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._notified.shutdown(socket.SHUT_RDWR)  # ends the reader
        self._reader.join(_TIMEOUT)
        self._notified.close()


def _source_of(line: str) -> str:
    """The service in a line of ``unixsvc dev``; empty for the lines of other programs."""
    found = re.match(r"\S+ (?P<source>\S+) +\|", line)
    return found["source"] if found else ""


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return None

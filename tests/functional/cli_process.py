"""The command line as a process, and services that behave as a test needs."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable

from msgspec import Struct
from twisted.trial.unittest import TestCase

__all__ = [
    "HELLO",
    "Behaviour",
    "CommandLineTestCase",
    "Outcome",
    "outcome_of",
    "read_line",
    "reply_with_bytes",
    "start_command",
]

Behaviour = Callable[[socket.socket], None]

HELLO = b'{"id": 1, "code": 200, "data": {"message": "Hello World!"}}\n'


class Outcome(Struct, frozen=True):
    """The output and the exit code of a process.

    :ivar seconds: the time until its end.
    """

    code: int
    out: str
    err: str
    seconds: float = 0.0


def read_line(connection: socket.socket) -> bytes:
    """Read from a client up to the line end."""
    received = b""
    while not received.endswith(b"\n") and (chunk := connection.recv(65536)):
        received += chunk
    return received


def reply_with_bytes(*pieces: bytes) -> Behaviour:
    """Read a request, then send these bytes, one piece at a time."""

    def behave(connection: socket.socket) -> None:
        read_line(connection)
        for piece in pieces:
            connection.sendall(piece)

    return behave


def start_command(folder: str, *arguments: str, closed: str = "", **streams: int) -> subprocess.Popen[str]:
    """Start ``unixsvc`` in a folder.

    :param closed: redirections of a shell that close standard streams.
    :param streams: standard streams, in place of pipes and an empty standard input.
    """
    command = ["sh", "-c", f'exec "$@" {closed}', "sh", sys.executable, "-m", "unixsvc", *arguments]
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process: subprocess.Popen[str] = subprocess.Popen(  # type: ignore[call-overload]
        command, cwd=folder, env=environment, text=True, **pipes
    )
    return process


def outcome_of(process: subprocess.Popen[str]) -> Outcome:
    """Wait for the end of a command."""
    started = time.monotonic()
    out, err = process.communicate(timeout=30)
    return Outcome(process.returncode, out or "", err or "", time.monotonic() - started)


class CommandLineTestCase(TestCase):
    """Has a socket directory, and a configuration without a token."""

    def setUp(self) -> None:
        """Create them."""
        self.folder = tempfile.mkdtemp()  # trial's own have paths too long for a socket
        self.addCleanup(shutil.rmtree, self.folder)
        self.configure('token = "off"')
        self._over = threading.Event()

    def wait(self) -> None:
        """Do not reply until the test is over."""
        self._over.wait(20)

    def configure(self, *security: str) -> None:
        """Write the configuration."""
        with open(os.path.join(self.folder, "unixsvc.toml"), "w") as file:
            lines = [
                'socket_dir = "."',
                "[security]",
                *security,
                "[services.home]",
                'app = "unix_app.home:app"',
            ]
            file.write("\n".join(lines))

    def listen(self, behave: Behaviour | None, name: str = "home", backlog: int = 5) -> str:
        """Listen as a service.

        :param behave: called with each connection, one after the other, before it is closed; None to accept
            none.
        :returns: the path of the socket.
        """
        path = os.path.join(self.folder, f"service_{name}.sock")
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listening.bind(path)
        listening.listen(backlog)
        self.addCleanup(listening.close)
        if behave is not None:
            thread = threading.Thread(target=self._serve, args=(listening, behave), daemon=True)
            thread.start()
            self.addCleanup(thread.join, 10)
            self.addCleanup(listening.shutdown, socket.SHUT_RDWR)
            self.addCleanup(self._over.set)
        return path

    def _serve(self, listening: socket.socket, behave: Behaviour) -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:  # the test is over
                return
            with connection:
                connection.settimeout(10)
                behave(connection)

    def start(self, *arguments: str, closed: str = "", **streams: int) -> subprocess.Popen[str]:
        """Start the command in the folder, see :func:`start_command`."""
        process = start_command(self.folder, *arguments, closed=closed, **streams)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def run_command(self, *arguments: str, closed: str = "", **streams: int) -> Outcome:
        """Run the command in the folder."""
        return outcome_of(self.start(*arguments, closed=closed, **streams))

    def assertError(self, outcome: Outcome, code: int, *words: str) -> None:
        """It failed with this code, without output, and with one line on standard error with these words."""
        self.assertEqual((outcome.code, outcome.out, outcome.err.count("\n")), (code, "", 1), outcome)
        for word in words:
            self.assertIn(word, outcome.err)

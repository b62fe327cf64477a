"""Runs commands in this process, with services that are only said to be there."""

from __future__ import annotations

import io
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

import msgspec
from msgspec import Raw, Struct
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.cli.command import run
from unixsvc.cli.exchange import Call
from unixsvc.cli.session import Session
from unixsvc.wire.messages import ServerMessage

__all__ = ["TOKEN", "CommandTestCase", "Outcome", "failure", "success"]

TOKEN = "ab" * 32


class Outcome(Struct, frozen=True):
    """What a command left behind."""

    code: int
    out: str
    err: str


def success(data: Any) -> ServerMessage:
    """A service's answer with a result."""
    return ServerMessage(1, 200, data=Raw(msgspec.json.encode(data)))


def failure(code: int, detail: Any = None) -> ServerMessage:
    """A service's answer with a failure."""
    return ServerMessage(1, code, "error", "", detail)


class CommandTestCase(SynchronousTestCase):
    """Has a folder with a configuration, a token, and the sockets of ``home`` and ``user``.

    The sockets are plain files: what is sent ends in :attr:`calls`, and what comes back is :attr:`answer`.

    :ivar calls: path of the socket, message, and seconds.
    :ivar items: what it streams before that.
    :ivar answer: what a service answers, or the error that the exchange raises.
    """

    terminal = False

    def setUp(self) -> None:
        """Set all that up."""
        self.folder = tempfile.mkdtemp()  # trial's own have paths too long for a socket
        self.addCleanup(shutil.rmtree, self.folder)
        self.configure('socket_dir = "."', "[services.home]", 'app = "unix_app.home:app"')
        self.write(".auth_token", TOKEN)
        self.write("service_home.sock")
        self.write("service_user.sock")
        self.calls: list[tuple[str, Call, float]] = []
        self.items: list[Any] = []
        self.answer: ServerMessage | Exception = success(None)

    def write(self, name: str, content: str = "") -> str:
        """Make a file in the folder that only we can read; its path."""
        path = os.path.join(self.folder, name)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(content)
        return path

    def configure(self, *lines: str) -> None:
        """Write the configuration."""
        self.config = self.write("unixsvc.toml", "\n".join(lines))

    def run_command(self, *arguments: str, stdin: bytes | None = b"") -> Outcome:
        """Run a command with the folder's configuration.

        :param stdin: what standard input holds; None if it is closed.
        """
        out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
        session = Session(self._exchange, terminal=self.terminal)
        before = sys.stdin
        sys.stdin = None if stdin is None else io.TextIOWrapper(io.BytesIO(stdin))
        try:
            with redirect_stdout(out), redirect_stderr(err):
                code = run(["--config", self.config, *arguments], session)
        finally:
            sys.stdin = before
        texts = (stream.buffer.getvalue().decode() for stream in (out, err))
        return Outcome(code, *texts)

    def assertComplains(self, outcome: Outcome, code: int, *words: str) -> None:
        """It failed with this code, no result, and one line that contains the words."""
        self.assertEqual((outcome.code, outcome.out, outcome.err.count("\n")), (code, "", 1), outcome)
        self.assertTrue(outcome.err.startswith("unixsvc: "))
        for word in words:
            self.assertIn(word, outcome.err)

    def _exchange(
        self, path: str, call: Call, seconds: float, item: Callable[[Raw], object]
    ) -> ServerMessage:
        self.calls.append((path, call, seconds))
        for each in self.items:
            item(Raw(msgspec.json.encode(each)))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

"""Runs commands in this process, with a client that records its calls."""

from __future__ import annotations

import io
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from typing import Any, Self
from unittest.mock import patch

import msgspec
from msgspec import Raw, Struct
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.cli.command import run
from unixsvc.cli.session import Session
from unixsvc.client.calls import unexpected_stream
from unixsvc.client.connection import Call
from unixsvc.client.discovery.location import ServiceLocation
from unixsvc.errors import ServiceError, error_from
from unixsvc.socket_directory import socket_path

__all__ = ["TOKEN", "CommandTestCase", "FakeClient", "Outcome", "failure", "success"]

TOKEN = "ab" * 32


class Outcome(Struct, frozen=True):
    """The output and the exit code of a command."""

    code: int
    out: str
    err: str


def success(data: object) -> Raw:
    """The result of a call."""
    return Raw(msgspec.json.encode(data))


def failure(code: int, detail: object = None) -> ServiceError:
    """The error of a service."""
    return error_from(code, detail)


class RecordedCall(Struct, frozen=True):
    """A call that a command has made.

    :ivar path: of the socket.
    :ivar token: the token for the service.
    :ivar retry: True if the client may retry it.
    """

    path: str
    call: Call
    timeout: float
    token: str | None
    retry: bool


class CommandTestCase(SynchronousTestCase):
    """Has a folder with a configuration, a token, and the sockets of ``home`` and ``user``.

    The sockets are plain files: calls are recorded in :attr:`calls`, and the reply is :attr:`answer`.

    :ivar items: stream items before it.
    :ivar answer: the result, as JSON, or the error of the service.
    :ivar access: what the orchestrator replies to the request for the token.
    """

    terminal = False

    def setUp(self) -> None:
        """Create them."""
        self.folder = tempfile.mkdtemp()  # trial's own have paths too long for a socket
        self.addCleanup(shutil.rmtree, self.folder)
        default = os.path.join(self.folder, "default")  # what runs on this machine must not be found
        environment = patch.dict(os.environ, {"RUNTIME_DIRECTORY": default})
        environment.start()
        self.addCleanup(environment.stop)
        self.configure('socket_dir = "."', "[services.home]", 'app = "unix_app.home:app"')
        self.write(".auth_token", TOKEN)
        self.write("service_home.sock")
        self.write("service_user.sock")
        self.calls: list[RecordedCall] = []
        self.items: list[Any] = []
        self.answer: Raw | ServiceError = success(None)
        self.access: Raw | ServiceError = success({"token": TOKEN, "request_timeout": 30.0})

    def write(self, name: str, content: str = "") -> str:
        """Write a file in the folder that only its owner can read; its path."""
        path = os.path.join(self.folder, name)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(content)
        return path

    def configure(self, *lines: str) -> None:
        """Write the configuration."""
        self.config = self.write("unixsvc.toml", "\n".join(lines))

    def run_command(self, *arguments: str, stdin: bytes | None = b"") -> Outcome:
        """Run a command with the configuration of the folder.

        :param stdin: what standard input holds; None if it is closed.
        """
        out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
        session = Session(self.client, terminal=self.terminal)
        before = sys.stdin
        sys.stdin = None if stdin is None else io.TextIOWrapper(io.BytesIO(stdin))
        try:
            location = ["--config", self.config] if self.config else []
            with redirect_stdout(out), redirect_stderr(err):
                code = run([*location, *arguments], session)
        finally:
            sys.stdin = before
        texts = (stream.buffer.getvalue().decode() for stream in (out, err))
        return Outcome(code, *texts)

    def assertError(self, outcome: Outcome, code: int, *words: str) -> None:
        """It failed with this code, without output, and with one line on standard error with these words."""
        self.assertEqual((outcome.code, outcome.out, outcome.err.count("\n")), (code, "", 1), outcome)
        self.assertTrue(outcome.err.startswith("unixsvc: "))
        for word in words:
            self.assertIn(word, outcome.err)

    def client(self, service: str, location: ServiceLocation, retry: bool) -> FakeClient:
        """A client that records its calls."""
        return FakeClient(self, socket_path(location.socket_dir, service), location, retry)


class FakeClient:
    """Records calls, and replies with the items and the answer of a test case."""

    def __init__(self, case: CommandTestCase, path: str, location: ServiceLocation, retry: bool) -> None:
        self._case = case
        self._path = path
        self._credentials = location.credentials
        self._retry = retry

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def request(self, call: Call, timeout: float, on_item: Callable[[Raw], object] | None = None) -> Raw:
        """Record a call, and reply."""
        case = self._case
        case.calls.append(RecordedCall(self._path, call, timeout, self._credentials.token, self._retry))
        for item in case.items:
            if on_item is None:
                raise unexpected_stream()
            on_item(Raw(msgspec.json.encode(item)))
        answer = case.access if call.path == "/tokens/access" else case.answer
        if isinstance(answer, ServiceError):
            raise self._credentials.annotate(answer)
        return answer

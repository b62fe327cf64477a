"""The client's side of HTTP on a real socket, with nothing of ours or of any library in it."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import msgspec
from msgspec import Struct
from twisted.trial.unittest import SynchronousTestCase

from tests.functional.http_child import Settings

__all__ = ["Answer", "HttpServer", "HttpTalk", "get", "start_http"]

_ROOT = Path(__file__).parents[2]  # where children find this package
_PATIENCE = 20.0  # seconds; only ever waited for when something is broken


class Answer(Struct, frozen=True):
    """One answer.

    :ivar headers: by their names in lower case.
    """

    code: int
    headers: dict[str, str]
    body: bytes

    def problem(self) -> Any:
        """The body of a failure."""
        return msgspec.json.decode(self.body)


def get(path: str = "/", *headers: str) -> bytes:
    """A request without a body."""
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: localhost", *headers, "", ""]).encode()


class HttpTalk:
    """One connection.

    :param port: of a server on this machine.
    :param window: bytes that may wait on our side before the server has to wait; 0 for as many as usual.
    """

    def __init__(self, port: int, window: int = 0) -> None:
        self.socket = socket.socket()
        if window:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        self.socket.settimeout(_PATIENCE)
        self.socket.connect(("127.0.0.1", port))
        self._buffer = b""

    def __enter__(self) -> HttpTalk:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self.socket.close()

    def raw(self, data: bytes) -> None:
        """Send bytes; that the other end closes while they are sent is no error."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.socket.sendall(data)

    def receive(self) -> Answer:
        """The next answer, whose body has a length or ends with the connection; EOFError if there is none."""
        head = self._until(b"\r\n\r\n").decode("latin-1")
        line, *fields = head[:-4].split("\r\n")
        headers = {}
        for each in fields:
            name, _, value = each.partition(": ")
            assert name.lower() not in headers, each
            headers[name.lower()] = value
        code = int(line.split(" ")[1])
        length = 0 if code < 200 or code == 204 else int(headers["content-length"])
        while len(self._buffer) < length:
            self._more()
        body, self._buffer = self._buffer[:length], self._buffer[length:]
        return Answer(code, headers, body)

    def ask(self, data: bytes) -> Answer:
        """Send bytes, and get the next answer."""
        self.raw(data)
        return self.receive()

    def rest(self) -> bytes:
        """All that comes until the other end closes; ConnectionResetError if it does not do that well."""
        pieces = [self._buffer]
        while more := self.socket.recv(1 << 20):
            pieces.append(more)
        self._buffer = b""
        return b"".join(pieces)

    def _until(self, end: bytes) -> bytes:
        while end not in self._buffer:
            self._more()
        found, _, self._buffer = self._buffer.partition(end)
        return found + end

    def _more(self) -> None:
        more = self.socket.recv(1 << 20)
        if not more:
            raise EOFError(self._buffer)
        self._buffer += more


class HttpServer:
    """A server in a process of its own.

    :ivar port: where it listens.
    """

    def __init__(self, settings: Settings) -> None:
        command = [
            sys.executable,
            "-m",
            "tests.functional.http_child",
            msgspec.json.encode(settings).decode(),
        ]
        self._process = subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert self._process.stdout is not None
        output: IO[bytes] = self._process.stdout
        self.port = int(output.readline())
        self.pid = self._process.pid

    def terminate(self) -> None:
        """Have it drain and end."""
        self._process.terminate()

    def wait(self) -> tuple[int, str]:
        """Its exit code, and what it has written to standard error."""
        _, errors = self._process.communicate(timeout=_PATIENCE)
        return self._process.returncode, errors.decode()

    def end(self) -> None:
        """End it now."""
        if self._process.poll() is None:
            self._process.kill()
        with contextlib.suppress(ValueError):  # it has been waited for
            self._process.communicate()


def start_http(case: SynchronousTestCase, settings: Settings) -> HttpServer:
    """Start a server, which ends with the test."""
    server = HttpServer(settings)
    case.addCleanup(server.end)
    return server

"""A minimal HTTP client on a real socket, independent of the project and of HTTP libraries."""

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

__all__ = ["HttpServer", "RawHttpConnection", "Response", "get", "start_http"]

_ROOT = Path(__file__).parents[2]  # the folder from which child processes import this package
_TIMEOUT = 20.0  # seconds; only reached if something is broken


class Response(Struct, frozen=True):
    """A response.

    :ivar headers: values by name in lower case.
    """

    code: int
    headers: dict[str, str]
    body: bytes

    def problem(self) -> Any:
        """The problem in the body."""
        return msgspec.json.decode(self.body)


def get(path: str = "/", *headers: str) -> bytes:
    """The bytes of a request without a body."""
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: localhost", *headers, "", ""]).encode()


class RawHttpConnection:
    """One connection.

    :param port: of a server on this machine.
    :param window: the size of the receive buffer, in bytes; 0 for the default.
    """

    def __init__(self, port: int, window: int = 0) -> None:
        self.socket = socket.socket()
        if window:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        self.socket.settimeout(_TIMEOUT)
        self.socket.connect(("127.0.0.1", port))
        self._buffer = b""

    def __enter__(self) -> RawHttpConnection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Send bytes; a disconnect meanwhile is not an error."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.socket.sendall(data)

    def receive(self) -> Response:
        """The next response; its body has a length or ends with the connection. EOFError if there is none."""
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
        return Response(code, headers, body)

    def request(self, data: bytes) -> Response:
        """Send bytes, and return the next response."""
        self.send(data)
        return self.receive()

    def read_to_end(self) -> bytes:
        """All bytes until the server closes; ConnectionResetError if it resets the connection."""
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

    :ivar port: its port.
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
        """Send SIGTERM."""
        self._process.terminate()

    def wait(self) -> tuple[int, str]:
        """The exit code, and the standard error."""
        _, errors = self._process.communicate(timeout=_TIMEOUT)
        return self._process.returncode, errors.decode()

    def kill(self) -> None:
        """Kill the process."""
        if self._process.poll() is None:
            self._process.kill()
        with contextlib.suppress(ValueError):  # it has ended
            self._process.communicate()


def start_http(case: SynchronousTestCase, settings: Settings) -> HttpServer:
    """Start a server that ends with the test."""
    server = HttpServer(settings)
    case.addCleanup(server.kill)
    return server

"""A client on a raw socket, without code of the project."""

from __future__ import annotations

import contextlib
import json
import socket
from types import TracebackType
from typing import Any

__all__ = ["RawConnection"]

_GOAWAY = b'{"goaway":true}\n'
_TIMEOUT = 20.0  # seconds; only reached if something is broken


class RawConnection:
    """One connection to a service.

    :param path: of its socket.
    :param token: shown with each message that :meth:`send` sends; None to show none.
    :ivar goaway_received: whether the service has sent ``goaway``.
    """

    def __init__(self, path: str, token: str | None = None) -> None:
        self.token = token
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(_TIMEOUT)
        self.socket.connect(path)
        self._buffer = b""
        self.goaway_received = False

    def __enter__(self) -> RawConnection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self.socket.close()

    def encode(self, **message: Any) -> bytes:
        """Encode a message with its line end."""
        token_field = {} if self.token is None else {"auth_token": self.token}
        return json.dumps(token_field | message).encode() + b"\n"

    def send(self, **message: Any) -> None:
        """Send a message."""
        self.raw(self.encode(**message))

    def raw(self, data: bytes) -> None:
        """Send bytes; a broken pipe is no error."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.socket.sendall(data)

    def receive(self) -> Any:
        """The next reply; EOFError at the end of the stream."""
        while (message := self._next()) == {"goaway": True}:
            self.goaway_received = True
        return message

    def _next(self) -> Any:
        while b"\n" not in self._buffer:
            more = self.socket.recv(1 << 20)
            if not more:
                raise EOFError(self._buffer)
            self._buffer += more
        line, _, self._buffer = self._buffer.partition(b"\n")
        return json.loads(line)

    def ask(self, **message: Any) -> Any:
        """Send a message, and return the next reply."""
        self.send(**message)
        return self.receive()

    def rest(self) -> bytes:
        """All replies until the end of the stream, without ``goaway``."""
        pieces = [self._buffer]
        while more := self.socket.recv(1 << 20):
            pieces.append(more)
        return b"".join(pieces).replace(_GOAWAY, b"")

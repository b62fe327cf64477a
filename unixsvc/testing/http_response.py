"""A response of HTTP that a test has received."""

from __future__ import annotations

import http.client
from email.message import Message
from io import BytesIO
from typing import Any

import msgspec

from unixsvc.domain.json import Json

__all__ = ["HttpResponse"]


class HttpResponse:
    """A response.

    :ivar status_code: the code.
    :ivar headers: the headers; their names are not case-sensitive.
    :ivar content: the body.
    :ivar complete: False if the body has not arrived to its end, as that of a stream that runs or has failed.
    """

    def __init__(self, received: bytes, method: str) -> None:
        source: Any = _ReceivedBytes(received)  # of a socket, only makefile() is used
        response = http.client.HTTPResponse(source, method=method)
        response.begin()
        self.status_code: int = response.status
        self.headers: Message = response.headers
        self.complete = True
        try:
            self.content: bytes = response.read()
        except http.client.IncompleteRead as error:
            self.complete, self.content = False, error.partial

    @property
    def text(self) -> str:
        """The body, as text."""
        return self.content.decode()

    def json(self) -> Json:
        """The body, decoded from JSON."""
        decoded: Json = msgspec.json.decode(self.content)
        return decoded

    def items(self) -> list[Json]:
        """The items of a stream of JSON lines or of server-sent events that have arrived completely."""
        prefix = b"data: " if self.headers.get_content_type() == "text/event-stream" else b""
        complete = self.content[: self.content.rfind(b"\n") + 1]
        lines = [line.removeprefix(prefix) for line in complete.splitlines() if line.startswith(prefix)]
        return [msgspec.json.decode(line) for line in lines if line]


class _ReceivedBytes:
    """A socket that has received some bytes."""

    def __init__(self, received: bytes) -> None:
        self._received = received

    def makefile(self, mode: str) -> BytesIO:
        """A file with the bytes."""
        return BytesIO(self._received)

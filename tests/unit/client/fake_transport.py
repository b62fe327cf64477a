"""A transport of a multiplexer that records what is done to it."""

from __future__ import annotations

import json
from collections.abc import Callable

from unixsvc.client.errors import AttemptFailed
from unixsvc.client.events import ResponseReceived
from unixsvc.client.stream_buffer import StreamBuffer

__all__ = ["FakeTransport", "RecordingCall"]


class FakeTransport:
    """Records writes.

    :ivar writes: each write.
    :ivar closed: how it was closed: ``close``, ``abort``, or not at all.
    :ivar callbacks: functions to call after callbacks.
    """

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.closed = ""
        self.callbacks: list[Callable[[], None]] = []

    def write(self, data: bytes) -> None:
        """Record a write."""
        self.writes.append(data)

    def close(self) -> None:
        """Record it."""
        self.closed = "close"

    def abort(self) -> None:
        """Record it."""
        self.closed = "abort"

    def after_callbacks(self, flush: Callable[[], None]) -> None:
        """Record it."""
        self.callbacks.append(flush)

    def take_messages(self) -> list[list[str]]:
        """The messages in each write since the last call: the paths of requests, and ids of cancels."""
        writes, self.writes = self.writes, []
        messages = [[json.loads(line) for line in each.splitlines()] for each in writes]
        return [[each.get("path") or f"cancel {each['id']}" for each in write] for write in messages]


class RecordingCall:
    """A pending call that records its end.

    :param may_stream: True if its reply may be a stream.
    :param stream_deadline: its deadline then.
    :ivar result: its result, its error, or None.
    """

    def __init__(
        self,
        deadline: float = 30.0,
        buffer: StreamBuffer | None = None,
        *,
        may_stream: bool = False,
        stream_deadline: float = 30.0,
    ) -> None:
        self.deadline = deadline
        self.buffer = buffer
        self.result: object = None
        self._may_stream = may_stream
        self._stream_deadline = stream_deadline

    def succeed(self, response: ResponseReceived) -> None:
        """Record the result."""
        self.result = bytes(response.data)

    def fail(self, error: AttemptFailed) -> None:
        """Record the error."""
        self.result = error

    def start_stream(self, id: int, buffer: StreamBuffer) -> bool:
        """Take the buffer, if a stream is allowed."""
        if self._may_stream:
            self.buffer, self.deadline = buffer, self._stream_deadline
        return self._may_stream

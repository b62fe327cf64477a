"""The body of one request, which its action reads while it arrives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.internet.defer import Deferred

from unixsvc.errors import ServiceError

__all__ = ["IncomingBody"]

# The connection reads on while less than this waits for the action. In bytes; uvloop reads as much at once.
_WINDOW: Final = 262_144
# Shorter pieces are joined: each is an object of its own, and a client may send byte by byte.
_MIN_PIECE: Final = 4096


class IncomingBody:
    """The body of a request, between the connection and the action.

    :param remaining: the number of bytes that are to come; None if the body is chunked.
    :ivar received: the number of bytes that have come.
    :ivar complete: whether all bytes have come.
    :ivar kept: the number of bytes that have been read, and are in memory because of this request.
    :ivar on_wait: called with True when the action begins to wait for the client, and then with False.
    :ivar on_change: called when there is less in memory, or when the action waits.
    """

    __slots__ = (
        "_closed",
        "_error",
        "_pieces",
        "_reader",
        "_unread",
        "complete",
        "kept",
        "on_change",
        "on_wait",
        "received",
        "remaining",
    )

    def __init__(self, remaining: int | None) -> None:
        self.remaining = remaining
        self.received = 0
        self.complete = remaining == 0
        self.kept = 0
        self.on_wait: Callable[[bool], object] | None = None
        self.on_change: Callable[[], object] | None = None
        self._unread = 0
        self._pieces: list[bytes] = []
        self._reader: Deferred[None] | None = None
        self._error: ServiceError | None = None
        self._closed = False

    @classmethod
    def whole(cls, body: bytes) -> IncomingBody:
        """A body that has arrived already."""
        incoming = cls(len(body))
        if body:
            incoming.add(body)
        return incoming

    @property
    def held(self) -> int:
        """The number of bytes in memory."""
        return self._unread + self.kept

    @property
    def awaited(self) -> bool:
        """Whether the action waits for the client."""
        return self._reader is not None

    @property
    def failed(self) -> bool:
        """Whether the rest is not received, because of an error."""
        return self._error is not None

    @property
    def wanted(self) -> bool:
        """Whether the connection is to read on."""
        return not self._closed and self._error is None and self._unread < _WINDOW

    # What the connection calls.

    def add(self, data: bytes) -> None:
        """Add the next bytes; :meth:`wake` lets the action have them."""
        self.received += len(data)
        if self.remaining is not None:
            self.remaining -= len(data)
            self.complete = not self.remaining
        if self._closed or self._error is not None:
            return
        self._unread += len(data)
        if self._pieces and len(self._pieces[-1]) < _MIN_PIECE:
            self._pieces[-1] += data
        else:
            self._pieces.append(data)

    def wake(self) -> None:
        """Let the action go on, if it waits for what is there now."""
        reader = self._reader
        if reader is not None and not reader.called and self._has_news():
            reader.callback(None)

    def fail(self, error: ServiceError) -> None:
        """Raise an error when the action reads on."""
        if not self.complete and self._error is None:
            self._error = error
            self._drop()
            self.wake()

    # What the action calls.

    async def read(self) -> bytes:
        """The next bytes; empty at the end.

        :raises unixsvc.errors.ServiceError: if the rest does not arrive, or is malformed.
        """
        if self._reader is not None:
            raise RuntimeError("the body of a request is read by two at the same time")
        if not self._has_news():
            await self._wait()
        if self._closed:
            raise RuntimeError("the body of a request is read after its end")
        if self._error is not None:
            raise self._error
        pieces = self._pieces
        self._drop()
        self._changed()
        return b"".join(pieces)

    def keep(self, size: int) -> None:
        """Note how many bytes that were read are in memory."""
        if size != self.kept:
            self.kept = size
            self._changed()

    def close(self) -> None:
        """The action has ended: the rest is not needed."""
        self._closed = True
        self.kept = 0
        self._drop()
        self._changed()
        self.wake()

    def _has_news(self) -> bool:
        return bool(self._pieces or self.complete or self._error or self._closed)

    async def _wait(self) -> None:
        self._reader = Deferred()
        try:
            self._observe(True)
            self._changed()
            await self._reader
        finally:
            self._reader = None
            self._observe(False)

    def _drop(self) -> None:
        self._pieces = []
        self._unread = 0

    def _observe(self, waits: bool) -> None:
        if self.on_wait is not None:
            self.on_wait(waits)

    def _changed(self) -> None:
        if self.on_change is not None:
            self.on_change()

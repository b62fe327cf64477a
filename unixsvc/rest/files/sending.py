"""Sends the body of a response from a file, as fast as the client takes it."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime
from twisted.python.failure import Failure
from zope.interface import implementer

from unixsvc.domain.open_file import Descriptor
from unixsvc.rest.files.disk import Disk
from unixsvc.rest.files.response import FileResponse, Part
from unixsvc.rest.server.interfaces import ResponseWriter
from unixsvc.telemetry.limited_logger import LimitedLogger

__all__ = ["FileSender"]

_log: Final = LimitedLogger(__name__)
# The most bytes that are sent before the event loop serves others: some 0.2 ms. A thread loads as many.
_TURN: Final = 1_048_576
# The high-water mark of transports: more would only wait in memory.
_CHUNK: Final = 65_536


class Output(Protocol):
    """Takes bytes and parts of files; the calls raise BlockingIOError while it takes no more."""

    def send(self, data: bytes, *, more: bool) -> int:
        """Send bytes, and return how many."""

    def send_file(self, descriptor: int, offset: int, count: int) -> int:
        """Send a part of a file, and return how many bytes; 0 if the file has ended before it."""

    def when_writable(self, callback: Callable[[], object]) -> None:
        """Call a function once, when it takes more."""

    def close(self) -> None:
        """Nothing more is sent. It may be called again."""


class FileSender:
    """Sends one response, and closes its file.

    A file that has become shorter ends with the connection: the client must not take it for complete.

    :param disk: loads what is not in the page cache.
    """

    def __init__(
        self,
        writer: ResponseWriter,
        response: FileResponse,
        descriptor: Descriptor,
        disk: Disk,
        reactor: IReactorTime,
    ) -> None:
        self._writer = writer
        self._response = response.head
        self._parts: deque[Part] = deque(response.parts)
        self._descriptor: Descriptor | None = descriptor
        self._disk = disk
        self._reactor = reactor
        self._output: Output
        self._next_turn: IDelayedCall | None = None
        self._loaded = 0, 0
        self._loading = False

    def start(self) -> None:
        """Send the head, and as much of the body as the client takes."""
        self._writer.on_disconnect(self._close)
        try:
            direct = self._writer.direct(self._response)
        except OSError:  # no file descriptor is left: the other way needs none
            direct = None
        if direct is not None:
            head, self._output = direct
            self._parts.appendleft(head)
        else:
            self._writer.start_body(self._response)
            self._output = _TransportOutput(self._writer)
        self._send()

    def _send(self) -> None:
        """Send until the output is full, or others have to be served."""
        self._next_turn = None
        self._writer.blocked(False)
        room = _TURN
        try:
            while self._parts and room > 0:
                sent = self._send_first(self._parts[0])
                if sent is None:
                    return
                room -= sent
                self._writer.sent(sent)
        except BlockingIOError:
            self._writer.blocked(True)
            self._output.when_writable(self._send)
        except ConnectionError:  # the client has disconnected, as the transport will notice
            self._abort()
        except OSError as error:
            self._failed(error)
        else:
            if self._parts:
                self._next_turn = self._reactor.callLater(0, self._send)
            else:
                self._close()
                self._writer.finish()

    def _send_first(self, part: Part) -> int | None:
        """Send some of the first part; None if it has to be loaded, or the file has ended before it."""
        if isinstance(part, bytes):
            sent = self._output.send(part, more=len(self._parts) > 1)
            rest: Part = part[sent:]
            done = not rest
        else:
            offset, stop = part
            if self._descriptor is None or not self._is_loaded(self._descriptor, offset, stop):
                return None
            count = min(stop, self._loaded[1]) - offset
            sent = self._output.send_file(self._descriptor.fileno(), offset, count)
            if not sent:
                self._failed(EOFError("it has become shorter"))
                return None
            rest = offset + sent, stop
            done = offset + sent == stop
        self._parts.popleft()
        if not done:
            self._parts.appendleft(rest)
        return sent

    def _is_loaded(self, descriptor: Descriptor, offset: int, stop: int) -> bool:
        """Whether bytes can be sent without waiting for the disk; else have them loaded."""
        start, end = self._loaded
        if start <= offset < end:
            return True
        count = min(stop - offset, _TURN)
        if self._disk.is_cached(descriptor, offset, count):
            self._loaded = offset, offset + count
            return True
        self._loading = True
        loading = self._disk.load(descriptor, offset, count)
        loading.addCallbacks(self._now_loaded, self._not_loaded, callbackArgs=(offset, offset + count))
        return False

    def _now_loaded(self, result: None, offset: int, stop: int) -> None:
        self._loading = False
        if self._descriptor is not None:
            self._loaded = offset, stop
            self._send()

    def _not_loaded(self, failure: Failure) -> None:
        self._loading = False
        if self._descriptor is not None:
            self._failed(failure.value)

    def _failed(self, error: BaseException | None) -> None:
        message = "a file could not be sent to its end: {error}"
        _log.emit("warn", "files that could not be sent to their ends", message, error=error)
        self._abort()

    def _abort(self) -> None:
        self._close()
        self._writer.cut_off()

    def _close(self) -> None:
        """Nothing more is sent. While a thread still loads it keeps the descriptor, which is closed then."""
        if self._descriptor is not None and not self._loading:
            self._descriptor.close()
        self._descriptor = None
        self._parts.clear()
        self._output.close()
        if self._next_turn is not None:
            self._next_turn.cancel()
            self._next_turn = None


@implementer(IPushProducer)
class _TransportOutput:
    """Sends by means of the transport: over TLS, or behind a response that the client has not taken yet."""

    def __init__(self, writer: ResponseWriter) -> None:
        self._writer = writer
        self._callback: Callable[[], object] | None = None
        writer.register(self)

    def send(self, data: bytes, *, more: bool) -> int:
        """Write bytes."""
        if self._writer.write_paused:
            raise BlockingIOError
        self._writer.write(data)
        return len(data)

    def send_file(self, descriptor: int, offset: int, count: int) -> int:
        """Write a part of a file."""
        if self._writer.write_paused:
            raise BlockingIOError
        return self.send(os.pread(descriptor, min(count, _CHUNK), offset), more=False)

    def when_writable(self, callback: Callable[[], object]) -> None:
        """Call a function when the transport has room again."""
        self._callback = callback

    def close(self) -> None:
        """Nothing more is written."""
        self._callback = None
        self._writer.unregister()

    def pauseProducing(self) -> None:
        """The transport's write buffer is full: ``write_paused`` says so."""

    def resumeProducing(self) -> None:
        """The transport's write buffer has drained."""
        callback, self._callback = self._callback, None
        if callback is not None:
            callback()

    def stopProducing(self) -> None:
        """The connection is about to close."""
        self._callback = None

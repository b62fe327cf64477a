"""Holds conversations with a running revision."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable

from tests.differential.progress import HttpProgress, ReceivedData, SocketProgress, Transcript
from tests.differential.steps import (
    ETAG,
    NAMESPACE,
    AnyStep,
    Conversation,
    Drop,
    Hold,
    Pause,
    Read,
    Send,
    Shut,
    Until,
    pieces_of,
)

__all__ = ["Address", "hold"]

Address = str | tuple[str, int]

_PAUSE = 0.002  # seconds between packets, so that the server reads them one by one


class _Connection:
    """One connection.

    :param progress: is notified of everything that arrives.
    """

    def __init__(self, on: int, progress: SocketProgress | HttpProgress) -> None:
        self.on = on
        self.progress = progress
        self.end = "open"
        self._socket: socket.socket | None = None
        self._unsent = b""
        self._news = asyncio.Event()
        self._reading = asyncio.Event()
        self._reading.set()
        self._queue: asyncio.Queue[tuple[bytes, bool] | None] = asyncio.Queue()
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self, address: Address) -> None:
        """Connect, and start reading."""
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        self._socket.setblocking(False)
        if family == socket.AF_INET:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            await asyncio.get_running_loop().sock_connect(self._socket, address)
        except OSError:
            self.end = "refused"
            return
        self._tasks = [asyncio.create_task(each(self._socket)) for each in (self._read, self._write)]

    async def _read(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._reading.wait()
            try:
                data = await loop.sock_recv(connection, 262_144)
            except OSError:
                data = b""
            if not data:
                self.end = "closed"
            self.progress.feed(data)
            self._news.set()
            if not data:
                return

    def send(self, pieces: list[bytes], *, pause: bool, joined: bool) -> None:
        """Send packets; the last one is held back, to be joined with the next."""
        pieces[0] = self._unsent + pieces[0]
        self._unsent = pieces.pop() if joined else b""
        for each in pieces:
            self._queue.put_nowait((each, pause))

    def flush(self) -> None:
        """Send the packet that was held back."""
        data, self._unsent = self._unsent, b""
        self._queue.put_nowait((data, False))

    def shut(self) -> None:
        """Shut down the sending side when everything is sent."""
        self.flush()
        self._queue.put_nowait(None)

    async def _write(self, connection: socket.socket) -> None:
        """Send the queue without blocking: a server that does not read must not stop the reading here."""
        with contextlib.suppress(OSError):  # the server has closed the connection
            while (item := await self._queue.get()) is not None:
                data, pause = item
                if data:
                    await asyncio.get_running_loop().sock_sendall(connection, data)
                if pause:
                    await asyncio.sleep(_PAUSE)
            connection.shutdown(socket.SHUT_WR)

    def hold(self) -> None:
        """Stop reading; a read in progress is completed."""
        self._reading.clear()

    def read(self) -> None:
        """Resume reading."""
        self._reading.set()

    async def wait(self, test: Callable[[], bool], timeout: float) -> bool:
        """Wait until a condition holds or the connection ends; false after the time-out."""
        try:
            async with asyncio.timeout(timeout):
                while self.end == "open" and not test():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            return False
        return True

    async def drop(self, end: str = "dropped") -> None:
        """Close the connection."""
        for each in self._tasks:
            each.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self.end = end


class _Client:
    def __init__(
        self,
        conversation: Conversation,
        address: Callable[[str], Address],
        namespace: str,
        timeout: float,
    ) -> None:
        self._conversation = conversation
        self._address = address
        self._namespace = namespace.encode()
        self._timeout = timeout
        self._connections: dict[int, _Connection] = {}
        self.late: list[int] = []

    async def hold(self) -> Transcript:
        try:
            for number, step in enumerate(self._conversation.steps):
                connection = await self._connection(step.on)
                if not isinstance(step, Send):
                    for each in self._connections.values():
                        each.flush()
                if not await self._do(step, connection):
                    self.late.append(number)
                    self._timeout = min(self._timeout, 1.0)  # a short time-out: the connection is lost
            await self._finish()
        finally:
            ends = {each.on: each.end for each in self._connections.values()}
            for each in self._connections.values():
                await each.drop(each.end)
        received = [
            ReceivedData(on, each.progress.data, ends[on], tuple(getattr(each.progress, "methods", ())))
            for on, each in sorted(self._connections.items())
        ]
        return Transcript(tuple(received), tuple(self.late))

    async def _connection(self, on: int) -> _Connection:
        found = self._connections.get(on)
        if found is None:
            progress = HttpProgress() if self._conversation.http else SocketProgress()
            found = self._connections[on] = _Connection(on, progress)
            target = self._conversation.elsewhere.get(on, self._conversation.target)
            await found.open(self._address(target))
        return found

    async def _do(self, step: AnyStep, connection: _Connection) -> bool:
        """Perform a step; false if it timed out."""
        match step:
            case Send():
                self._send(step, connection)
            case Until():
                if step.closed:
                    return await connection.wait(lambda: False, self._timeout)
                return await connection.wait(lambda: connection.progress.reached(step), self._timeout)
            case Shut():
                connection.shut()
            case Drop():
                await connection.drop()
            case Hold():
                connection.hold()
            case Read():
                connection.read()
            case Pause():
                await asyncio.sleep(step.seconds)
        return True

    def _send(self, step: Send, connection: _Connection) -> None:
        data = step.data.replace(NAMESPACE.encode(), self._namespace)
        if ETAG.encode() in data:
            data = data.replace(ETAG.encode(), connection.progress.etag())
        connection.progress.sent(data, step.replies)
        connection.send(pieces_of(step, data), pause=step.pause, joined=step.joined)

    async def _finish(self) -> None:
        """Shut down the sending sides, and read to the end of all connections."""
        for each in self._connections.values():
            each.read()
            each.shut()
        for each in self._connections.values():
            if not await each.wait(lambda: False, self._timeout):
                self.late.append(len(self._conversation.steps))


async def hold(
    conversation: Conversation, address: Callable[[str], Address], namespace: str, timeout: float = 15.0
) -> Transcript:
    """Hold a conversation.

    :param address: returns the address of a service.
    :param namespace: replaces the placeholder in paths and ids that must be unique to the conversation.
    :param timeout: the time-out of a step, in seconds; only reached if something is wrong.
    """
    return await _Client(conversation, address, namespace, timeout).hold()

"""The connections of a blocking client: each carries one call at a time, and whoever calls reads it."""

from __future__ import annotations

import math
import os
import select
import socket
from collections.abc import Callable, Iterator
from threading import RLock
from typing import Final
from weakref import WeakSet

from msgspec import Raw

from unixsvc.client.calls import unexpected_stream
from unixsvc.client.connect import ConnectAttemptFailed
from unixsvc.client.connection import (
    WINDOW,
    Call,
    ClientConnection,
    ErrorReceived,
    Event,
    ItemReceived,
    ResponseReceived,
)
from unixsvc.client.location import Credentials
from unixsvc.client.retry import ConnectionLost
from unixsvc.errors import ServiceError, Unavailable

__all__ = ["BlockingConnection", "BlockingConnectionPool"]

_SIZE: Final = 65536
_LONGEST_WAIT: Final = 3600.0  # seconds; poll(2) counts milliseconds in an int


class BlockingConnection:
    """One connection to a service.

    :param connection: connected, and not blocking: what waits is poll(2), for as long as there is time.
    """

    def __init__(self, connection: socket.socket, shown: Credentials) -> None:
        self.conversation = ClientConnection(shown)
        self._socket = connection
        self._pid = os.getpid()
        self._readable, self._writable = select.poll(), select.poll()
        self._readable.register(connection, select.POLLIN)
        self._writable.register(connection, select.POLLOUT)

    def is_fit(self) -> bool:
        """Whether another call can be made on it, after it has been idle."""
        if not self._readable.poll(0):  # a third of what it costs to have nothing to read raised
            return not self.conversation and not self.conversation.leaving
        try:
            data = self._socket.recv(_SIZE)
        except OSError:
            return False
        try:
            self.conversation.receive(data)
        except ServiceError:
            return False
        return bool(data) and not self.conversation.leaving

    def ask(self, call: Call, left: Callable[[], float]) -> Raw:
        """Ask, and wait for the answer.

        :param left: what is left of the time, in seconds; raises what is to be raised if that is nothing.
        :raises Lost: if the connection ends before that.
        :raises Unreached: if it had ended before the service could see anything of the call.
        """
        self._begin(self.conversation.ask(call, left())[1], left)
        while True:
            for event in self._receive(left):
                if isinstance(event, ResponseReceived):
                    return event.data
                if isinstance(event, ErrorReceived):
                    raise event.error
                if isinstance(event, ItemReceived):
                    raise unexpected_stream()

    def ask_stream(self, call: Call, left: Callable[[], float]) -> Iterator[Raw]:
        """Ask for a stream: its items as they come. For its arguments and what is raised, see :meth:`ask`."""
        number, message = self.conversation.ask(call, left(), WINDOW)
        self._begin(message, left)
        taken = 0
        while True:
            for event in self._receive(left):
                if isinstance(event, ItemReceived):
                    yield event.data
                    taken += 1
                    if taken >= WINDOW // 2:
                        self._send(self.conversation.grant(number, taken), left)
                        taken = 0
                elif isinstance(event, ResponseReceived):
                    return
                elif isinstance(event, ErrorReceived):
                    raise event.error

    def shut(self) -> None:
        """End the connection under whoever uses it, in another thread."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:  # it has ended
            return

    def close(self) -> None:
        """End our side of it. The service cancels what is unanswered."""
        self._socket.close()

    def _begin(self, message: bytes, left: Callable[[], float]) -> None:
        if not self._send(message, left):
            raise ConnectAttemptFailed(Unavailable())

    def _send(self, message: bytes, left: Callable[[], float]) -> int:
        """Send as much as the service takes; what it has said before it went is still to be read."""
        if os.getpid() != self._pid:
            raise ConnectionLost  # a process has one in common with its parent only by mistake
        sent = 0
        while sent < len(message):
            try:
                sent += self._socket.send(memoryview(message)[sent:], socket.MSG_NOSIGNAL)
            except BlockingIOError:
                self._writable.poll(_milliseconds(left()))
            except OSError:
                break
        return sent

    def _receive(self, left: Callable[[], float]) -> list[Event]:
        if os.getpid() != self._pid:
            raise ConnectionLost
        while not self._readable.poll(_milliseconds(left())):
            pass
        try:
            data = self._socket.recv(_SIZE)
        except BlockingIOError:
            return []
        except OSError:
            raise ConnectionLost from None
        if not data:
            raise ConnectionLost
        return self.conversation.receive(data)


def _milliseconds(seconds: float) -> int:
    return math.ceil(min(seconds, _LONGEST_WAIT) * 1000)


class BlockingConnectionPool:
    """The connections of one client in one process.

    :param most: how many are kept for further calls; there are more while more are in use.
    :ivar lock: of all that the client's threads share. It is one that a thread can take twice, as a signal
        handler or a generator that is collected may call while its thread holds it.
    """

    def __init__(self, most: int) -> None:
        self.pid = os.getpid()
        self.lock = RLock()
        self._most = most
        self._idle: list[BlockingConnection] = []
        self._all: WeakSet[BlockingConnection] = WeakSet()  # weak, as an interrupt may lose one in any place

    def __len__(self) -> int:
        """How many are idle."""
        return len(self._idle)

    def take(self) -> BlockingConnection | None:
        """One that can be used; the one that was used last, so that those that are too many grow old."""
        while True:
            with self.lock:
                if not self._idle:
                    return None
                link = self._idle.pop()
            if link.is_fit():
                return link
            link.close()

    def add(self, link: BlockingConnection) -> None:
        """There is one more, in use."""
        with self.lock:
            self._all.add(link)

    def put(self, link: BlockingConnection) -> None:
        """It is not in use any more."""
        with self.lock:
            fit = not link.conversation and not link.conversation.leaving
            if fit and len(self._idle) < self._most and link in self._all:
                self._idle.append(link)
                return
            self._all.discard(link)
        link.close()

    def close(self) -> None:
        """End all of them, also those in use."""
        with self.lock:
            idle, self._idle = self._idle, []
            busy = [each for each in self._all if each not in idle]
            self._all.clear()
        for each in idle:
            each.close()
        for each in busy:
            each.shut()

"""One connection of the blocking client. It carries one call at a time, read by the calling thread."""

from __future__ import annotations

import math
import os
import select
import socket
from collections.abc import Callable, Iterator
from typing import Final

from msgspec import Raw

from unixsvc.client.calls import unexpected_stream
from unixsvc.client.connection import WINDOW, Call, ClientConnection
from unixsvc.client.discovery.location import Credentials
from unixsvc.client.errors import ConnectAttemptFailed, ConnectionLost
from unixsvc.client.events import ErrorReceived, Event, ItemReceived, ResponseReceived
from unixsvc.errors import ServiceError, Unavailable
from unixsvc.wire.messages import encode_credit

__all__ = ["BlockingConnection"]

_READ_SIZE: Final = 65536
_MAX_WAIT: Final = 3600.0  # seconds; poll(2) counts milliseconds in an int


class BlockingConnection:
    """One connection to a service.

    :param connection: connected, and non-blocking: poll(2) waits, until the deadline of the call.
    """

    def __init__(self, connection: socket.socket, credentials: Credentials) -> None:
        self._connection = ClientConnection(credentials)
        self._socket = connection
        self._pid = os.getpid()
        self._readable, self._writable = select.poll(), select.poll()
        self._readable.register(connection, select.POLLIN)
        self._writable.register(connection, select.POLLOUT)

    @property
    def reusable(self) -> bool:
        """True if no call is pending, and the service accepts further ones."""
        return not self._connection.pending and not self._connection.leaving

    def is_alive(self) -> bool:
        """True if another call can be made after the connection was idle."""
        if not self._readable.poll(0):  # takes a third of the time of a recv() that raises
            return self.reusable
        try:
            data = self._socket.recv(_READ_SIZE)
        except OSError:
            return False
        try:
            self._connection.receive(data)
        except ServiceError:
            return False
        return bool(data) and not self._connection.leaving

    def request(self, call: Call, time_left: Callable[[], float]) -> Raw:
        """Make a unary call.

        :param time_left: seconds until the deadline; raises an error after it.
        :returns: the result, as JSON.
        :raises ConnectionLost: if the connection ends before the reply.
        :raises ConnectAttemptFailed: if it has ended before the service received anything of the call.
        :raises ServiceError: the error of the service.
        """
        self._send_call(self._connection.request(call, time_left())[1], time_left)
        while True:
            for event in self._receive(time_left):
                if isinstance(event, ResponseReceived):
                    return event.data
                if isinstance(event, ErrorReceived):
                    raise event.error
                if isinstance(event, ItemReceived):
                    raise unexpected_stream()

    def stream(
        self, call: Call, time_left: Callable[[], float], *, either: bool = False
    ) -> Iterator[ItemReceived | ResponseReceived]:
        """Request a stream: its items, and then its end. Arguments and errors are those of :meth:`request`.

        :param either: True if the reply may be unary instead. No credit is sent then: the buffers of the
            socket limit what the service sends ahead, as no other call uses the connection.
        """
        credit = None if either else WINDOW
        number, message = self._connection.request(call, time_left(), credit)
        self._send_call(message, time_left)
        taken = 0
        while True:
            for event in self._receive(time_left):
                if isinstance(event, ItemReceived):
                    yield event
                    taken += 1
                    if credit is not None and taken >= WINDOW // 2:
                        self._send(encode_credit(number, taken), time_left)
                        taken = 0
                elif isinstance(event, ResponseReceived):
                    yield event
                    return
                elif isinstance(event, ErrorReceived):
                    raise event.error

    def shut_down(self) -> None:
        """End the connection while another thread uses it."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:  # it has ended already
            return

    def close(self) -> None:
        """Close the socket. The service cancels a pending call."""
        self._socket.close()

    def _send_call(self, message: bytes, time_left: Callable[[], float]) -> None:
        if self._send(message, time_left):
            return
        error = self._rejection()
        raise ConnectAttemptFailed(error) if isinstance(error, Unavailable) else error

    def _rejection(self) -> ServiceError:
        """Why the service has closed the connection before it received anything."""
        try:
            events = self._connection.receive(self._socket.recv(_READ_SIZE))
        except ServiceError as error:
            return error
        except OSError:
            return Unavailable()
        return next((event.error for event in events if isinstance(event, ErrorReceived)), Unavailable())

    def _send(self, message: bytes, time_left: Callable[[], float]) -> int:
        """Send a message; the number of bytes sent. If the service has closed, its reply is still to be read.

        :raises ConnectionLost: in a child process: a connection must not be shared with the parent.
        """
        if os.getpid() != self._pid:
            raise ConnectionLost
        sent = 0
        while sent < len(message):
            try:
                sent += self._socket.send(memoryview(message)[sent:], socket.MSG_NOSIGNAL)
            except BlockingIOError:
                self._writable.poll(_milliseconds(time_left()))
            except OSError:
                break
        return sent

    def _receive(self, time_left: Callable[[], float]) -> list[Event]:
        if os.getpid() != self._pid:
            raise ConnectionLost
        while not self._readable.poll(_milliseconds(time_left())):
            pass
        try:
            data = self._socket.recv(_READ_SIZE)
        except BlockingIOError:
            return []
        except OSError:
            raise ConnectionLost from None
        if not data:
            raise ConnectionLost
        return self._connection.receive(data)


def _milliseconds(seconds: float) -> int:
    return math.ceil(min(seconds, _MAX_WAIT) * 1000)

"""One connection of the blocking client. It carries one call at a time, read by the calling thread."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable, Iterator
from typing import Final

from unixsvc.client.calls import unexpected_stream
from unixsvc.client.connection import WINDOW, Call, ClientConnection
from unixsvc.client.discovery.location import Credentials
from unixsvc.client.errors import UNKNOWN_HOST, ConnectAttemptFailed, ConnectionLost
from unixsvc.client.events import ErrorReceived, Event, ItemReceived, Received, ResponseReceived
from unixsvc.errors import DeadlineExceeded, ServiceError, Unavailable
from unixsvc.wire.messages import encode_credit

__all__ = ["BlockingConnection"]

_READ_SIZE: Final = 65536
_MAX_WAIT: Final = 1e6  # seconds; poll(2) counts milliseconds in an int

_Wait = Callable[[float], object]


class BlockingConnection:
    """One connection to a service.

    :param connection: connected, and non-blocking: poll(2) waits, until the deadline of the call. A recv(2)
        that blocks would cost more than both: Linux wakes it a second time, when the service reads the call.
    :ivar state: of the protocol. Another call may be made if none is pending, and it is not leaving.
    :ivar used: when the last call began, on the monotonic clock, in seconds.
    :ivar fresh: True during the first call.
    """

    def __init__(self, connection: socket.socket, credentials: Credentials) -> None:
        self.state = ClientConnection(credentials)
        self._host = UNKNOWN_HOST if credentials.relayed else ""
        self._socket = connection
        readable, writable = select.poll(), select.poll()
        readable.register(connection, select.POLLIN)
        writable.register(connection, select.POLLOUT)
        # Both take milliseconds, which poll(2) rounds up.
        self._wait_readable: _Wait = readable.poll
        self._wait_writable: _Wait = writable.poll
        self.used = 0.0
        self.fresh = True

    def is_alive(self) -> bool:
        """True if another call can be made after the connection was idle."""
        if not self._wait_readable(0):  # takes a third of the time of a recv() that raises
            return not self.state.leaving
        try:
            data = self._socket.recv(_READ_SIZE)
        except OSError:
            return False
        try:
            self.state.receive(data)
        except ServiceError:
            return False
        return bool(data) and not self.state.leaving

    def request(self, call: Call, timeout: float, deadline: float) -> Received | None:
        """Make a unary call.

        :param timeout: seconds until the deadline.
        :param deadline: on the monotonic clock, in seconds.
        :returns: the result; None if the connection ended while it was idle.
        :raises ConnectionLost: if the connection ends before the reply.
        :raises ConnectAttemptFailed: if a new connection ended before the service received anything.
        :raises ServiceError: the error of the service; DeadlineExceeded after the deadline.
        """
        message = self.state.request(call, timeout)[1]
        try:
            sent = self._socket.send(message, socket.MSG_NOSIGNAL)
        except OSError:
            sent = 0
        if sent < len(message) and not self._send(message, deadline, sent):
            self._not_sent()
            return None
        while True:
            for event in self._receive(timeout):
                if type(event) is ResponseReceived:
                    return event.data if event.head is None else event.result
                if isinstance(event, ErrorReceived):
                    raise event.error
                if isinstance(event, ItemReceived):
                    raise unexpected_stream()
            timeout = _time_left(deadline)

    def stream(
        self, call: Call, timeout: float, deadline: float, *, either: bool = False
    ) -> Iterator[ItemReceived | ResponseReceived]:
        """Request a stream: its items, and then its end; nothing if the connection ended while it was idle.

        Arguments and errors are those of :meth:`request`.

        :param either: True if the reply may be unary instead. No credit is sent then: the buffers of the
            socket limit what the service sends ahead, as no other call uses the connection.
        """
        credit = None if either else WINDOW
        number, message = self.state.request(call, timeout, credit)
        if not self._send(message, deadline):
            self._not_sent()
            return
        taken = 0
        while True:
            for event in self._receive(_time_left(deadline)):
                if isinstance(event, ItemReceived):
                    yield event
                    taken += 1
                    if credit is not None and taken >= WINDOW // 2:
                        self._send(encode_credit(number, taken), deadline)
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

    def leave_to_parent(self) -> None:
        """In a child process: close its own descriptor only. A call that goes on here is lost."""
        self._socket.close()
        # The number of the descriptor may soon be that of another file.
        self._wait_readable = self._wait_writable = _do_not_wait

    def _not_sent(self) -> None:
        """The service has closed the connection, and received nothing. If it is new, raise the reason."""
        if not self.fresh:
            return
        error: ServiceError = Unavailable()
        try:
            for event in self.state.receive(self._socket.recv(_READ_SIZE)):
                if isinstance(event, ErrorReceived):
                    error = event.error
        except ServiceError as refusal:
            error = refusal
        except OSError:
            pass
        raise ConnectAttemptFailed(error) if isinstance(error, Unavailable) else error

    def _send(self, message: bytes, deadline: float, sent: int = 0) -> bool:
        """Send a message; False if the service has closed the connection, and received nothing of it.

        If it has closed after a part, its reply is still to be read.

        :param sent: the number of bytes that were sent already.
        """
        while sent < len(message):
            try:
                sent += self._socket.send(memoryview(message)[sent:], socket.MSG_NOSIGNAL)
            except BlockingIOError:
                self._wait_writable(_time_left(deadline) * 1000)
            except OSError:
                break
        return sent > 0

    def _receive(self, timeout: float) -> list[Event]:
        """Wait, and receive; nothing after the timeout."""
        if not self._wait_readable(timeout * 1000):
            return []
        try:
            data = self._socket.recv(_READ_SIZE)
        except BlockingIOError:
            return []
        except OSError:
            raise ConnectionLost(self._host) from None
        if not data:
            raise ConnectionLost(self._host)
        return self.state.receive(data)


def _time_left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise DeadlineExceeded
    return min(left, _MAX_WAIT)


def _do_not_wait(milliseconds: float) -> bool:
    return True

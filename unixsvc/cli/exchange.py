"""One message to a service and its answer, over a plain socket that blocks."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from msgspec import Raw

from unixsvc.client import connection
from unixsvc.client.connect import ConnectAttemptFailed, ServiceUnreachable, connect_to_path
from unixsvc.client.retry import ConnectionLost, RetryBudget, RetryState
from unixsvc.errors import BadGateway, DeadlineExceeded, Unavailable, error_from
from unixsvc.wire.messages import (
    ClientMessage,
    ServerMessage,
    check_utf8,
    decode_server_message,
    encode_client_message,
)

__all__ = ["Call", "Exchange", "exchange", "is_listening", "read_answer"]

_ID: Final = 1
_RETRY: Final = 0.01  # seconds


class Call(connection.Call, frozen=True, omit_defaults=True):
    """What is asked, as it goes on the wire but for the id."""

    auth_token: str | None = None

    def __repr__(self) -> str:
        # The generated one would show the token, and a repr ends up in logs.
        return f"<Call {self.method} {self.path}>"


Exchange = Callable[[str, Call, float, Callable[[Raw], object]], ServerMessage]


def exchange(path: str, call: Call, seconds: float, item: Callable[[Raw], object]) -> ServerMessage:
    """Ask a service and wait for its answer; for a stream, for its end.

    With an idempotency key it is asked again where the clients would.

    :param path: of the service's socket.
    :param seconds: for all of it: to connect, to send, and to receive.
    :param item: called with each item of a stream.
    :raises Unreachable: if it cannot be asked.
    :raises DeadlineExceeded: if it takes longer.
    :raises BadGateway: if what comes back is no answer.
    """
    deadline = time.monotonic() + seconds
    try:
        if "idempotency_key" in call.meta:
            return _ask_again(path, call, deadline, seconds, item)
        return _ask(path, call, deadline, item)
    except ConnectAttemptFailed as error:
        raise error.reason from None
    except ConnectionLost:
        raise ServiceUnreachable(path, "it closed the connection without an answer", "see its log") from None
    except TimeoutError:
        raise DeadlineExceeded(f"{path}: no answer within {seconds:g} s") from None
    except OSError as error:
        raise ServiceUnreachable(
            path, f"cannot be reached: {error.strerror or error}", "see its log"
        ) from None


def is_listening(path: str) -> bool:
    """Whether somebody listens there, or at least somebody we may not connect to."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.setblocking(False)
        try:
            connection.connect(path)
        except (BlockingIOError, PermissionError):
            return True
        except OSError:
            return False
    return True


def read_answer(line: bytes, path: str) -> ServerMessage | None:
    """Understand a line that a service sent; None if it is not for us, such as ``goaway``.

    :param path: of the service's socket, for messages.
    :raises BadGateway: if it is nothing that the protocol knows.
    """
    try:
        check_utf8([line])
        answer = decode_server_message(line)
    except BadGateway:
        raise BadGateway(f"{path}: what it sent is no answer") from None
    # A refusal that came before the request could be read has no id.
    return answer if answer.id == _ID or answer.failed else None


def _ask_again(
    path: str, call: Call, deadline: float, seconds: float, item: Callable[[Raw], object]
) -> ServerMessage:
    """Ask until there is an answer, or none is to be expected. What items have come of is not asked again."""
    import random  # late: it is slow to import

    seen = False

    def take(value: Raw) -> None:
        nonlocal seen
        seen = True
        item(value)

    retry_state = RetryState(call, deadline, seconds, RetryBudget(), time.monotonic, random.random)
    while True:
        try:
            answer = _ask(path, call, deadline, take)
            if seen or not (answer.failed and answer.code == Unavailable.code):
                return answer
            pause = retry_state.pause_after(error_from(answer.code, answer.detail))
        except (ConnectAttemptFailed, ConnectionLost) as problem:
            if seen:
                raise
            pause = retry_state.pause_after(problem)
        time.sleep(pause)


def _ask(path: str, call: Call, deadline: float, item: Callable[[Raw], object]) -> ServerMessage:
    """Ask once.

    :raises Unreached: if the service has seen nothing of it.
    :raises Lost: if the connection ends before the answer.
    """
    with _connect(path, deadline) as connection:
        connection.settimeout(_left(deadline))
        # Who refuses early, as a message too large, has said why before it closed.
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(_message(call, deadline))
        try:
            return _receive(connection, path, deadline, item)
        except ConnectionResetError:
            raise ConnectionLost from None


def _connect(path: str, deadline: float) -> socket.socket:
    while True:
        try:
            return connect_to_path(path)
        except ConnectAttemptFailed as error:
            if not error.busy:
                raise
            time.sleep(min(_RETRY, _left(deadline)))


def _message(call: Call, deadline: float) -> bytes:
    """One line, with what is left of the time as the service's own limit."""
    message = ClientMessage(
        _ID, call.method, call.path, call.data, call.auth_token, _left(deadline), call.meta
    )
    return encode_client_message(message) + b"\n"


def _receive(
    connection: socket.socket, path: str, deadline: float, item: Callable[[Raw], object]
) -> ServerMessage:
    rest = bytearray()
    while True:
        connection.settimeout(_left(deadline))
        chunk = connection.recv(65536)
        if not chunk:
            break
        seen = len(rest)
        rest += chunk
        while (end := rest.find(b"\n", seen)) >= 0:
            answer = read_answer(bytes(rest[:end]), path)
            if answer is not None and not answer.more:
                return answer
            if answer is not None:
                item(answer.data)
            del rest[: end + 1]
            seen = 0
    raise ConnectionLost


def _left(deadline: float) -> float:
    """Seconds until then.

    :raises TimeoutError: if there are none.
    """
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left

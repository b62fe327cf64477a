"""Serves the first message of a connection before there is a transport."""

from __future__ import annotations

from functools import partial
from socket import AF_UNIX, MSG_DONTWAIT, MSG_NOSIGNAL, SOCK_STREAM, SocketType
from typing import Final

from unixsvc.domain.coroutine import SuspendedCoroutine
from unixsvc.domain.message import Reply, Request
from unixsvc.domain.request_context import new_context
from unixsvc.domain.stream import ReplyStream
from unixsvc.errors import Malformed, NotJSON
from unixsvc.listen.host import ConnectionHost
from unixsvc.server.accepted.connection import AcceptedConnection
from unixsvc.server.protocol import ServerProtocol
from unixsvc.server.registry import ConnectionRegistry
from unixsvc.transport.peer import SocketCaller, settle_if_referenced
from unixsvc.wire.messages import ClientMessage, decode_client_message, encode_reply, to_request

__all__ = ["FirstMessage"]

# A message that is longer than this is left to a protocol.
_READ: Final = 8192
# Numbers, as each connection passes them: those of the module are members of Enums.
_UNIX: Final = int(AF_UNIX)
_STREAM: Final = int(SOCK_STREAM)
_RECEIVE: Final = int(MSG_DONTWAIT)
_SEND: Final = int(MSG_DONTWAIT | MSG_NOSIGNAL)


class FirstMessage:
    """Answers a connection that has sent one whole request by the time when it is accepted.

    :param registry: of all connections of the service.
    :param host: for connections that stay open.
    """

    def __init__(self, registry: ConnectionRegistry, host: ConnectionHost) -> None:
        self._registry = registry
        self._host = host
        self._handle = registry.handle
        self._traffic = registry.traffic
        self._longest = min(_READ - 1, registry.limits.max_message_bytes)
        self._context = new_context()
        self._unchanged = self._context.copy()

    def __call__(self, descriptor: int) -> bytes | bool:  # noqa: C901  # a call for each part costs time
        """Serve a connection, or return what has been received, for a protocol; see IServesDescriptors."""
        if not self._registry.may_serve_descriptors():
            return b""
        connection = SocketType(_UNIX, _STREAM, 0, descriptor)
        try:
            data = connection.recv(_READ, _RECEIVE)
        except OSError:
            data = b""
        framed = data[-1:] == b"\n"
        message = self._decode(data, framed=framed)
        if message is None:
            connection.detach()
            return data
        self._traffic.received += len(data)
        caller = SocketCaller(None, descriptor=descriptor)
        request = to_request(message, caller)
        context = self._context
        answer = context.run(self._handle, request)
        if not isinstance(answer, Reply):
            self._renew_context()
            accepted = self._accepted(connection, caller, message, framed=framed)
            start = partial(_start, message, request, answer, len(data))
            accepted.go_on(lambda protocol: context.run(start, protocol))
            return True
        if context != self._unchanged:
            self._renew_context()
        reply = encode_reply(message.id, answer, b"\n" if framed else b"")
        self._traffic.sent += len(reply)
        try:
            sent = connection.send(reply, _SEND)
        except BlockingIOError:
            sent = 0
        except OSError:  # the client is disconnected
            framed, sent = False, len(reply)
        if framed or sent < len(reply):
            accepted = self._accepted(connection, caller, message, framed=framed)
            if sent < len(reply):
                accepted.go_on(partial(_send_rest, reply[sent:]))
            else:
                self._registry.add(accepted)
                self._host.watch(descriptor, accepted)
            return True
        if caller.known_peer is None:
            only = [caller]
            del caller, request
            settle_if_referenced(only)
        connection.close()
        return False

    def _decode(self, data: bytes, *, framed: bool) -> ClientMessage | None:
        """The message, if it is the only one and demands a reply."""
        size = len(data)
        end = data.find(b"\n")
        if not (end == size - 1 if framed else end < 0 and data[-1:] == b"}") or size > self._longest:
            return None
        try:
            message = decode_client_message(data)
        except (NotJSON, Malformed):
            return None
        if message.oneway or message.cancel or message.credit is not None:
            return None
        # The one-message exchange has no id.
        return message if framed or message.id is None else None

    def _accepted(
        self, connection: SocketType, caller: SocketCaller, message: ClientMessage, *, framed: bool
    ) -> AcceptedConnection:
        identified = message.id is not None
        return AcceptedConnection(self._registry, self._host, connection, caller, identified, framed)

    def _renew_context(self) -> None:
        """Serve the next connection in another context: an action must not find what another one has set."""
        self._context = new_context()
        self._unchanged = self._context.copy()


def _start(
    message: ClientMessage,
    request: Request,
    answer: SuspendedCoroutine[Reply | ReplyStream] | ReplyStream,
    size: int,
    protocol: ServerProtocol,
) -> None:
    """Go on with an action that waits, or with a stream; in the context of its first step."""
    protocol.receiver.start(message, request, answer, size)
    protocol.receiver.go_on()


def _send_rest(data: bytes, protocol: ServerProtocol) -> None:
    """Send what the kernel has not taken of a reply."""
    protocol.transport.write(data)
    protocol.receiver.go_on()

"""The service ``nats``: connects programs of this host, which are no workers, to services of other hosts.

The first line of a connection names the service: ``{"to": "shop", "auth_token": "…"}``. What follows is the
protocol of the sockets, with that service. Any other first line is a message to the service ``nats`` itself.
"""

from __future__ import annotations

import os
from typing import Any, Final

import msgspec
from msgspec import Struct
from twisted.internet.interfaces import IProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from unixsvc.bus.link import NotOpened
from unixsvc.bus.relayed import RelayedConnection
from unixsvc.bus.transport import CircuitTransport
from unixsvc.client.discovery.connect import is_listening
from unixsvc.client.errors import ServiceUnreachable
from unixsvc.domain.handle_message import error_to_reply
from unixsvc.domain.message import Reply, Request
from unixsvc.errors import ServiceError, Unavailable
from unixsvc.routing.app import App
from unixsvc.routing.route import GET
from unixsvc.server.context import HandlerContext, OpensCircuits
from unixsvc.server.handler import SocketRequestHandler
from unixsvc.server.protocol import ServerProtocol
from unixsvc.server.registry import ConnectionRegistry
from unixsvc.socket_directory import socket_path
from unixsvc.transport.interfaces import ServerTransport
from unixsvc.wire.messages import encode_reply

__all__ = ["app", "handler"]

_MAX_LINE: Final = 4096  # bytes; a name and a token
_ROUTE: Final = "/to/"
_REMEDY: Final = "see what runs where: unixsvc ls"


class _Target(Struct):
    """The first line.

    :ivar to: the service.
    :ivar host: the host; empty for any.
    """

    to: str
    host: str = ""
    auth_token: str | None = None


def connect_to(service: str) -> None:
    """Allow a program to be connected to a service of other hosts.

    The service ``nats`` asks this route before it opens a circuit, so that tokens, their routes, limits and
    figures are those of any other service.
    """


app: Final = App([GET(f"{_ROUTE}{{service}}", connect_to)])
"""The application of the service ``nats``."""


def handler(context: HandlerContext) -> SocketRequestHandler:
    """Make the request handler of the service ``nats``."""
    return SocketRequestHandler(
        context, wrap=lambda protocol, registry: _FirstLine(protocol, registry, context)
    )


@implementer(IProtocol)
class _FirstLine:
    """Reads the first line of a connection, and hands it on.

    :param protocol: serves messages to the service itself.
    """

    def __init__(
        self, protocol: ServerProtocol, registry: ConnectionRegistry, context: HandlerContext
    ) -> None:
        self._protocol = protocol
        self._registry = registry
        self._context = context
        self._received: bytes | None = b""
        self._relayed: RelayedConnection | None = None
        self._transport: ServerTransport

    def makeConnection(self, transport: Any) -> None:
        """A program has connected."""
        self._transport = transport
        self._protocol.makeConnection(transport)

    def connectionMade(self) -> None:
        """Nothing: the protocol is connected."""

    def dataReceived(self, data: bytes) -> None:
        """Bytes of the first line, or what follows."""
        if self._relayed is not None:
            self._relayed.dataReceived(data)
            return
        if self._received is None:
            self._protocol.dataReceived(data)
            return
        line, end, rest = (self._received + data).partition(b"\n")
        if not end and len(line) <= _MAX_LINE:
            self._received = line
            return
        self._received = None
        target = _decode(line) if end else None
        cluster = self._context.cluster
        if target is None or cluster is None:
            self._protocol.dataReceived(line + end + rest)
        else:
            self._connect(target, cluster, rest)

    def connectionLost(self, reason: Failure | None = None) -> None:
        """The program has disconnected."""
        if self._relayed is None:
            self._protocol.connectionLost(reason)
        else:
            self._relayed.connectionLost(reason)

    def _connect(self, target: _Target, cluster: OpensCircuits, rest: bytes) -> None:
        caller = self._protocol.receiver.caller
        request = Request("GET", f"{_ROUTE}{target.to}", auth_token=target.auth_token, caller=caller)
        reply = self._context.handle(request)
        if not isinstance(reply, Reply):  # the action does not wait, but limits may
            reply = error_to_reply(Unavailable())
        if reply.code >= 400:
            self._refuse(reply)
            return
        path = socket_path(cluster.socket_dir, target.to)
        relayed = RelayedConnection(
            self._transport, caller, lambda: _runs_here(path, target.host), self._registry.remove
        )
        self._protocol.connectionLost()  # it is one of the registry's own from now on
        self._registry.add(relayed)
        self._relayed = relayed
        self._open(target, cluster, relayed, rest)

    def _open(self, target: _Target, cluster: OpensCircuits, relayed: RelayedConnection, rest: bytes) -> None:
        def opened(circuit: CircuitTransport) -> None:
            relayed.open(circuit, rest)

        def failed(failure: Failure) -> None:
            failure.trap(NotOpened)
            self._not_opened(target, str(failure.value))

        try:
            opening = cluster.open(target.to, target.host)
        except NotOpened as error:
            self._not_opened(target, str(error))
        else:
            opening.addCallbacks(opened, failed)

    def _not_opened(self, target: _Target, problem: str) -> None:
        error: ServiceError = ServiceUnreachable(target.to, f"does not run here, and {problem}", _REMEDY)
        # For programs of this host: the reason is no secret.
        self._refuse(Reply(error.code, b"", error.message, str(error)))

    def _refuse(self, reply: Reply) -> None:
        self._transport.write(encode_reply(None, reply, b"\n"))
        self._transport.loseConnection()


def _runs_here(path: str, host: str) -> bool:
    """Whether a service can be reached on this host, unless another one is wanted."""
    return not host and os.path.exists(path) and is_listening(path)


def _decode(line: bytes) -> _Target | None:
    """The first line; None if it does not name a service."""
    try:
        return msgspec.json.decode(line, type=_Target)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None

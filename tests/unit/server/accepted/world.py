"""A server on a real socket and event loop, with actions that a test controls."""

from __future__ import annotations

import math
import os
import socket
import tempfile
from collections.abc import AsyncGenerator, Callable
from contextvars import ContextVar, copy_context
from typing import Any, Final, Literal

import msgspec
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IProtocolFactory
from twisted.internet.task import Clock
from zope.interface import implementer

from tests.unit.support.event_loops import Loop
from unixsvc.config.settings import Limits, Security
from unixsvc.domain.handle_message import HandleMessage
from unixsvc.domain.interfaces import IFailureLog, IMetrics, IRouterDatasource, IRouterRepository
from unixsvc.domain.message import Caller, Reply, Request
from unixsvc.domain.notable import NotableRequests
from unixsvc.domain.route_series import UNCOUNTED, RouteSeries
from unixsvc.errors import NotFound, ServiceError
from unixsvc.listen.adopted import AdoptedServerEndpoint
from unixsvc.listen.balance.connection_counts import WorkerSlot
from unixsvc.listen.interfaces import IServesDescriptors
from unixsvc.security.tokens import TokenGuard
from unixsvc.server.accepted.first_message import FirstMessage
from unixsvc.server.protocol import ServerProtocol
from unixsvc.server.registry import ConnectionRegistry

Policy = Literal["required", "private", "off"]
__all__ = ["TOKEN", "Client", "Policy", "World"]

TOKEN: Final = "t" * 64
_LEFT: Final[ContextVar[Caller | None]] = ContextVar("left", default=None)
# Each turn may find work for the next one.
_TURNS: Final = 12


@implementer(IProtocolFactory)
class _Protocols:
    """The usual way: a transport and a protocol for each connection."""

    def __init__(self, registry: ConnectionRegistry) -> None:
        self.registry = registry

    def doStart(self) -> None:
        """Nothing is shared."""

    def doStop(self) -> None:
        """Nothing is shared."""

    def buildProtocol(self, addr: IAddress | None) -> ServerProtocol:
        """Make the protocol of a connection."""
        return ServerProtocol(self.registry)


@implementer(IServesDescriptors)
class _AtOnce(_Protocols):
    """The same, and what needs no transport is served without one.

    :ivar ways: of each connection: whether it was served so.
    """

    def __init__(self, registry: ConnectionRegistry) -> None:
        super().__init__(registry)
        self.ways: list[bool] = []

    def serve_descriptors(self, host: Any) -> Callable[[int], bytes | bool]:
        """Record which way each connection takes."""
        serve = FirstMessage(self.registry, host)

        def recorded(descriptor: int) -> bytes | bool:
            unserved = serve(descriptor)
            self.ways.append(isinstance(unserved, bool))
            return unserved

        return recorded


@implementer(IRouterRepository, IRouterDatasource, IMetrics, IFailureLog)
class _Actions:
    """The actions, and a record of what they and the framework did.

    :ivar waiting: what each pending action waits for, in order.
    :ivar events: what was done.
    :ivar kept: requests that their actions have kept.
    """

    def __init__(self) -> None:
        self.waiting: list[Deferred[None]] = []
        self.events: list[object] = []
        self.kept: list[Request] = []

    def datasource_for(self, request: Request) -> IRouterDatasource:
        """All routes are here."""
        return self

    async def handle(self, request: Request) -> Reply:
        """Reply by the path."""
        self.events.append((request.method, request.path, bytes(request.data)))
        name = request.path.strip("/") or "now"
        if name not in ("now", "big", "later", "peer", "left", "keep", "items", "slow-items"):
            raise NotFound(f"no route {request.path}")
        if name == "later":
            await self._wait()
        if name.endswith("items"):
            return Reply(items=self._items(slow=name == "slow-items"))
        if name == "keep":
            self.kept.append(request)
        found: object = None
        if name == "big":
            found = "x" * 400_000
        elif name == "peer":
            found = request.peer.pid
        elif name == "left":
            found = _LEFT.get() in (None, request.caller)
            _LEFT.set(request.caller)
        return Reply(200, bytes(request.data) if found is None else msgspec.json.encode(found))

    async def _items(self, *, slow: bool) -> AsyncGenerator[bytes, None]:
        for number in range(5):
            if slow and number == 2:
                await self._wait()
            yield b"%d" % number

    async def _wait(self) -> None:
        waiting: Deferred[None] = Deferred()
        self.waiting.append(waiting)
        try:
            await waiting
        except ServiceError as error:
            self.events.append(("stopped", error.code))
            raise

    no_route = UNCOUNTED

    def series(self, route: str) -> RouteSeries:
        """All routes are counted together."""
        return UNCOUNTED

    def recount(self, series: RouteSeries, caller: Caller, code: int) -> None:
        """No reply has a file."""

    def count(self, series: RouteSeries, caller: Caller, code: int, seconds: float) -> None:
        """Record a reply."""
        self.events.append(("reply", code))

    def count_wrong_token(self) -> None:
        """Record it."""
        self.events.append("wrong token")

    def wrong_token(self, request: Request) -> None:
        """Record who has sent it."""
        self.events.append(("wrong token by", request.peer.pid))

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments: self.events.append((name, str(arguments[-1])))


class Client:
    """One client, and what it has received.

    :ivar ended: how the server has closed the connection: ``end``, ``reset`` or empty.
    """

    def __init__(self, path: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.socket.setblocking(False)
        self.received = b""
        self.ended = ""
        self.reads = True
        self.open = True

    def send(self, data: bytes) -> None:
        """Send bytes, if the server takes them."""
        if self.open:
            try:
                self.socket.sendall(data)
            except OSError as error:
                self.ended = self.ended or type(error).__name__

    def end(self) -> None:
        """Send no more."""
        if self.open:
            self.socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Disconnect."""
        self.open = False
        self.socket.close()

    def receive(self) -> None:
        """Take what is there."""
        while self.open and self.reads and not self.ended:
            try:
                data = self.socket.recv(1_000_000)
            except BlockingIOError:
                return
            except OSError:
                self.ended = "reset"
                return
            self.received += data
            if not data:
                self.ended = "end"


class World:
    """One server.

    :param at_once: whether connections are served before there is a transport, where possible.
    """

    def __init__(self, limits: Limits, policy: Policy, *, at_once: bool) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._path = os.path.join(self._folder.name, "x")
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(self._path)
        listening.listen()
        listening.setblocking(False)
        self.loop, self.clock, self.slot = Loop(), Clock(), WorkerSlot()
        self.actions = _Actions()
        guard = TokenGuard(policy, "x", TOKEN)
        notable = NotableRequests()
        notable.slow_from = math.inf  # a slow request is asked who its caller is
        handle = HandleMessage(
            self.actions,
            guard,
            self.actions,
            self.actions,
            max_inflight=limits.max_inflight,
            request_timeout=20,
            now=self.clock.seconds,
            notable=notable,
        )
        self.registry = ConnectionRegistry(handle, limits, Security(token=policy), self.clock)
        self.factory = (_AtOnce if at_once else _Protocols)(self.registry)
        endpoint = AdoptedServerEndpoint(self.loop, listening, self.slot)
        self.port: Any = getattr(endpoint.listen(self.factory), "result", None)
        self.clients: list[Client] = []
        self.guard = guard

    @property
    def ways(self) -> list[bool]:
        """Of each accepted connection: whether it was served before there was a transport."""
        return self.factory.ways if isinstance(self.factory, _AtOnce) else []

    def connect(self, first: bytes = b"") -> Client:
        """Connect a client that sends something before it is accepted."""
        client = Client(self._path)
        self.clients.append(client)
        client.send(first)
        return client

    def settle(self) -> None:
        """Run the server until it has nothing to do, and let the clients read."""
        for _ in range(_TURNS):
            copy_context().run(self.clock.advance, 0)  # as the reactor, which has a context for each call
            self.loop.turn()
            for client in self.clients:
                client.receive()

    def advance(self, seconds: float) -> None:
        """Let time pass, with a check of time-outs."""
        copy_context().run(self.clock.advance, seconds)
        self.registry.check_time()

    def answer(self) -> None:
        """Let the oldest pending action go on."""
        while self.actions.waiting:
            waiting = self.actions.waiting.pop(0)
            if not waiting.called:
                waiting.callback(None)
                return

    def review(self) -> None:
        """Take the token away, and have its callers reconnect."""
        self.guard.replace("u" * 64, ())
        self.registry.review_callers(self.guard.review)

    def state(self) -> object:
        """What the clients and the actions have seen, and what the server counts."""
        clients = [(client.received, client.ended) for client in self.clients]
        peers = [request.peer.pid for request in self.actions.kept]
        events = sorted(map(repr, self.actions.events))  # connections are aborted in any order
        return clients, events, peers, len(self.registry), self.slot.connections

    def close(self) -> None:
        """End everything."""
        for client in self.clients:
            client.close()
        self.registry.abort()
        self.settle()
        self.port.stopListening()
        self.settle()
        self.loop.close()
        self._folder.cleanup()

"""A server connection in memory, and a use case for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from zope.interface import implementer

from unixsvc.config.settings import Limits, Security
from unixsvc.domain.coroutine import SuspendedCoroutine, start
from unixsvc.domain.handle_message import error_to_reply
from unixsvc.domain.interfaces import IHandleMessage
from unixsvc.domain.message import Reply, Request
from unixsvc.errors import ServiceError, Unauthorized
from unixsvc.server.protocol import ServerProtocol
from unixsvc.server.registry import ConnectionRegistry
from unixsvc.testing import MemoryTransport

__all__ = ["Actions", "ServerConnection", "connect", "wait"]


@implementer(IHandleMessage)
class Actions:
    """Replies to ``/now`` at once, to ``/wait`` when a test says so, and to ``/wrong`` with 401.

    :ivar waiting: the pending requests to ``/wait``, by their data's ``n``.
    :ivar requests: all requests.
    :ivar stopped: the codes with which requests to ``/wait`` were stopped.
    """

    def __init__(self) -> None:
        self.waiting: dict[int, Deferred[Any]] = {}
        self.requests: list[Request] = []
        self.stopped: list[int] = []
        self.seconds = 30.0

    def track(self, request: Request) -> Callable[[int, int], None]:
        """There are no pages."""
        raise NotImplementedError

    def hold_back(self, wait: object) -> None:
        """Nothing waits."""

    def seconds_for(self, request: Request) -> float:
        """The time-out that the test has set."""
        return self.seconds

    def __call__(self, request: Request) -> Reply | SuspendedCoroutine[Reply]:
        """Answer by the path."""
        return start(self._answer(request))

    async def _answer(self, request: Request) -> Reply:
        self.requests.append(request)
        if request.path == "/wrong":
            request.caller.wrong_tokens += 1
            return error_to_reply(Unauthorized())
        if request.path == "/wait":
            deferred: Deferred[Any] = Deferred()
            self.waiting[json.loads(bytes(request.data))["n"]] = deferred
            try:
                return Reply(200, json.dumps(await deferred).encode())
            except ServiceError as error:
                self.stopped.append(error.code)
                return error_to_reply(error)
        return Reply(200, bytes(request.data))


class ServerConnection:
    """One client's connection, and the registry that it belongs to."""

    def __init__(
        self,
        limits: Limits,
        security: Security,
        handle: IHandleMessage | None = None,
        actions: Actions | None = None,
    ) -> None:
        self.clock = Clock()
        self.actions = actions or Actions()
        self.registry = ConnectionRegistry(handle or self.actions, limits, security, self.clock)
        self.transport, self.connection = self.connect_another()

    def connect_another(self) -> tuple[MemoryTransport, ServerProtocol]:
        """One more connection of the same server."""
        connection, transport = ServerProtocol(self.registry), MemoryTransport()
        connection.makeConnection(transport)
        return transport, connection

    def send(self, *messages: Any) -> None:
        """Send messages, each with a line end, all at once."""
        self.raw(b"".join(json.dumps(each).encode() + b"\n" for each in messages))

    def raw(self, data: bytes) -> None:
        """Send bytes; a transport delivers no empty ones."""
        if data:
            self.connection.dataReceived(data)

    def received(self) -> list[Any]:
        """The replies since the last call."""
        return self.transport.lines()

    def turn(self, seconds: float = 0.0, *, step: float = 1.0) -> None:
        """Run a turn of the reactor, or let time pass with a check of time-outs after each step."""
        self.clock.advance(0)
        for _ in range(round(seconds / step)):
            self.clock.advance(step)
            self.registry.check_time()


def connect(limits: Limits | None = None, security: Security | None = None) -> ServerConnection:
    """Connect a client; by default no token is demanded."""
    return ServerConnection(limits or Limits(), security or Security(token="off"))


def wait(n: int, **more: Any) -> dict[str, Any]:
    """A request that is answered when the test says so."""
    return {"path": "/wait", "data": {"n": n}, **more}

"""For tests of an application: the real routes, the real protocol, in memory.

No process, no socket, no thread, and no waiting: time passes when the test says so::

    class ItemsTests(SynchronousTestCase):
        def test_show(self):
            service = MemoryService(app)
            self.assertEqual(self.successResultOf(service.get("/items/1")), {"name": "Pen"})
            self.failureResultOf(service.get("/items/2"), NotFound)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import msgspec
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.interfaces import IListeningPort, IProtocolFactory, IStreamServerEndpoint
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from zope.interface import implementer

from unixsvc.config import Limits, Log, Security, ServiceSettings
from unixsvc.datasource.services import NoServices
from unixsvc.domain.interfaces import IBlockingRunner, IServices
from unixsvc.errors import error_from
from unixsvc.orchestrator.hosting import Hosted
from unixsvc.orchestrator.messages import Orders
from unixsvc.routing.app import App

__all__ = [
    "ImmediateRunner",
    "MemoryEndpoint",
    "MemoryService",
    "MemoryStream",
    "MemoryTransport",
    "NoServices",
]

_TOKEN = "0" * 64


@implementer(IBlockingRunner)
class ImmediateRunner:
    """Calls what blocks here and now, so that a test need not wait for a thread."""

    def run(self, function: Callable[[], Any]) -> Deferred[Any]:
        """Call the function."""
        return maybeDeferred(function)


class MemoryTransport(StringTransport):
    """Notes what a connection does to it, and can be slow to take what is written.

    :ivar closed: how it was closed: ``lose``, ``abort``; ``half`` if only the sending side is; or empty.
    :ivar slow: whether it pauses its producer as soon as anything is written.
    """

    def __init__(self) -> None:
        super().__init__()
        self.closed = ""
        self.slow = False

    def write(self, data: bytes) -> None:
        """Keep what is written."""
        super().write(data)
        if self.slow and data and self.producer is not None:
            self.producer.pauseProducing()

    def loseConnection(self) -> None:
        """Close when all is written."""
        self.closed = "lose"

    def abortConnection(self) -> None:
        """Close now."""
        self.closed = "abort"

    def loseWriteConnection(self) -> None:
        """Close the sending side."""
        self.closed = "half"

    @property
    def reading(self) -> bool:
        """Whether the connection wants more bytes."""
        return self.producerState == "producing"

    def lines(self) -> list[Any]:
        """What was written since the last call, decoded."""
        text = self.value()
        self.clear()
        return [msgspec.json.decode(line) for line in text.splitlines()]


@implementer(IStreamServerEndpoint, IListeningPort)
class MemoryEndpoint:
    """Where nobody but the test connects; it is its own port.

    :ivar listening: whether it accepts.
    """

    def __init__(self) -> None:
        self.listening = False
        self._factory: Any = None

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        """Begin to accept."""
        self._factory, self.listening = protocolFactory, True
        return succeed(self)

    def startListening(self) -> None:
        """It listens from the start."""

    def stopListening(self) -> Deferred[None]:
        """Accept nothing more."""
        self.listening = False
        return succeed(None)

    def getHost(self) -> Any:
        """It has no address."""

    def connect(self) -> tuple[Any, MemoryTransport]:
        """Connect a client: the server's protocol, and its transport."""
        connection, transport = self._factory.buildProtocol(None), MemoryTransport()
        connection.makeConnection(transport)
        return connection, transport


class MemoryStream:
    """What has come of a stream so far.

    :ivar items: decoded, in their order.
    :ivar ended: fires when it has ended; fails with the :class:`~unixsvc.errors.ServiceError` that ended it.
    """

    def __init__(self, ended: Deferred[Any], steer: Callable[..., None]) -> None:
        self.items: list[Any] = []
        self.ended = ended
        self._steer = steer

    def grant(self, items: int) -> None:
        """Want so many more items; they come in the next turn of the clock."""
        self._steer(credit=items)

    def cancel(self) -> None:
        """Take it back."""
        self._steer(cancel=True)


class MemoryService:
    """An application as a service, and one client of it.

    Requests are messages and replies are decoded, as over a socket. A Deferred that a method gives has
    fired already, unless the action waits; then it fires when :attr:`clock` is advanced, or whatever the
    action waits for comes. It fails with the :class:`~unixsvc.errors.ServiceError` that the reply is.

    :param options: of the service, for its container.
    :param folder: of the configuration.
    :param token: that the client shows; None to show none.
    :param limits: of the service.
    :param security: of the service.
    :param services: what its controllers get as ``IServices``; what they ask fails if None.
    :ivar clock: the reactor of the service; actions get it as ``IReactorTime``.
    """

    def __init__(
        self,
        app: App,
        *,
        options: Mapping[str, Any] | None = None,
        folder: str = ".",
        token: str | None = _TOKEN,
        limits: Limits | None = None,
        security: Security | None = None,
        services: IServices | None = None,
    ) -> None:
        settings = ServiceSettings("unixsvc.testing:MemoryService", options=dict(options or {}))
        orders = Orders(
            "memory", 1, folder, settings, limits or Limits(), security or Security(), Log(), _TOKEN
        )
        self.clock = Clock()
        self._endpoint = MemoryEndpoint()
        others: Any = NoServices() if services is None else services
        self._hosted = Hosted(
            orders, app, self._endpoint, self.clock, ImmediateRunner(), others, self.clock.seconds
        )
        self._hosted.listen(probe=False)
        self._connection, self._transport = self._endpoint.connect()
        self._transport.write = self._received  # type: ignore[method-assign]
        self._token = token
        self._waiting: dict[int, Deferred[Any]] = {}
        self._streams: dict[int, MemoryStream] = {}

    def get(self, path: str, **data: Any) -> Deferred[Any]:
        """Ask with the method GET."""
        return self.call("GET", path, data)

    def post(self, path: str, **data: Any) -> Deferred[Any]:
        """Ask with the method POST."""
        return self.call("POST", path, data)

    def put(self, path: str, **data: Any) -> Deferred[Any]:
        """Ask with the method PUT."""
        return self.call("PUT", path, data)

    def patch(self, path: str, **data: Any) -> Deferred[Any]:
        """Ask with the method PATCH."""
        return self.call("PATCH", path, data)

    def delete(self, path: str, **data: Any) -> Deferred[Any]:
        """Ask with the method DELETE."""
        return self.call("DELETE", path, data)

    def stream(self, path: str, credit: int | None = None, /, **data: Any) -> MemoryStream:
        """Ask for a stream, with the method GET.

        What a generator gives without waiting is there at once, up to 64 items; the rest comes with the next
        turns of :attr:`clock`.

        :param credit: how many items are wanted before more are granted; None to want all.
        """
        number = len(self._waiting) + 1
        ended: Deferred[Any] = Deferred()
        self._streams[number] = found = MemoryStream(ended, partial(self._send, number))
        self.call("GET", path, data, **({} if credit is None else {"credit": credit})).chainDeferred(ended)
        return found

    def call(self, method: str, path: str, data: Mapping[str, Any], **envelope: Any) -> Deferred[Any]:
        """Ask.

        :param data: the arguments.
        :param envelope: other fields of the message, as ``timeout`` and ``meta``.
        :returns: fires with the result.
        """
        number = len(self._waiting) + 1
        shown = {} if self._token is None else {"auth_token": self._token}
        waiting = self._waiting[number] = Deferred()
        self._send(number, **{"method": method, "path": path, "data": data} | shown | envelope)
        return waiting

    def close(self) -> Deferred[None]:
        """End the service, as a worker ends."""
        done = self._hosted.drain()
        self.clock.pump([1, 1])
        self._connection.connectionLost()
        return done

    def _send(self, number: int, **message: Any) -> None:
        self._connection.dataReceived(msgspec.json.encode({"id": number} | message) + b"\n")

    def _received(self, data: bytes) -> None:
        for line in data.splitlines():
            reply = msgspec.json.decode(line)
            if "goaway" in reply:  # the end has begun, and a test knows that: it has asked for it
                continue
            if "more" in reply:
                self._streams[reply["id"]].items.append(reply["data"])
                continue
            waiting = self._waiting[reply["id"]]
            if reply["code"] == 200:
                waiting.callback(reply["data"])
            else:
                waiting.errback(error_from(reply["code"], reply["detail"]))

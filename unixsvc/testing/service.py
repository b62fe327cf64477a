"""An application as a service, in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Unpack

import msgspec
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from unixsvc.client.base import ClientOptions
from unixsvc.client.location import Credentials
from unixsvc.client.twisted.client import Client
from unixsvc.config.settings import Limits, Log, Security, ServiceSettings
from unixsvc.datasource.service_clients import NoServices
from unixsvc.domain.interfaces import IServices
from unixsvc.errors import error_from
from unixsvc.routing.app import App
from unixsvc.service.factory import make_service_host
from unixsvc.service.spec import WorkerConfig
from unixsvc.testing.client import MemoryClient
from unixsvc.testing.memory import ImmediateRunner, MemoryEndpoint

__all__ = ["MemoryService", "MemoryStream"]

_TOKEN = "0" * 64


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
        worker_config = WorkerConfig(
            "memory", 1, folder, settings, limits or Limits(), security or Security(), Log(), _TOKEN
        )
        self.clock = Clock()
        self._endpoint = MemoryEndpoint()
        self._service_host = make_service_host(
            worker_config,
            app,
            self._endpoint,
            self.clock,
            blocking=ImmediateRunner(),
            services=NoServices() if services is None else services,
            now=self.clock.seconds,
        )
        self._service_host.listen(probe=False)
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

    def client(self, **options: Unpack[ClientOptions]) -> Client:
        """A real client, joined to the service: for code that is given one. Its clock is ours.

        :param options: of :class:`unixsvc.Client`, but for where the service is.
        """
        return MemoryClient(self._endpoint, Credentials(self._token), self.clock, **options)

    def close(self) -> Deferred[None]:
        """End the service, as a worker ends."""
        done = self._service_host.drain()
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

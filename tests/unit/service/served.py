"""A service in memory with any settings, over HTTP or over a socket, for tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from unixsvc import App
from unixsvc.config.http import Http
from unixsvc.config.settings import Limits, Log, Security, ServiceSettings
from unixsvc.limiting.service_rate import ServiceRate
from unixsvc.limiting.table import RateTable
from unixsvc.service.factory import make_service_host
from unixsvc.service.host import ServiceHost
from unixsvc.service.spec import WorkerConfig
from unixsvc.testing.memory import ImmediateRunner, MemoryEndpoint

__all__ = ["ServedCase", "code_of"]


class ServedCase(SynchronousTestCase):
    """Serves applications.

    :ivar clock: the reactor.
    """

    def serve(
        self,
        app: App,
        *,
        http: Http | None = None,
        rate: ServiceRate | None = None,
        access: Any = "off",
        limits: Limits | None = None,
        table: Callable[[], RateTable] = RateTable,
        tracing: Any = None,
        services: Any = None,
    ) -> ServiceHost:
        """Serve an application; over a socket if ``http`` is None.

        :param table: makes what the workers of the service share.
        :param tracing: makes spans.
        :param services: are called in place of real ones.
        """
        self.clock = Clock()
        self.endpoint = MemoryEndpoint()
        handler = (
            "unixsvc.rest.handler:HttpRequestHandler"
            if http
            else "unixsvc.server.handler:SocketRequestHandler"
        )
        settings = ServiceSettings("x:app", handler=handler, rate_limit=rate or ServiceRate())
        config = WorkerConfig(
            "shop", 1, ".", settings, limits or Limits(), Security("off"), Log(access=access), "", http=http
        )
        making = make_service_host(
            config,
            app,
            self.endpoint,
            self.clock,
            blocking=ImmediateRunner(),
            now=self.clock.seconds,
            limits=table,
            tracing=tracing,
            services=services,
        )
        host = self.successResultOf(Deferred.fromCoroutine(making))
        self.successResultOf(host.listen(probe=False))
        return host

    def exchange(self, data: bytes) -> bytes:
        """Send bytes on a new connection, and return the answer."""
        connection, self.transport = self.endpoint.connect()
        self.connection = connection
        connection.dataReceived(data)
        received: bytes = self.transport.value()
        return received

    def request(self, method: str, target: str, *headers: str) -> bytes:
        """Make an HTTP request."""
        lines = "".join(f"{line}\r\n" for line in ("Host: localhost", *headers))
        return self.exchange(f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode())


def code_of(response: bytes) -> int:
    """The status code of a response."""
    return int(response.split(b" ", 2)[1])

"""A request handler in memory."""

from __future__ import annotations

from typing import Any, Final

from twisted.internet.defer import Deferred

from unixsvc.config.settings import Limits, Security, ServiceSettings
from unixsvc.routing.app import App
from unixsvc.telemetry.log_record import LogRecord
from unixsvc.testing.host import LIMITS, TOKEN, MemoryHost
from unixsvc.testing.log import LogCapture
from unixsvc.testing.memory import MemoryTransport

__all__ = ["MemoryHandler"]


class MemoryHandler:
    """An application behind a request handler of its own, in memory: clients send and receive bytes.

    :param handler: as in the configuration: ``package.module:name``.
    :param limits: the limits of the service.
    :param security: the security settings of the service.
    :ivar clock: the reactor of the service, and the ``IReactorTime`` of actions.
    :ivar token: the shared token.
    """

    token: Final = TOKEN

    def __init__(
        self, app: App, handler: str, *, limits: Limits | None = None, security: Security | None = None
    ) -> None:
        settings = ServiceSettings("unixsvc.testing:MemoryHandler", handler=handler)
        self._capture = LogCapture()
        self._host = MemoryHost(app, settings, limits or LIMITS, security)
        self.clock = self._host.clock

    @property
    def log(self) -> list[LogRecord]:
        """What was logged in this process since the handler was made, until it is drained."""
        return self._capture.records

    def listen(self, *, probe: bool = True) -> Deferred[None]:
        """Accept connections; fires when that is so.

        :param probe: whether to do the health check first; that of the built-in handlers needs a real socket.
        """
        return self._host.when_started().addCallback(lambda host: host.listen(probe=probe))

    def connect(self) -> tuple[Any, MemoryTransport]:
        """Connect a client: the server's protocol, for the requests, and its transport, with the replies.

        :raises ConnectionRefusedError: if the handler does not listen.
        """
        self._host.run(lambda _: None)
        return self._host.endpoint.connect()

    def drain(self) -> Deferred[None]:
        """Stop as a worker does, which takes time; fires when the handler has served all clients."""
        done: Deferred[None] = self._host.when_started().addCallback(lambda host: host.drain())
        return done.addBoth(self._drained)

    def _drained(self, result: object) -> Any:  # the result as it was, of any type
        self._capture.stop()
        return result

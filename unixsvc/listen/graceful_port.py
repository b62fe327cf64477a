"""A listening port that loses no client when it is closed."""

from __future__ import annotations

from typing import Any, Final

from twisted.internet.defer import maybeDeferred
from twisted.internet.interfaces import IListeningPort, IProtocolFactory, IReactorTime, IStreamServerEndpoint
from twisted.internet.protocol import Factory
from twisted.internet.task import deferLater

__all__ = ["GracefulPort"]

# Clients that have connected, and bytes that they have sent, may still be in the kernel: the time in which
# they are accepted and read before the port is closed, in seconds.
_LAST_ACCEPTS: Final = 0.05
# The event loop reports connections that it has accepted in its next turn; in seconds.
_NEXT_TURN: Final = 0.01


class GracefulPort:
    """The listening port of a request handler.

    :param endpoint: where it listens.
    :param reactor: for the delays of :meth:`close`.
    """

    def __init__(self, endpoint: IStreamServerEndpoint, reactor: IReactorTime) -> None:
        self._endpoint = endpoint
        self._reactor = reactor
        self._port: IListeningPort | None = None

    async def listen(self, factory: IProtocolFactory | Factory[Any]) -> None:
        """Begin to accept connections; done when clients can connect.

        :param factory: also a ``Factory`` of any protocol: without a plugin, type checkers do not know that
            it provides the interface.
        """
        self._port = await self._endpoint.listen(factory)

    async def close(self) -> None:
        """Stop to accept connections, but accept those that have been made; done when that is so."""
        port, self._port = self._port, None
        if port is not None:
            await deferLater(self._reactor, _LAST_ACCEPTS)
            await maybeDeferred(port.stopListening)
            await deferLater(self._reactor, _NEXT_TURN)

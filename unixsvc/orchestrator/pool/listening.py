"""The part that both kinds of pools share: listening sockets that outlive what accepts from them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import TypeVar

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from unixsvc.errors import ConfigError
from unixsvc.orchestrator.pool.spec import WorkerSpec
from unixsvc.orchestrator.sockets.interfaces import IListener

__all__ = ["ListeningPool"]

T = TypeVar("T")


class ListeningPool(Service, ABC):
    """A pool with listening sockets. Clients that connect during a restart wait in the backlog.

    :param name: of the service.
    :param listener: the listening sockets.
    """

    def __init__(self, name: str, listener: IListener, clock: IReactorTime) -> None:
        self.setName(name)
        self._listener = listener
        self._clock = clock
        self._closing: IDelayedCall | None = None
        self._problem = ""  # why the service does not run; empty if it does

    def bind(self) -> None:
        """Open the listening sockets, without accepting."""
        self._listener.open()

    def startService(self) -> None:
        """Begin to serve.

        :raises ConfigError: if the listening sockets cannot be opened.
        """
        self._stop_closing()
        try:
            self._listener.open()
        except ConfigError as error:
            self._problem = str(error)
            raise
        super().startService()
        self._problem = ""
        self._begin()

    def stopService(self) -> Deferred[None]:
        """Close the listening sockets, and drain; fires when nothing runs any more.

        With ``drain_delay`` the sockets are closed that much later, and what runs accepts until then.
        """
        super().stopService()
        delay = self._drain_delay()
        if not delay:
            self._listener.close()
            return self._drain()
        if self._closing is None:
            self._closing = self._clock.callLater(delay, self._close)
        return self._drain().addCallback(self._ended_all)

    async def restart(self) -> None:
        """Drain, and serve again.

        :raises ConfigError: if it cannot start.
        """
        await self._drain()
        if self.running:  # it may have been stopped meanwhile
            self.startService()
            await self.when_ready()

    def _change_addresses(self, spec: WorkerSpec, *, debugged: bool = False) -> None:
        """Open the addresses of a spec instead of the present ones, while no worker accepts.

        :raises ConfigError: if one cannot be bound, or in a debug session, whose worker has the present ones.
        """
        if debugged and not self._listener.has(spec.listen):
            problem = "cannot change during a debug session"
            raise ConfigError(f"services.{self.name}: listen", problem, "end the session first")
        self._listener.add(spec.listen)
        self._listener.keep(spec.listen)

    def _close_unused_after(self, done: Deferred[None], spec: Callable[[], WorkerSpec]) -> Deferred[None]:
        """Close the sockets that no worker has after a reload, or after one that was rolled back.

        :param spec: returns the spec of the workers then.
        """

        def close(result: T) -> T:
            self._listener.keep(spec().listen)
            return result

        return done.addBoth(close)

    def _ended_all(self, result: None) -> None:
        if self._closing is not None:  # else it is closed, or was started again
            self._close()

    def _close(self) -> None:
        self._stop_closing()
        self._listener.close()

    def _stop_closing(self) -> None:
        closing, self._closing = self._closing, None
        if closing is not None and closing.active():
            closing.cancel()

    @abstractmethod
    def _drain_delay(self) -> float:
        """How long what runs still accepts connections when it stops, in seconds."""

    @abstractmethod
    def _begin(self) -> None:
        """Begin to accept connections."""

    @abstractmethod
    def when_ready(self) -> Awaitable[None]:
        """Done when clients can connect; fails with ConfigError if they never will."""

    @abstractmethod
    def _drain(self) -> Deferred[None]:
        """Serve the connected clients, and end; the listening sockets stay as they are."""

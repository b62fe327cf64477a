"""A service in the orchestrator's own process: for debugging, for embedding, and for its own control."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from unixsvc.domain.interfaces import IServicePool
from unixsvc.errors import ConfigError
from unixsvc.orchestrator.hosting import Hosted
from unixsvc.orchestrator.status import PoolFigures, WorkerFigures

__all__ = ["Inline"]


@implementer(IServicePool)
class Inline(Service):
    """Looks like a pool, and is one service in this process.

    :param make: makes the service.
    :param drain_timeout: how long it may take to answer what it has been asked, in seconds.
    """

    def __init__(
        self, name: str, reactor: Any, make: Callable[[], Hosted], drain_timeout: float = 30.0
    ) -> None:
        self.setName(name)
        self._reactor = reactor
        self._make = make
        self._drain_timeout = drain_timeout
        self._hosted: Hosted | None = None
        self._booted: Deferred[None] = Deferred()
        self._started = 0.0
        self._ready = False
        self._log = Logger(namespace=name)

    def startService(self) -> None:
        """Begin to serve."""
        super().startService()
        self._started = self._reactor.seconds()
        listening = maybeDeferred(self._make).addCallback(self._listen)
        listening.addErrback(self._has_failed).chainDeferred(self._booted)

    def booted(self) -> Deferred[None]:
        """Fires when clients can connect."""
        return self._booted

    def stopService(self) -> Deferred[None]:
        """Drain."""
        super().stopService()
        hosted = self._hosted
        if hosted is None:
            return succeed(None)
        patience = self._reactor.callLater(self._drain_timeout, hosted.abort)

        def drained(result: None) -> None:
            self._hosted = None
            if patience.active():
                patience.cancel()

        return hosted.drain().addCallback(drained)

    def abort(self) -> None:
        """Close every connection now."""
        if self._hosted is not None:
            self._hosted.abort()

    def figures(self) -> PoolFigures:
        """The figures of now."""
        if self._hosted is None:
            return PoolFigures([])
        phase = "ready" if self._ready else "starting"
        uptime = self._reactor.seconds() - self._started
        return PoolFigures([WorkerFigures(os.getpid(), phase, uptime, self._hosted.status())])

    def refresh(self) -> Deferred[Any]:
        """They always are those of now."""
        return succeed(None)

    def _listen(self, hosted: Hosted) -> Deferred[None]:
        self._hosted = hosted
        return hosted.listen().addCallback(self._is_ready)

    def _is_ready(self, _: None) -> None:
        self._ready = True

    def _has_failed(self, failure: Failure) -> None:
        reason = str(failure.value)
        if not failure.check(ConfigError):
            self._log.failure("cannot start", failure)
            reason = f"{type(failure.value).__name__}: {reason}"
        raise ConfigError(f"services.{self.name}", f"cannot start: {reason}")

"""A service in the orchestrator's own process: for debugging, for embedding, and for its own control."""

from __future__ import annotations

import os
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from unixsvc.errors import ConfigError
from unixsvc.orchestrator.interfaces import IServicePool
from unixsvc.orchestrator.pool.worker_record import WorkerSpec
from unixsvc.orchestrator.shared_result import SharedResult
from unixsvc.orchestrator.status import PoolSnapshot, WorkerSnapshot
from unixsvc.orchestrator.worker.messages import Command
from unixsvc.service.host import ServiceHost

__all__ = ["InlinePool"]


@implementer(IServicePool)
class InlinePool(Service):
    """Looks like a pool, and is one service in this process.

    :param version: what it is; its ``host`` makes the service.
    """

    def __init__(self, name: str, reactor: Any, version: WorkerSpec) -> None:
        self.setName(name)
        self._reactor = reactor
        self._version = version
        self._service_host: ServiceHost | None = None
        self._boot = SharedResult()
        self._gone: SharedResult | None = None
        self._started = 0.0
        self._ready = False
        self._problem = ""
        self._log = Logger(namespace=name)

    def bind(self) -> None:
        """Nothing is taken before it starts: nobody else can have its path."""

    def startService(self) -> None:
        """Begin to serve."""
        super().startService()
        self._gone, self._problem = None, ""
        self._started = self._reactor.seconds()
        self._boot = SharedResult()
        listening = maybeDeferred(self._version.host).addCallback(self._listen)
        listening.addErrback(self._has_failed).addCallback(self._boot.settle)

    def when_ready(self) -> Deferred[None]:
        """Fires when clients can connect."""
        return self._boot.wait()

    def stopService(self) -> Deferred[None]:
        """Drain."""
        super().stopService()
        if self._gone is not None:
            return self._gone.wait()
        self._gone = gone = SharedResult()
        self._boot.settle(ConfigError(f"services.{self.name}", "it was stopped"))
        if self._service_host is None:
            gone.settle()
        else:
            patience = self._reactor.callLater(self._version.rules.drain_timeout, self._service_host.abort)
            self._service_host.drain().addBoth(self._drained, patience, gone)
        return gone.wait()

    async def restart(self) -> None:
        """Drain, and serve again.

        :raises ConfigError: if it cannot start.
        """
        await self.stopService()
        self.startService()
        await self.when_ready()

    async def reload(self, version: WorkerSpec) -> None:
        """Have other settings: for that it is started again. The code stays what this process has imported.

        :raises ConfigError: if it cannot start.
        """
        before, self._version = self._version, version
        if version.is_like(before):
            return
        try:
            await self.restart()
        except ConfigError:
            self._version = before
            await self.restart()
            raise

    def set_spec(self, version: WorkerSpec) -> None:
        """Have other settings when it is started again."""
        self._version = version

    async def scale(self, wanted: int) -> None:
        """Not be more than one.

        :raises ConfigError: if it is to be.
        """
        if wanted != 1:
            raise ConfigError(f"services.{self.name}", "is inline, and so has no workers")

    def send(self, command: Command) -> None:
        """What this process is told is told to it, too."""

    def abort(self) -> None:
        """Close every connection now."""
        if self._service_host is not None:
            self._service_host.abort()

    def stats(self) -> PoolSnapshot:
        """The figures of now."""
        if self._service_host is None:
            state = "stopped" if self._gone is not None else "failed" if self._problem else "waiting"
            return PoolSnapshot([], state=state, problem=self._problem)
        phase = "draining" if self._gone is not None else "ready" if self._ready else "starting"
        uptime = self._reactor.seconds() - self._started
        return PoolSnapshot([WorkerSnapshot(os.getpid(), phase, uptime, self._service_host.stats())])

    def refresh(self) -> Deferred[Any]:
        """They always are those of now."""
        return succeed(None)

    def _drained(self, result: object, patience: IDelayedCall, gone: SharedResult) -> None:
        self._service_host, self._ready = None, False
        if patience.active():
            patience.cancel()
        if isinstance(result, Failure):
            self._log.failure("while draining", result)
        gone.settle()

    def _listen(self, service_host: ServiceHost) -> Deferred[None]:
        self._service_host = service_host
        return service_host.listen().addCallback(self._is_ready)

    def _is_ready(self, _: None) -> None:
        self._ready = True

    def _has_failed(self, failure: Failure) -> ConfigError:
        service_host, self._service_host = self._service_host, None
        if service_host is not None:
            service_host.drain()
        reason = self._problem = str(failure.value)
        if not failure.check(ConfigError):
            self._log.failure("cannot start", failure)
            reason = self._problem = f"{type(failure.value).__name__}: {reason}"
        return ConfigError(f"services.{self.name}", f"cannot start: {reason}")

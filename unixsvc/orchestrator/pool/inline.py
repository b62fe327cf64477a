"""A service in the orchestrator's own process: for debugging, for embedding, and for the control API."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec import Raw
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from unixsvc.domain.json import Json
from unixsvc.errors import ConfigError
from unixsvc.execution.shared_result import SharedResult
from unixsvc.listen.endpoint import BoundUNIXServerEndpoint
from unixsvc.orchestrator.pool.interfaces import IServicePool
from unixsvc.orchestrator.pool.listening import ListeningPool
from unixsvc.orchestrator.pool.questions import Finding
from unixsvc.orchestrator.pool.spec import WorkerSpec
from unixsvc.orchestrator.sockets.interfaces import IListener
from unixsvc.orchestrator.status import PoolSnapshot, WorkerSnapshot
from unixsvc.orchestrator.worker.messages import Command, SetTokens
from unixsvc.schedules.moment import Moment
from unixsvc.service.host import ServiceHost
from unixsvc.service.local_scheduler import LocalScheduler
from unixsvc.service.scheduler import current_moment
from unixsvc.transport.private_apis import asyncio_loop_of

if TYPE_CHECKING:
    from unixsvc.telemetry.exposition.application import AppSnapshot

__all__ = ["InlinePool"]


@implementer(IServicePool)
class InlinePool(ListeningPool):
    """A pool without workers: it runs one service in this process.

    :param spec: its ``host`` makes the service.
    :param listener: the listening socket.
    :param now: the clocks for schedules.
    """

    def __init__(
        self,
        name: str,
        reactor: IReactorTime,
        spec: WorkerSpec,
        listener: IListener,
        now: Callable[[], Moment] = current_moment,
    ) -> None:
        super().__init__(name, listener, reactor)
        self._reactor = reactor
        self._spec = spec
        self._scheduler = LocalScheduler(name, reactor, now)
        self._endpoint = BoundUNIXServerEndpoint(reactor, listener.descriptors)
        self._service_host: ServiceHost | None = None
        self._boot: SharedResult[None] = SharedResult()
        self._starting: Deferred[None] = succeed(None)
        self._stopped: SharedResult[None] | None = None
        self._started = 0.0
        self._ready = False
        self._log = Logger(namespace=name)

    def _begin(self) -> None:
        self._stopped = None
        self._started = self._reactor.seconds()
        self._boot = SharedResult()
        starting = self._when_running().addCallback(lambda _: self._spec.host(self._endpoint))
        listening = starting.addCallback(self._listen)
        self._starting = listening.addErrback(self._start_failed).addCallback(self._boot_done)

    def when_ready(self) -> Deferred[None]:
        """Fires when clients can connect."""
        return self._boot.wait()

    def _drain_delay(self) -> float:
        return self._spec.policy.drain_delay

    def _drain(self) -> Deferred[None]:
        if self._stopped is not None:
            return self._stopped.wait()
        stopped: SharedResult[None] = SharedResult()
        self._stopped = stopped
        self._boot.fail(ConfigError(f"services.{self.name}", "it was stopped"))
        self._scheduler.stop()
        if self._service_host is None:
            self._starting.addCallback(stopped.succeed)  # a lifespan may wait, and clean up
            self._starting.cancel()
        else:
            host = self._service_host
            policy = self._spec.policy
            deadline = self._reactor.callLater(policy.drain_delay + policy.drain_timeout, host.abort)
            host.drain(delay=policy.drain_delay).addBoth(self._drained, deadline, stopped)
        return stopped.wait()

    async def reload(self, spec: WorkerSpec) -> None:
        """Restart if the settings have changed. The code stays as this process has imported it.

        :raises ConfigError: if it cannot start.
        """
        before, self._spec = self._spec, spec
        if spec.same_settings(before):
            return
        try:
            await self.restart()
        except ConfigError:
            self._spec = before
            await self.restart()
            raise

    def set_spec(self, spec: WorkerSpec) -> None:
        """Use other settings from the next start on."""
        self._spec = spec

    async def scale(self, workers: int) -> None:
        """Refuse any number of workers but one.

        :raises ConfigError: for another number.
        """
        if workers != 1:
            raise ConfigError(
                f"services.{self.name}", "is inline, and so has no workers", "remove isolation to scale it"
            )

    def debug(self, spec: WorkerSpec) -> Deferred[None]:
        """Refuse.

        :raises ConfigError: always.
        """
        remedy = "remove isolation to debug it"
        raise ConfigError(f"services.{self.name}", "is inline, and so has no workers", remedy)

    def end_debug(self) -> None:
        """Do nothing: there is no debug session."""

    def send(self, command: Command) -> None:
        """Set the valid tokens; the orchestrator applies other commands to its own process itself."""
        if isinstance(command, SetTokens) and self._service_host is not None:
            self._service_host.set_tokens(command.token, command.tokens)

    def abort(self) -> None:
        """Close every connection now."""
        if self._service_host is not None:
            self._service_host.abort()

    def check_paths(self) -> None:
        """Bind the path again if it was removed; connected clients are not affected."""
        self._listener.rebind()
        try:
            self._endpoint.replace()  # also if it could not after an earlier call
        except OSError as error:
            problem = f"cannot accept from its new socket: {error.strerror}"
            raise ConfigError(f"services.{self.name}", problem) from None

    def stats(self) -> PoolSnapshot:
        """The current state."""
        if self._service_host is None:
            state = "stopped" if self._stopped is not None else "failed" if self._problem else "waiting"
            schedules = self._scheduler.status()
            return PoolSnapshot([], state=state, problem=self._problem, schedules=schedules)
        phase = "draining" if self._stopped is not None else "ready" if self._ready else "starting"
        uptime = self._reactor.seconds() - self._started
        status = self._service_host.stats()
        metrics = status.add_to(self._service_host.metrics())
        worker = WorkerSnapshot(os.getpid(), phase, uptime, status, metrics)
        listen = self._listener.addresses()
        return PoolSnapshot([worker], listen=listen, schedules=self._scheduler.status())

    def app_metrics(self) -> AppSnapshot:
        """Recorded requests. All services of this process have one registry, so none of the application."""
        # Late: few systems serve metrics.
        from unixsvc.telemetry.exposition.application import AppSnapshot, exemplars_of

        host = self._service_host
        return AppSnapshot([], requests=exemplars_of([] if host is None else host.span_examples()))

    def refresh(self) -> Deferred[None]:
        """Do nothing: the statistics of this process are always current."""
        return succeed(None)

    def inspect(
        self, topic: str, options: dict[str, Json], seconds: float, pid: int | None = None
    ) -> Deferred[list[Finding]]:
        """Ask this process a question about its service; see :class:`IServicePool`."""
        if self._service_host is None or pid not in (None, os.getpid()):
            return succeed([])
        asked = Deferred.fromCoroutine(self._service_host.inspect(topic, options))
        return asked.addCallback(lambda text: [Finding(os.getpid(), 1, Raw(text))])

    def _drained(self, result: object, deadline: IDelayedCall, stopped: SharedResult[None]) -> None:
        self._service_host, self._ready = None, False
        self._scheduler.host_ended()
        if deadline.active():
            deadline.cancel()
        if isinstance(result, Failure):
            self._log.failure("error while draining", result)
        stopped.succeed(None)

    def _when_running(self) -> Deferred[None]:
        """Fires when an event loop of asyncio runs, as lifespans need it; without asyncio at once.

        Twisted's reactor starts its services before it runs the loop.
        """
        if asyncio_loop_of(self._reactor) is None:
            return succeed(None)
        return deferLater(self._reactor, 0, bool).addCallback(lambda _: None)

    def _listen(self, service_host: ServiceHost) -> Deferred[None]:
        self._service_host = service_host
        return service_host.listen().addCallback(self._listening)

    def _listening(self, _: None) -> None:
        self._ready = True
        if self._service_host is not None and self._stopped is None:
            self._scheduler.start(self._service_host)

    def _boot_done(self, error: ConfigError | None) -> None:
        if error is None:
            self._boot.succeed(None)
        else:
            self._boot.fail(error)

    def _start_failed(self, failure: Failure) -> ConfigError:
        self._listener.close()
        service_host, self._service_host = self._service_host, None
        if service_host is not None:
            service_host.drain()
        reason = self._problem = str(failure.value)
        if self._stopped is not None:  # before it was ready
            return ConfigError(f"services.{self.name}", "it was stopped")
        if not failure.check(ConfigError):
            self._log.failure("cannot start", failure)
            reason = self._problem = f"{type(failure.value).__name__}: {reason}"
        return ConfigError(f"services.{self.name}", f"cannot start: {reason}")

"""The lifecycle of one service in this process: probe, listen, drain, stop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import msgspec
from twisted.application.service import MultiService
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from unixsvc.domain.message import Request
from unixsvc.domain.providers import as_provider
from unixsvc.domain.route_info import RouteInfo
from unixsvc.errors import ConfigError, ServiceError
from unixsvc.execution.loop_runner import runner_for
from unixsvc.routing.builtin_routes import HEALTH
from unixsvc.schedules.spec import ScheduleSpec
from unixsvc.schedules.state import Run
from unixsvc.security.access import AcceptedToken
from unixsvc.security.tokens import TokenGuard
from unixsvc.server.interfaces import IRequestHandler, IReviewsCallers
from unixsvc.service.core import ServiceCore
from unixsvc.service.spec import StatsReport
from unixsvc.telemetry.metrics.snapshot import MetricsSnapshot

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

    from unixsvc.tracing.exemplars import SpanExample

__all__ = ["ServiceHost"]

# Interval at which a draining service checks for work that no connection keeps the service open for, in
# seconds.
_WORK_INTERVAL: Final = 0.05


class ServiceHost(MultiService):
    """One service of this process; its request handler and its threads are its children.

    :param core: the parts that serve requests.
    :param handler: the transport that requests come from.
    """

    def __init__(self, core: ServiceCore, handler: IRequestHandler, reactor: IReactorTime) -> None:
        super().__init__()
        self.setName(core.config.service)
        self._core = core
        self._handler = handler
        self._reactor = reactor
        self._draining = False
        self._aborted = False
        self._delay: Deferred[None] | None = None
        self._listening = False
        self._new_tokens: tuple[str, tuple[AcceptedToken, ...]] | None = None
        core.statistics.observe(core.handle, handler, core.threads)
        if core.threads is not None:
            core.threads.setServiceParent(self)
        handler.setServiceParent(self)

    def listen(self, *, probe: bool = True) -> Deferred[None]:
        """Start the service and accept connections.

        :param probe: whether to require a successful health check first.
        :returns: fires when clients can connect; fails with ConfigError if the health check fails.
        """
        self.startService()
        return Deferred.fromCoroutine(self._listen(probe))

    def drain(
        self, *, wait_for_idle: bool = False, delay: float = 0.0, on_closed: Callable[[], object] = bool
    ) -> Deferred[None]:
        """Stop to accept connections, serve the clients until they have disconnected, and stop.

        :param wait_for_idle: as in :meth:`unixsvc.IRequestHandler.drain`. It means that other workers serve
            the clients: the service stays ready for load balancers.
        :param delay: how long to accept connections while the service is not ready any more, in seconds.
        :param on_closed: called when no client can connect any more.
        :returns: fires when the service has stopped.
        """
        self._core.health.draining = not wait_for_idle
        return Deferred.fromCoroutine(self._drain(wait_for_idle, delay, on_closed))

    def stop_waiting_for_idle(self) -> None:
        """While the service drains: close idle connections instead of waiting for their clients."""
        Deferred.fromCoroutine(self._close_idle())

    def abort(self) -> None:
        """Refuse pending requests and close every connection."""
        self._aborted = True
        if self._delay is not None:
            self._delay.cancel()
        self._handler.abort()
        self._core.tasks.abort()
        if self._core.jobs is not None:
            self._core.jobs.abort()

    def route_of(self, request: Request) -> RouteInfo | None:
        """The route of a request; None if it has none."""
        return self._core.router.route_of(request)

    @property
    def schedules(self) -> tuple[ScheduleSpec, ...]:
        """The schedules of the application."""
        return () if self._core.jobs is None else self._core.jobs.specs

    def accept_job(self, run: Run, on_ended: Callable[[str], object]) -> Callable[[], None]:
        """Accept a run of a job; see :meth:`unixsvc.service.jobs.JobRunner.accept`."""
        if self._core.jobs is None:
            raise LookupError(run.schedule)
        return self._core.jobs.accept(run, on_ended)

    def use_loop(self, loop: AbstractEventLoop | None) -> None:
        """Run later actions on another asyncio event loop, or on none: that of a test in memory."""
        router = self._core.router
        if router.runner.loop is not loop:
            runner = runner_for(loop)
            router.runner = self._core.tasks.runner = self._core.health.runner = runner

    def set_tokens(self, token: str, tokens: tuple[AcceptedToken, ...]) -> None:
        """Set the valid tokens; callers whose token is not valid any more lose their trust.

        :param token: the shared token, which is also sent to other services.
        :param tokens: the other tokens that clients may present.
        """
        if not self._listening:
            self._new_tokens = (token, tokens)  # the health check has the token of the start
            return
        guard = self._core.guard
        self._core.clients.use_token(token)
        if isinstance(guard, TokenGuard):
            guard.replace(token, tokens)
            reviewer = as_provider(IReviewsCallers, self._handler)
            if reviewer is not None:
                reviewer.review_callers(guard.review)

    def when_ended(self) -> Deferred[None]:
        """Fires if the lifespan of the application ends by itself: the service cannot go on then."""
        return self._core.ended.wait()

    def stats(self) -> StatsReport:
        """The current statistics."""
        return self._core.statistics.report()

    def span_examples(self) -> list[SpanExample]:
        """Recorded requests as examples of latencies; none without traces."""
        tracing = self._core.tracing
        return [] if tracing is None else tracing.examples()

    async def inspect(self, topic: str, options: Mapping[str, Any]) -> bytes:
        """Answer a question of an operator; see :func:`unixsvc.service.inspection.topics.answer`."""
        # Late: few processes are ever asked.
        from unixsvc.service.inspection.topics import Subject, answer

        return await answer(Subject(self._core, self._handler, self._reactor), topic, options)

    def metrics(self) -> MetricsSnapshot:
        """What has been counted."""
        return self._core.statistics.metrics()

    async def _listen(self, probe: bool) -> None:
        if probe:
            await self._probe()
        if not self._draining:  # a drain may have begun during the probe
            await self._handler.listen()
            if self._core.cluster is not None:
                await self._core.cluster.serve(self._handler)
        self._listening = True
        if self._new_tokens is not None:
            self.set_tokens(*self._new_tokens)

    async def _probe(self) -> None:
        try:
            await self._handler.probe()
        except ServiceError as error:
            raise ConfigError(HEALTH, f"answers {error.code}", self._core.health.problem) from None
        except (ConnectionError, msgspec.DecodeError) as error:
            raise ConfigError(HEALTH, f"is not answered: {error}") from None
        self._core.statistics.reset()  # the probe is no request of a client

    async def _close_idle(self) -> None:
        await self._handler.drain(False)

    def _has_work(self) -> bool:
        """Whether shielded actions, whose clients have gone, tasks or jobs still run."""
        core = self._core
        jobs = 0 if core.jobs is None else core.jobs.running
        return bool(core.router.shielded or core.tasks.running or jobs)

    async def _drain(self, wait_for_idle: bool, delay: float, on_closed: Callable[[], object]) -> None:
        self._draining = True
        if delay and self._listening:
            self._delay = deferLater(self._reactor, delay)
            with suppress(CancelledError):  # by abort()
                await self._delay
            self._delay = None
        await self._handler.close()
        if self._core.cluster is not None:
            await self._core.cluster.withdraw()
        on_closed()
        await self._handler.drain(wait_for_idle)
        self._core.tasks.stop()
        while self._has_work() and not self._aborted:
            await deferLater(self._reactor, _WORK_INTERVAL)
        try:
            await self._core.close()
        finally:
            await self.stopService()

"""The health check of a service: ``/-/health``."""

from __future__ import annotations

import math
from contextvars import copy_context
from typing import Final

import svcs
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from unixsvc.domain.action_runner import ActionRunner
from unixsvc.errors import DeadlineExceeded, Unavailable
from unixsvc.execution.background import RunningCoroutine
from unixsvc.execution.shared_result import SharedResult

__all__ = ["HealthCheck"]

# The pings are application code that may be expensive, and any client may send the request.
_MIN_INTERVAL: Final = 1.0  # seconds


class HealthCheck:
    """Runs the health checks that the application has registered with svcs, at most once a second.

    Requests within that time share the result. The checks depend on no request: neither does the deadline of
    one apply to them, nor are they cancelled with one.

    :param service: the name of the service.
    :param seconds: the time limit of all checks together.
    :ivar runner: runs the checks.
    :ivar problem: the check that failed last, with its error; empty if none has failed. It may hold internal
        details and is not for clients.
    """

    def __init__(self, service: str, reactor: IReactorTime, seconds: float, runner: ActionRunner) -> None:
        self._service = service
        self._reactor = reactor
        self._seconds = seconds
        self.runner = runner
        self._log = Logger(namespace=service)
        self._started = -math.inf
        self._healthy: SharedResult[bool] | None = None
        self.problem = ""

    async def check(self, container: svcs.Container) -> dict[str, str]:
        """Ping every dependency in turn, or wait for the result of the checks that run.

        :returns: the result of ``/-/health``.
        :raises Unavailable: if one of them fails.
        """
        healthy = self._healthy
        now = self._reactor.seconds()
        if healthy is None or (healthy.done and now - self._started >= _MIN_INTERVAL):
            healthy = self._healthy = SharedResult()
            self._started = now
            copy_context().run(self._start, healthy, container.registry)
        if not await healthy.wait():
            raise Unavailable
        return {"status": "ok", "service": self._service}

    def _start(self, healthy: SharedResult[bool], registry: svcs.Registry) -> None:
        checks = RunningCoroutine(self._run(registry), None, healthy.succeed)
        checks.set_timeout(self._reactor, self._seconds, DeadlineExceeded())
        checks.start()

    async def _run(self, registry: svcs.Registry) -> bool:
        try:
            return await self.runner.run(self._ping_all(registry))
        except GeneratorExit:
            raise
        except BaseException as error:  # asyncio's CancelledError, or sys.exit() in a check
            return self._failed("all", error)

    async def _ping_all(self, registry: svcs.Registry) -> bool:
        async with svcs.Container(registry) as container:
            for dependency in container.get_pings():
                try:
                    await dependency.aping() if dependency.is_async else dependency.ping()
                except Exception as error:  # a check is application code and may raise anything
                    return self._failed(_name_of(dependency), error)
        return True

    def _failed(self, name: str, error: BaseException) -> bool:
        self.problem = f"{name}: {type(error).__name__}: {error}"
        self._log.failure("health check {name} failed", Failure(error), name=name)
        return False


def _name_of(dependency: svcs.ServicePing) -> str:
    """The name of a type; that of a zope interface is its ``repr``, as svcs knows classes only."""
    return dependency.name.removeprefix("<InterfaceClass ").removesuffix(">")

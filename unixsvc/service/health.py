"""The health check of a service: ``/-/health``."""

from __future__ import annotations

from functools import partial

import svcs
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from unixsvc.domain.action_runner import ActionRunner
from unixsvc.errors import Unavailable
from unixsvc.execution.shared_result import SharedResult
from unixsvc.service.checks import Check, Checks

__all__ = ["HealthCheck"]


class HealthCheck:
    """Runs the health checks that the application has registered with svcs, at most once a second.

    :param service: the name of the service.
    :param seconds: the time limit of a check.
    :param runner: runs the checks.
    :param ready_timeout: a check that takes longer is late for ``/-/ready``, in seconds.
    :ivar runner: runs the checks.
    :ivar checks: the state of each dependency.
    :ivar draining: whether the service stops: clients should send their requests elsewhere.
    :ivar problem: the check that failed last, with its error; empty if none has failed. It may hold internal
        details and is not for clients.
    """

    def __init__(
        self,
        service: str,
        reactor: IReactorTime,
        seconds: float,
        runner: ActionRunner,
        ready_timeout: float = 2.0,
    ) -> None:
        self._service = service
        self.runner = runner
        self._log = Logger(namespace=service)
        self.checks = Checks(reactor, ready_timeout, seconds, self.failed)
        self.draining = False
        self.problem = ""

    async def check(self, container: svcs.Container) -> dict[str, str]:
        """Ping every dependency, or wait for the result of the checks that run.

        :returns: the result of ``/-/health``.
        :raises Unavailable: if one of them fails.
        """
        if not await self.run(container.registry).wait():
            raise Unavailable
        return {"status": "ok", "service": self._service}

    def run(self, registry: svcs.Registry) -> SharedResult[bool]:
        """Ping every dependency, unless that runs or has run within the last second.

        :returns: whether all answer, now or later.
        """
        return self.checks.run(partial(self._make_checks, registry))

    def failed(self, name: str, error: BaseException) -> None:
        """Record that a dependency cannot be used."""
        self.problem = f"{name}: {type(error).__name__}: {error}"
        self._log.failure("health check {name} failed", Failure(error), name=name)

    def _make_checks(self, registry: svcs.Registry) -> list[Check]:
        pings = svcs.Container(registry).get_pings()
        return [
            Check(_name_of(ping), partial(self._ping, registry, number)) for number, ping in enumerate(pings)
        ]

    async def _ping(self, registry: svcs.Registry, number: int) -> None:
        await self.runner.run(_ping(registry, number))


async def _ping(registry: svcs.Registry, number: int) -> None:
    """Ping a dependency, in a container of its own: others are pinged at the same time."""
    async with svcs.Container(registry) as container:
        ping = container.get_pings()[number]
        await ping.aping() if ping.is_async else ping.ping()


def _name_of(dependency: svcs.ServicePing) -> str:
    """The name of a type; that of a zope interface is its ``repr``, as svcs knows classes only."""
    return dependency.name.removeprefix("<InterfaceClass ").removesuffix(">")

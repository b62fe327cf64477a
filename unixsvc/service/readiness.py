"""Whether clients should send requests to a service: ``/-/ready``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Final

import svcs
from twisted.internet.interfaces import IReactorTime

from unixsvc.domain.interfaces import IServices
from unixsvc.domain.json import JsonObject
from unixsvc.domain.message import Request
from unixsvc.errors import DeadlineExceeded, ServiceError, Unavailable, error_from
from unixsvc.execution.shared_result import SharedResult
from unixsvc.routing.builtin_routes import LIVE
from unixsvc.service.checks import OK, Check, Checks, DependencyState
from unixsvc.service.health import HealthCheck

__all__ = ["Readiness"]

# Probes that wait for checks. Further ones get what is known already, so that clients cannot pile up requests
# that no other limit counts.
_MAX_WAITING: Final = 32
_DIGITS: Final = 6  # of seconds


class Readiness:
    """Answers ``/-/ready``: whether a service can do its work, and goes on with it.

    It can if it does not drain, the pings of its application succeed in time, and the services that it mounts
    can be reached. They get requests for ``/-/live`` only: what they depend on is their own matter, and a
    failure there must not take all services before them out of work.

    :param health: the pings of the application.
    :param mounted: the names of the mounted services.
    :param services: calls them.
    :param seconds: how long a check may take.
    :param make_room: called with 1 when a probe begins to wait, and with -1 at its end, so that it takes no
        place of another request.
    """

    def __init__(
        self,
        health: HealthCheck,
        mounted: Sequence[str],
        services: IServices,
        reactor: IReactorTime,
        seconds: float,
        make_room: Callable[[int], object],
    ) -> None:
        self._health = health
        self._services = services
        self._reactor = reactor
        self._seconds = seconds
        self._make_room = make_room
        self._mounts = Checks(reactor, seconds, seconds, self._unreachable)
        self._mount_checks = [
            Check(f"service:{name}", partial(self._reach, name)) for name in dict.fromkeys(mounted)
        ]
        self._waiting = 0

    async def check(self, request: Request, registry: svcs.Registry) -> JsonObject:
        """Check all dependencies, or take the results of the last second.

        :returns: the result of ``/-/ready``. The state of each dependency is for callers with a token.
        :raises Unavailable: with the same, if the service is not ready.
        """
        pings = self._health.run(registry)
        mounts = self._mounts.run(lambda: self._mount_checks)
        await self._wait(pings, self._health.checks)
        await self._wait(mounts, self._mounts)
        states = [*self._health.checks.states(), *self._mounts.states()]
        ready = not self._health.draining and all(each.state == OK for each in states)
        found: JsonObject = {"state": "ready" if ready else "unready"}
        if request.caller.grant is not None and request.caller.trusted:
            if self._health.draining:
                found["state"] = "draining"
            found["dependencies"] = [_to_json(each) for each in states]
        if ready:
            return found
        raise error_from(Unavailable.code, {**Unavailable().detail, **found})

    async def _wait(self, result: SharedResult[bool], checks: Checks) -> None:
        """Wait for checks that run, until they are late."""
        left = checks.time_left
        if result.done or left <= 0 or self._waiting >= _MAX_WAITING:
            return
        self._waiting += 1
        self._make_room(1)
        try:
            await result.wait().addTimeout(left, self._reactor, lambda _, seconds: False)
        finally:
            self._waiting -= 1
            self._make_room(-1)

    async def _reach(self, service: str) -> None:
        try:
            await self._services.call(service, "GET", LIVE, timeout=self._seconds)
        except (Unavailable, DeadlineExceeded):
            raise
        except ServiceError:
            return  # it has answered, as one of a release without this route

    def _unreachable(self, name: str, error: BaseException) -> None:
        self._health.failed(name, error)


def _to_json(state: DependencyState) -> JsonObject:
    since = datetime.fromtimestamp(state.since, UTC).isoformat(timespec="milliseconds")
    return {
        "name": state.name,
        "state": state.state,
        "seconds": round(state.seconds, _DIGITS),
        "since": since.replace("+00:00", "Z"),
    }

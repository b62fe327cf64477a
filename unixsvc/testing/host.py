"""The start of a service in memory, which may take time if its application has a lifespan."""

from __future__ import annotations

import asyncio
from asyncio import AbstractEventLoop
from collections.abc import Callable
from typing import Final

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from unixsvc.client.calls import NO_LIMIT
from unixsvc.config.http import Http
from unixsvc.config.settings import Limits, Log, Security, ServiceSettings
from unixsvc.datasource.service_clients import NoServices
from unixsvc.domain.interfaces import IServices
from unixsvc.domain.message import Request
from unixsvc.execution.shared_result import SharedResult
from unixsvc.routing.app import App
from unixsvc.service.factory import make_service_host
from unixsvc.service.host import ServiceHost
from unixsvc.service.spec import WorkerConfig
from unixsvc.testing.memory import ImmediateRunner, MemoryEndpoint

__all__ = ["LIMITS", "TOKEN", "MemoryHost"]

TOKEN = "0" * 64
# A test may advance its clock by hours between two requests.
LIMITS: Final = Limits(idle_timeout=NO_LIMIT, authentication_timeout=NO_LIMIT)


class MemoryHost:
    """A service in memory without clients.

    :param services: the other services; without it, calls to them fail.
    :param on_failure: called with each exception of an action that callers must not see, and the request.
    :param acting_user: returns the user of all requests; None to let the application authenticate users.
    :param http: the settings of an HTTP gateway; None for another service.
    :ivar clock: the reactor of the service.
    :ivar endpoint: where clients connect.
    :raises ConfigError: if the application cannot start, and finds out at once.
    """

    def __init__(
        self,
        app: App,
        settings: ServiceSettings,
        limits: Limits,
        security: Security | None,
        *,
        folder: str = ".",
        clock: Clock | None = None,
        services: IServices | None = None,
        on_failure: Callable[[BaseException, Request], object] | None = None,
        http: Http | None = None,
        acting_user: Callable[[], object] | None = None,
    ) -> None:
        self.clock = clock or Clock()
        self.endpoint = MemoryEndpoint()
        self._started: SharedResult[ServiceHost] = SharedResult()
        self._failure: Exception | None = None
        making = make_service_host(
            WorkerConfig(
                "memory", 1, folder, settings, limits, security or Security(), Log(), TOKEN, http=http
            ),
            app,
            self.endpoint,
            self.clock,
            blocking=ImmediateRunner(),
            services=services or NoServices(),
            now=self.clock.seconds,
            loop=_running_loop(),
            on_failure=on_failure,
            acting_user=acting_user,
        )
        Deferred.fromCoroutine(making).addCallbacks(self._started.succeed, self._start_failed)
        if self._failure is not None:
            raise self._failure

    def when_started(self) -> Deferred[ServiceHost]:
        """Fires when the application has started; at once if its lifespan does not wait."""
        return self._started.wait()

    def run(self, function: Callable[[ServiceHost], object]) -> None:
        """Call a function when the application has started, on the event loop of the test, if any."""

        def call(host: ServiceHost) -> None:
            host.use_loop(_running_loop())
            function(host)

        def ignore(failure: Failure) -> None:
            """The service reports the failure of its start to each call."""

        self.when_started().addCallbacks(call, ignore)

    def _start_failed(self, failure: Failure) -> None:
        if not isinstance(failure.value, Exception):
            failure.raiseException()
        self._failure = failure.value
        self._started.fail(failure.value)


def _running_loop() -> AbstractEventLoop | None:
    """The asyncio event loop of the test; None for most tests with trial."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None

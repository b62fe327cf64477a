"""The application that is fuzzed, with its real router and message handling, in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from tests.unit.routing.serving import Serving
from tests.unit.routing.test_linear_cost import SAMPLE
from unixsvc.datasource.library import LibraryDatasource
from unixsvc.datasource.repository import RouterRepository
from unixsvc.domain.handle_message import HandleMessage
from unixsvc.routing.route import GET, POST
from unixsvc.security.tokens import TokenGuard
from unixsvc.telemetry.failure_log import FailureLog
from unixsvc.telemetry.metrics.service_metrics import ServiceMetrics

__all__ = ["REQUEST_TIMEOUT", "ROUTES", "TOKEN", "make_handle"]

TOKEN: Final = "0" * 64
REQUEST_TIMEOUT: Final = 30.0  # seconds


async def echo(value: Any = None) -> Any:
    """Return the value."""
    return value


async def forever() -> None:
    """Wait until the request is cancelled or times out."""
    waiting: Deferred[None] = Deferred()
    await waiting


async def count(upto: int = 10) -> AsyncIterator[int]:
    """Count."""
    for number in range(min(upto, 300)):
        yield number


ROUTES: Final = (
    *SAMPLE.routes,
    POST("/echo", echo),
    GET("/forever", forever),
    GET("/count", count),
)
"""None of them raises, so that each 500 is a fault of the framework."""


def make_handle(clock: Clock, policy: str) -> HandleMessage:
    """The message handling of a service with all routes.

    :param policy: the policy for tokens.
    """
    return HandleMessage(
        RouterRepository(LibraryDatasource(Serving(*ROUTES).router)),
        TokenGuard(policy, "fuzzed", TOKEN),
        ServiceMetrics(),
        FailureLog("fuzzed"),
        max_inflight=100,
        request_timeout=REQUEST_TIMEOUT,
        now=clock.seconds,
    )

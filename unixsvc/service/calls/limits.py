"""The rate limits of a service: of its routes, and over all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from zope.interface import implementer

from unixsvc.domain.interfaces import IRouterDatasource, IRouterRepository
from unixsvc.domain.message import Request
from unixsvc.domain.path_prefix import BUILTIN_PREFIX
from unixsvc.routing.gates import Gate
from unixsvc.routing.route import Route
from unixsvc.routing.signature import Signature
from unixsvc.service.spec import WorkerConfig
from unixsvc.telemetry.limited_logger import LimitedLogger

if TYPE_CHECKING:
    from unixsvc.limiting.limiter import Limiter
    from unixsvc.limiting.table import RateTable

__all__ = ["LimitedRepository", "ServiceLimits"]


class ServiceLimits:
    """Makes what applies the rate limits of one service.

    :param make_table: makes the table of buckets, if there is a limit; None for memory of this process.
    :param now: a monotonic clock that all workers share, in seconds.
    """

    def __init__(
        self, config: WorkerConfig, make_table: Callable[[], RateTable] | None, now: Callable[[], float]
    ) -> None:
        self._log = LimitedLogger(config.service)
        self._make_table = make_table
        self._now = now
        self._limiter: Limiter | None = None
        limit = config.settings.rate_limit.limit
        self.of_service = None if limit is None else self.limiter.check([limit], "service")

    @property
    def limiter(self) -> Limiter:
        """Applies the limits; all of them are in one table."""
        if self._limiter is None:
            # Late: few services have rate limits.
            from unixsvc.limiting.limiter import Limiter
            from unixsvc.limiting.table import RateTable

            self._limiter = Limiter(self._make_table or RateTable, self._now, self._log_full)
        return self._limiter

    def gate(self, route: Route, signature: Signature, where: str) -> Gate | None:
        """Make the gate of a route; None if the route has no limit."""
        return self.limiter.check(route.rate_limit, where) if route.rate_limit else None

    def around(self, repository: IRouterRepository) -> IRouterRepository:
        """Return a repository that applies the limit of the service; the same one if it has none."""
        if self.of_service is None:
            return repository
        return LimitedRepository(repository, self.of_service)

    def _log_full(self, limit: str) -> None:
        self._log.emit(
            "warn",
            "too many callers for a rate limit",
            "the rate limit {limit} has too many callers: new ones share buckets",
            limit=limit,
        )


@implementer(IRouterRepository)
class LimitedRepository:
    """Applies a rate limit to each request. The built-in routes have none.

    :param repository: chooses the datasource.
    :param take: raises RateLimited if the request is over the limit.
    """

    def __init__(self, repository: IRouterRepository, take: Callable[[Request], None]) -> None:
        self._datasource_for = repository.datasource_for
        self._take = take

    def datasource_for(self, request: Request) -> IRouterDatasource:
        """Return the datasource.

        :raises unixsvc.errors.RateLimited: if the request is over the limit.
        """
        if not request.path.startswith(f"{BUILTIN_PREFIX}/"):
            self._take(request)
        datasource: IRouterDatasource = self._datasource_for(request)
        return datasource

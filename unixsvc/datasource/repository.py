"""The choice between the application and its mounts."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from zope.interface import implementer

from unixsvc.domain.interfaces import IRouterDatasource, IRouterRepository
from unixsvc.domain.message import Request
from unixsvc.domain.path_prefix import PathPrefix
from unixsvc.domain.request_context import current_slot
from unixsvc.domain.route_series import UNCOUNTED, RouteSeries

__all__ = ["RouterRepository"]


@implementer(IRouterRepository)
class RouterRepository:
    """Chooses the datasource of a request by its path.

    :param datasource: the service's own application.
    :param mounts: other datasources by path prefix; the longest matching prefix decides.
    :param series: returns where the replies of a mount are counted.
    :raises ConfigError: if a prefix is not valid.
    """

    def __init__(
        self,
        datasource: IRouterDatasource,
        mounts: Mapping[str, IRouterDatasource] | None = None,
        series: Callable[[str], RouteSeries] = lambda route: UNCOUNTED,
    ) -> None:
        self._datasource = datasource
        found = [
            (PathPrefix.parse(prefix), datasource, series(f"* {prefix.rstrip('/')}/*"))
            for prefix, datasource in (mounts or {}).items()
        ]
        self._mounts = sorted(found, key=lambda mount: -mount[0].depth)

    def is_mounted(self, path: str) -> bool:
        """Return whether a path is below the prefix of a mount."""
        return bool(self._mounts) and any(prefix.contains(path) for prefix, _, _ in self._mounts)

    def mount_of(self, path: str) -> str | None:
        """Return the prefix of the mount of a path; None if it has none."""
        return next((prefix.plain for prefix, _, _ in self._mounts if prefix.contains(path)), None)

    def datasource_for(self, request: Request) -> IRouterDatasource:
        """Return the mount of the request's path, or the application."""
        if self._mounts:
            path = request.path
            for prefix, datasource, series in self._mounts:
                if prefix.contains(path):
                    current_slot().series = series
                    return datasource
        return self._datasource

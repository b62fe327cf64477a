"""The choice between the application and its mounts."""

from __future__ import annotations

from collections.abc import Mapping

from zope.interface import implementer

from unixsvc.domain.interfaces import IRouterDatasource, IRouterRepository
from unixsvc.domain.message import Request
from unixsvc.domain.path_prefix import PathPrefix

__all__ = ["RouterRepository"]


@implementer(IRouterRepository)
class RouterRepository:
    """Chooses the datasource of a request by its path.

    :param datasource: the service's own application.
    :param mounts: other datasources by path prefix; the longest matching prefix decides.
    :raises ConfigError: if a prefix is not valid.
    """

    def __init__(
        self, datasource: IRouterDatasource, mounts: Mapping[str, IRouterDatasource] | None = None
    ) -> None:
        self._datasource = datasource
        found = [(PathPrefix.parse(prefix), datasource) for prefix, datasource in (mounts or {}).items()]
        self._mounts = sorted(found, key=lambda mount: -mount[0].depth)

    def is_mounted(self, path: str) -> bool:
        """Return whether a path is below the prefix of a mount."""
        return bool(self._mounts) and any(prefix.contains(path) for prefix, _ in self._mounts)

    def datasource_for(self, request: Request) -> IRouterDatasource:
        """Return the mount of the request's path, or the application."""
        if self._mounts:
            path = request.path
            for prefix, datasource in self._mounts:
                if prefix.contains(path):
                    return datasource
        return self._datasource

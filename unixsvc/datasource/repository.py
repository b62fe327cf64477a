"""The choice between the application and its mounts."""

from __future__ import annotations

from collections.abc import Mapping

from zope.interface import implementer

from unixsvc.domain.interfaces import IRouterDatasource, IRouterRepository
from unixsvc.domain.message import Request

__all__ = ["RouterRepository"]


@implementer(IRouterRepository)
class RouterRepository:
    """Chooses the datasource of a request by its path.

    :param datasource: the service's own application.
    :param mounts: other datasources by path prefix; the longest matching prefix decides.
    """

    def __init__(
        self, datasource: IRouterDatasource, mounts: Mapping[str, IRouterDatasource] | None = None
    ) -> None:
        self._datasource = datasource
        self._mounts = sorted((mounts or {}).items(), key=lambda mount: -len(mount[0]))

    def is_mounted(self, path: str) -> bool:
        """Return whether a path is below the prefix of a mount."""
        return any(_is_below(path, prefix) for prefix, _ in self._mounts)

    def datasource_for(self, request: Request) -> IRouterDatasource:
        """Return the mount of the request's path, or the application."""
        if self._mounts:
            path = request.path
            for prefix, datasource in self._mounts:
                if _is_below(path, prefix):
                    return datasource
        return self._datasource


def _is_below(path: str, prefix: str) -> bool:
    return path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in ("", "/")

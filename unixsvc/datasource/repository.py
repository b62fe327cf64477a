"""Chooses who answers."""

from __future__ import annotations

from collections.abc import Mapping

from zope.interface import implementer

from unixsvc.domain.interfaces import IRouterDatasource, IRouterRepository
from unixsvc.domain.message import Request

__all__ = ["RouterRepository"]


@implementer(IRouterRepository)
class RouterRepository:
    """Knows who answers below which prefix, and a datasource which answers everything else.

    :param datasource: of the service's own application.
    :param mounts: others, by the prefix of the paths that they answer; the longest that fits holds.
    """

    def __init__(
        self, datasource: IRouterDatasource, mounts: Mapping[str, IRouterDatasource] | None = None
    ) -> None:
        self._datasource = datasource
        self._mounts = sorted((mounts or {}).items(), key=lambda each: -len(each[0]))

    def is_mounted(self, path: str) -> bool:
        """Whether another datasource answers a path than that of the service's own application."""
        return any(_is_below(path, prefix) for prefix, _ in self._mounts)

    def datasource_for(self, request: Request) -> IRouterDatasource:
        """The one that answers the request's path."""
        if self._mounts:
            path = request.path
            for prefix, datasource in self._mounts:
                if _is_below(path, prefix):
                    return datasource
        return self._datasource


def _is_below(path: str, prefix: str) -> bool:
    return path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in ("", "/")

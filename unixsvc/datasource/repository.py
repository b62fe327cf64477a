"""Chooses who answers."""

from __future__ import annotations

from zope.interface import implementer

from unixsvc.domain.interfaces import IRouterDatasource, IRouterRepository
from unixsvc.domain.message import Request

__all__ = ["RouterRepository"]


@implementer(IRouterRepository)
class RouterRepository:
    """Knows one datasource, which answers everything.

    :param datasource: of the service's own application.
    """

    def __init__(self, datasource: IRouterDatasource) -> None:
        self._datasource = datasource

    def datasource_for(self, request: Request) -> IRouterDatasource:
        """The one that there is."""
        return self._datasource

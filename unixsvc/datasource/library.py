"""The datasource of an application in this process."""

from __future__ import annotations

from collections.abc import Awaitable

from zope.interface import implementer

from unixsvc.domain.interfaces import IRouterDatasource
from unixsvc.domain.message import Reply, Request
from unixsvc.routing.router import Router

__all__ = ["LibraryDatasource"]


@implementer(IRouterDatasource)
class LibraryDatasource:
    """Replies with the actions of an application.

    :param router: the routes of the application.
    """

    def __init__(self, router: Router) -> None:
        self._router = router

    def handle(self, request: Request) -> Reply | Awaitable[Reply]:
        """Call the action of the request."""
        return self._router.dispatch(request)

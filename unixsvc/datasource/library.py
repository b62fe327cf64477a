"""Answers requests in this process."""

from __future__ import annotations

from collections.abc import Awaitable

from zope.interface import implementer

from unixsvc.domain.interfaces import IRouterDatasource
from unixsvc.domain.message import Reply, Request
from unixsvc.routing.router import Router

__all__ = ["LibraryDatasource"]


@implementer(IRouterDatasource)
class LibraryDatasource:
    """The actions of an application that lives here.

    :param router: leads to them.
    """

    def __init__(self, router: Router) -> None:
        self._router = router

    def handle(self, request: Request) -> Reply | Awaitable[Reply]:
        """Have the request answered by its action."""
        return self._router.dispatch(request)

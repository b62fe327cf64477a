"""Interfaces around contracts."""

from __future__ import annotations

from collections.abc import Awaitable

from zope.interface import Interface

from unixsvc.contract.model import Contract

__all__ = ["IDescribesRoutes"]


class IDescribesRoutes(Interface):
    """A datasource that has a contract."""

    def contract() -> Awaitable[Contract]:
        """Return the contract; its paths are those of requests to the datasource.

        :raises unixsvc.errors.ServiceError: if the contract is not available now.
        """

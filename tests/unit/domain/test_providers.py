"""Classes that provide an interface without saying so."""

from __future__ import annotations

from collections.abc import Awaitable

from twisted.application.service import Service
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from unixsvc.contract.interfaces import IDescribesRoutes
from unixsvc.domain.interfaces import IRouterDatasource
from unixsvc.domain.message import Reply, Request
from unixsvc.domain.providers import as_provider, can_implement
from unixsvc.server.interfaces import IRequestHandler


class Undeclared:
    """Has the methods of a datasource."""

    def handle(self, request: Request) -> Reply:
        """Not called."""
        raise NotImplementedError


@implementer(IRouterDatasource)
class Declared:  # type: ignore[misc] # what it lacks is what the test is about
    """Declares an interface without its methods."""


class Handler(Service):
    """Has the methods of a request handler; its attributes are set by Twisted's ``Service``."""

    def done(self) -> Awaitable[None]:
        """Not called."""
        raise NotImplementedError

    probe = listen = close = done

    def drain(self, wait_for_idle: bool = False) -> Awaitable[None]:
        """Not called."""
        raise NotImplementedError

    def abort(self) -> None:
        """Not called."""

    def connections(self) -> int:
        """Not called."""
        return 0


class ProviderTests(SynchronousTestCase):
    def test_objects(self) -> None:
        """Methods and their parameters decide, not the declaration."""
        source = Undeclared()
        self.assertIs(as_provider(IRouterDatasource, source), source)
        self.assertIsNone(as_provider(IDescribesRoutes, source))
        for wrong in (Declared(), Undeclared, 7, None):
            self.assertIsNone(as_provider(IRouterDatasource, wrong))

    def test_classes(self) -> None:
        """A class can implement an interface whose attributes its instances have."""
        self.assertTrue(can_implement(IRequestHandler, Handler))
        self.assertIsNotNone(as_provider(IRequestHandler, Handler()))
        for wrong in (Service, Undeclared, int):
            self.assertFalse(can_implement(IRequestHandler, wrong))

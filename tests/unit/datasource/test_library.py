"""The datasource of an application in this process."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.routing.serving import Serving, dispatched
from unixsvc.datasource.library import LibraryDatasource
from unixsvc.datasource.repository import RouterRepository
from unixsvc.domain.message import Reply, Request
from unixsvc.errors import NotFound
from unixsvc.routing.route import GET


def hello(name: str) -> str:
    """Return a text."""
    return f"Hello {name}"


class LibraryTests(SynchronousTestCase):
    """The library datasource with the repository."""

    def setUp(self) -> None:
        """Create a service with one public route."""
        router = Serving(GET("/{name}", hello, public=True)).router
        self.datasource = LibraryDatasource(router)
        self.repository = RouterRepository(self.datasource)

    def test_chosen(self) -> None:
        """Without mounts, the repository chooses the application for all paths."""
        for path in ("/", "/x", "/-/ping"):
            self.assertIs(self.repository.datasource_for(Request("GET", path)), self.datasource)

    def test_answers(self) -> None:
        """The action of the application replies."""
        reply = dispatched(self.datasource.handle, Request("GET", "/Ada"))
        self.assertEqual(self.successResultOf(reply), Reply(200, b'"Hello Ada"'))

    def test_failure(self) -> None:
        """An unknown path raises an error, which HandleMessage turns into a reply."""
        self.failureResultOf(dispatched(self.datasource.handle, Request("GET", "/a/b")), NotFound)

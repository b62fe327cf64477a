"""Answers from this process."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.routing.serving import Serving, dispatched
from unixsvc.datasource.library import LibraryDatasource
from unixsvc.datasource.repository import RouterRepository
from unixsvc.domain.message import Reply, Request
from unixsvc.errors import NotFound
from unixsvc.routing.route import GET


def hello(name: str) -> str:
    """Answer."""
    return f"Hello {name}"


class LibraryTests(SynchronousTestCase):
    """The library datasource behind the repository."""

    def setUp(self) -> None:
        """A service with one public route."""
        router = Serving(GET("/{name}", hello, public=True)).router
        self.datasource = LibraryDatasource(router)
        self.repository = RouterRepository(self.datasource)

    def test_chosen(self) -> None:
        """The repository knows one datasource, for whatever path."""
        for path in ("/", "/x", "/-/ping"):
            self.assertIs(self.repository.datasource_for(Request("GET", path)), self.datasource)

    def test_answers(self) -> None:
        """The application's action answers."""
        reply = dispatched(self.datasource.handle, Request("GET", "/Ada"))
        self.assertEqual(self.successResultOf(reply), Reply(200, b'"Hello Ada"'))

    def test_failure(self) -> None:
        """What is not there is an error, for the use case to turn into a reply."""
        self.failureResultOf(dispatched(self.datasource.handle, Request("GET", "/a/b")), NotFound)

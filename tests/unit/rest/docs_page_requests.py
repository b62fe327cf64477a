"""Requests for the documentation pages, in memory."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from klein import Klein
from treq.testing import RequestTraversalAgent
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.client import readBody
from twisted.web.http_headers import Headers
from twisted.web.iweb import IResponse

from unixsvc.rest import docs_pages

__all__ = ["FILES", "STATIC", "PagesTestCase", "ReceivedResponse"]

STATIC = Path(docs_pages.__file__).with_name("static")
FILES = {
    "init.js": ("init.js", "text/javascript; charset=utf-8"),
    "swagger-ui-bundle.js": ("swagger-ui/swagger-ui-bundle.js", "text/javascript; charset=utf-8"),
    "swagger-ui.css": ("swagger-ui/swagger-ui.css", "text/css; charset=utf-8"),
    "favicon-32x32.png": ("swagger-ui/favicon-32x32.png", "image/png"),
}


class ReceivedResponse:
    """A response."""

    def __init__(self, response: IResponse, body: bytes) -> None:
        self.code: int = response.code
        self.length = response.length  # twisted.web's client removes Content-Length from the headers
        self.body = body
        self._headers: Headers = response.headers

    def __getitem__(self, name: str) -> str | None:
        """The value of a header; None if it is missing."""
        found = self._headers.getRawHeaders(name)
        return None if found is None else ", ".join(found)


class PagesTestCase(SynchronousTestCase):
    """A test case with an OpenAPI document that can be changed."""

    def setUp(self) -> None:
        """Add the pages to a Klein application."""
        self.document: dict[str, Any] = {
            "openapi": "3.1.0",
            "info": {"title": "Shop", "version": "1"},
            "paths": {},
        }
        self.calls = 0
        self.klein = self.add_pages(self.openapi)
        self.agent = RequestTraversalAgent(self.klein.resource())

    async def openapi(self) -> dict[str, Any]:
        """The document."""
        self.calls += 1
        return self.document

    def add_pages(self, openapi: Callable[[], Awaitable[dict[str, Any]]]) -> Klein:
        """A Klein application with the pages."""
        app = Klein()
        docs_pages.add_pages(app, openapi)
        return app

    def request(self, path: str, method: str = "GET", **headers: str) -> ReceivedResponse:
        """Send a request."""
        sent = Headers({name.replace("_", "-"): [value] for name, value in headers.items()})
        response = self.agent.request(method.encode(), f"http://shop.example{path}".encode(), sent)
        self.agent.flush()
        response = self.successResultOf(response)
        reading = readBody(response)
        self.agent.flush()
        return ReceivedResponse(response, self.successResultOf(reading))

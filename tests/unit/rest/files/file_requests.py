"""A gateway with files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from tests.unit.rest.http_connection import ReceivedResponse, responses_in
from tests.unit.rest.http_requests import GatewayHarness, RawClient
from unixsvc.config.http import Http, StaticFolder
from unixsvc.datasource.static import StaticDatasource
from unixsvc.domain.file import File
from unixsvc.domain.interfaces import IRouterDatasource
from unixsvc.domain.results.cookies import SetCookie
from unixsvc.domain.results.response import Response
from unixsvc.errors import NotFound
from unixsvc.rest.files.disk import Disk
from unixsvc.rest.files.responder import FileResponder
from unixsvc.routing.http_only import http_only_gate
from unixsvc.routing.route import GET, POST, Group

__all__ = ["CONTENT", "MODIFIED", "FileTestCase"]

CONTENT = bytes(range(256)) * 4
MODIFIED = 1_500_000_000


@implementer(IRouterDatasource)
class _NoRoutes:
    """An application without routes."""

    def handle(self, request: object) -> Any:
        """Find nothing."""
        raise NotFound


class FileTestCase(SynchronousTestCase):
    """A test case with a gateway that sends files.

    :ivar cached: whether the page cache has the files.
    :ivar loading: what threads have been asked to load: the function, and what waits for it.
    """

    def setUp(self) -> None:
        """Make two files, routes for them, and a static folder."""
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.write("small", CONTENT)
        self.write("large.bin", CONTENT * 1024)
        self.loading: list[tuple[Any, Deferred[None]]] = []

        class Files:
            async def small(this) -> File:
                return File(self.folder / "small")

            async def large(this) -> File:
                return File("large.bin", folder=self.folder)

            async def named(this, name: str) -> File:
                return File(name, folder=self.folder, filename="caf\xe9", cache_control="private")

            async def wrapped(this) -> Response[File]:
                headers = {"ETag": '"mine"', "Content-Security-Policy": "sandbox", "X-A": "b"}
                return Response(File(self.folder / "small"), headers=headers, cookies=[SetCookie("a", "b")])

            def absent(this) -> File:
                return File(self.folder / "absent")

            def wrong(this) -> File:
                return File(self.folder)

        routes = Group(
            "",
            Files,
            [
                GET("/small", Files.small, public=True),
                GET("/large", Files.large, public=True),
                GET("/named/{name:path}", Files.named, public=True),
                GET("/wrapped", Files.wrapped, public=True),
                GET("/absent", Files.absent, public=True),
                GET("/wrong", Files.wrong, public=True),
                POST("/small", Files.small, public=True),
            ],
        )
        static: Any = StaticDatasource(
            _NoRoutes(), lambda path: False, {"/static": StaticFolder(str(self.folder.absolute()))}, "shop"
        )
        self.harness = GatewayHarness(
            routes, http=Http(docs=False), mounts={"/static": static}, gates=(http_only_gate,)
        )
        # Whether the file system of the tests can tell does not matter here.
        self.cached = True
        self.patch(Disk, "is_cached", lambda *arguments: self.cached)
        gateway = self.harness.gateway
        gateway._files = FileResponder(gateway._builder, self.harness.clock, self._load)
        self.client = RawClient(self.harness.site)

    def write(self, name: str, content: bytes) -> Path:
        """Write a file of a known time."""
        path = self.folder / name
        path.write_bytes(content)
        os.utime(path, (MODIFIED, MODIFIED))
        return path

    def get(self, path: str, *headers: str, method: str = "GET") -> ReceivedResponse:
        """Send a request, and let turns pass until the response is there."""
        found = self.client.request(method, path, *headers)
        for _ in range(100):
            self.harness.clock.advance(0)
            found += self.client.received()
        if method == "HEAD":
            found = found.replace(b"Content-Length:", b"X-Length:")
        [response] = responses_in(found)
        return response

    def _load(self, function: Any) -> Deferred[None]:
        self.loading.append((function, Deferred()))
        return self.loading[-1][1]

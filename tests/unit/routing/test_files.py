from collections.abc import AsyncIterator

import svcs
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.routing.serving import Serving
from unixsvc.domain.file import File
from unixsvc.domain.message import Caller, Created, Reply, Request
from unixsvc.domain.results.response import Response
from unixsvc.errors import ConfigError, Malformed
from unixsvc.routing.http_only import http_only_gate
from unixsvc.routing.route import GET


class FileRouteTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Make a file, and routes that return it."""
        self.path = self.mktemp()
        with open(self.path, "w") as file:
            file.write("content")
        self.called = 0

        def plain() -> File:
            self.called += 1
            return File(self.path)

        async def late(container: svcs.Container) -> File:
            return File(self.path, media_type="text/csv")

        async def wrapped() -> Response[File]:
            return Response(File(self.path), headers={"X-A": "b"})

        async def other() -> str:
            return "x"

        routes = (
            GET("/plain", plain),
            GET("/late", late),
            GET("/wrapped", wrapped, media_types=["text/plain"]),
            GET("/other", other),
        )
        self.serving = Serving(*routes, gates=(http_only_gate,))

    def dispatch(self, path: str, *, http: bool = True) -> Reply:
        """Dispatch a request."""
        request = Request("GET", path, caller=Caller(trusted=True), headers={} if http else None)
        reply = self.serving.router.dispatch(request)
        assert isinstance(reply, Reply)
        return reply

    def test_open(self) -> None:
        """The reply has the open file, also if the action has a container."""
        for path, media_type in (("/plain", "application/octet-stream"), ("/late", "text/csv")):
            head = self.dispatch(path).head
            assert head is not None and head.file is not None
            self.assertEqual((head.file.size, head.file.media_type), (7, media_type))

    def test_response(self) -> None:
        """A file may have header fields beside it; the media type is that of the route."""
        head = self.dispatch("/wrapped").head
        assert head is not None and head.file is not None
        self.assertEqual((head.headers, head.file.media_type), ((("X-A", "b"),), "text/plain"))

    def test_socket(self) -> None:
        """Over a socket the action is not called; other routes are there."""
        with self.assertRaises(Malformed) as caught:
            self.dispatch("/plain", http=False)
        self.assertEqual((caught.exception.detail, self.called), ("the route exists over HTTP only", 0))
        self.assertEqual(self.dispatch("/other", http=False).body, b'"x"')

    def test_contract(self) -> None:
        """The contract says that the result is a file, over HTTP only; other routes are as before."""
        routes = {route.path: route for route in self.serving.router.contract().application_routes}
        plain, other = routes["/plain"], routes["/other"]
        self.assertEqual(
            (plain.file, plain.http_only, other.file, other.http_only), (True, True, False, False)
        )
        self.assertIsNone(other.response)
        assert plain.response is not None
        self.assertEqual(plain.response.media_types, ["*/*"])
        wrapped = routes["/wrapped"].response
        assert wrapped is not None
        self.assertEqual((wrapped.media_types, wrapped.file), (["text/plain"], True))

    def test_check(self) -> None:
        """The reply cannot be stored for an idempotency key."""
        request = Request("GET", "/plain", caller=Caller(trusted=True), headers={})
        self.assertIs(self.serving.router.check(request), True)

    def test_parts(self) -> None:
        """A file is no item of a stream, and no part of another result."""

        async def stream() -> AsyncIterator[File]:
            yield File("x")

        async def union() -> File | None:
            return None

        async def created() -> Created[File]:
            return Created(File("x"))

        for action in (stream, union, created):
            with self.assertRaises(ConfigError) as caught:
                Serving(GET("/x", action))
            self.assertIn("the result is a File or something else", str(caught.exception))

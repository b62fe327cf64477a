from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from unixsvc.config.http import StaticFolder
from unixsvc.datasource.static import StaticDatasource
from unixsvc.domain.interfaces import IRouterDatasource
from unixsvc.domain.message import Reply, Request
from unixsvc.errors import ConfigError, MethodNotAllowed, NotFound


@implementer(IRouterDatasource)
class Application:
    """An application with one route, whose action finds nothing for ``?missing``."""

    def handle(self, request: Request) -> Reply:
        """Reply to the route."""
        if request.path != "/route" or request.query == "missing":
            raise NotFound("nothing")
        return Reply(200, b'"route"')


class StaticTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Make two folders."""
        self.root = Path(self.mktemp()).absolute()
        for name in ("a/index.html", "a/x.txt", "a/sub/index.html", "b/x.txt", "a/route"):
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(name)
        self.static = self.datasource(
            {"/": StaticFolder(f"{self.root}/a"), "/b": StaticFolder(f"{self.root}/b", fallback="x.txt")}
        )

    def datasource(self, folders: Any) -> StaticDatasource:
        """The datasource for other folders."""
        return StaticDatasource(Application(), lambda path: path == "/route", folders, "shop")

    def handle(self, path: str, method: str = "GET", query: str = "", accept: bytes = b"*/*") -> Reply:
        """Send a request."""
        request = Request(method, path, query=query, headers={b"Accept": [accept]})
        reply = self.static.handle(request)
        assert isinstance(reply, Reply)
        return reply

    def size(self, path: str, **options: Any) -> int:
        """The size of the file that is found."""
        head = self.handle(path, **options).head
        assert head is not None and head.file is not None
        return head.file.size

    def test_routes_first(self) -> None:
        """A route comes before a file, also if its action finds nothing."""
        self.assertEqual(self.handle("/route").body, b'"route"')
        with self.assertRaises(NotFound) as caught:
            self.handle("/route", query="missing")
        self.assertEqual(caught.exception.detail, "nothing")

    def test_longest_prefix(self) -> None:
        """The folder with the longest prefix decides, even if another has the file."""
        self.assertEqual(self.size("/x.txt"), len("a/x.txt"))
        self.assertEqual(self.size("/b/x.txt"), len("b/x.txt"))
        self.assertRaises(NotFound, self.handle, "/b/index.html")
        self.assertEqual(self.size("/b/y", accept=b"text/html"), len("b/x.txt"))
        self.assertEqual(self.size("/%62/x.txt"), len("b/x.txt"))

    def test_redirect(self) -> None:
        """A folder without a slash is redirected to that with it, with its query."""
        for query, location in (("", "/sub/"), ("a=b&c", "/sub/?a=b&c")):
            head = self.handle("/sub", query=query).head
            assert head is not None
            self.assertEqual((head.status, head.headers), (308, (("Location", location),)))

    def test_no_open_redirect(self) -> None:
        """No redirect leads to another host."""
        for path in ("//sub", "//example.org/sub", "/\\example.org", "//example.org/%2e%2e/sub"):
            self.assertRaises(NotFound, self.handle, path)

    def test_methods(self) -> None:
        """A file has GET and HEAD; with another method it is 405, and what does not exist 404."""
        self.assertEqual(self.size("/x.txt", method="HEAD"), len("a/x.txt"))
        self.assertRaises(MethodNotAllowed, self.handle, "/x.txt", "POST")
        self.assertRaises(NotFound, self.handle, "/y.txt", "POST")

    def test_socket(self) -> None:
        """Over a socket there are no files."""
        self.assertRaises(NotFound, self.static.handle, Request("GET", "/x.txt"))

    def test_no_folder(self) -> None:
        """A folder that does not exist is an error when the worker starts; so is a file."""
        for path in (f"{self.root}/c", f"{self.root}/a/x.txt"):
            with self.assertRaises(ConfigError) as caught:
                self.datasource({"/": StaticFolder(path)})
            self.assertIn(path, str(caught.exception))

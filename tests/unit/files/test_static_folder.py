import os
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.config.http import StaticFolder
from unixsvc.domain.open_file import OpenFile
from unixsvc.errors import NotFound
from unixsvc.files.static_folder import FolderFiles, IsFolder

FILES = {
    "index.html": "start",
    "app.js": "script",
    "app.js.gz": "script in gzip",
    "app.js.br": "script in br",
    "old.css": "style",
    "old.css.gz": "style of an earlier version",
    "photo.png": "photo",
    "photo.png.gz": "photo in gzip",
    "caf\xe9 1.txt": "menu",
    "docs/index.html": "docs",
    "empty/x": "x",
    ".env": "secret",
    ".git/config": "secret",
    ".well-known/security.txt": "contact",
}
BROWSER = "text/html,*/*;q=0.8"


class StaticFolderTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Make a folder."""
        self.root = Path(self.mktemp())
        for name, content in FILES.items():
            path = self.root / "site" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
            os.utime(path, (1000, 900 if "earlier" in content else 1000))
        self.root.joinpath("secret").write_text("secret")
        self.failed: list[Any] = []

    def files(self, **options: Any) -> FolderFiles:
        """The files with other options."""
        settings = StaticFolder(str(self.root / "site"), **options)
        return FolderFiles(settings, lambda error, name: self.failed.append((type(error), name)))

    def find(self, rest: str, accept_encoding: str = "", accept: str = "*/*", **options: Any) -> OpenFile:
        """Find a file."""
        return self.files(**options).find(rest, accept_encoding, accept)

    def content(self, rest: str, accept_encoding: str = "", accept: str = "*/*", **options: Any) -> str:
        """The content of a file; empty if there is none."""
        try:
            found = self.find(rest, accept_encoding, accept, **options)
        except NotFound:
            return ""
        return os.pread(found.descriptor.fileno(), 100, 0).decode()

    def test_found(self) -> None:
        """Files are found by their paths, whose escapes are decoded; a folder by its index."""
        for rest, content in (
            ("/app.js", "script"),
            ("/%61pp.js", "script"),
            ("/caf%C3%A9%201.txt", "menu"),
            ("/caf\xe9 1.txt", "menu"),
            ("/docs/index.html", "docs"),
            ("/docs/", "docs"),
            ("/", "start"),
            ("/.well-known/security.txt", "contact"),
        ):
            self.assertEqual(self.content(rest), content, rest)

    def test_traversal(self) -> None:
        """No spelling of a path leads out of the folder, to a hidden file or to a folder without index."""
        self.root.joinpath("site", "link").symlink_to("../secret")
        self.root.joinpath("site", "up").symlink_to("..")
        for rest in (
            "/../secret", "/%2e%2e/secret", "/%2E./secret", "/..%2fsecret", "/docs/..%2f..%2fsecret",
            "/docs/../../secret", "/link", "/up/secret", "//etc/passwd", "/%2fetc%2fpasswd", "/app.js%00.png",
            "/app.js/", "/app.js/x", "/app.js%2f", "/./app.js", "/docs//index.html",
            "/docs%2findex.html", "/docs/%2e/index.html",
            "/.env", "/%2eenv", "/.git/config", "/.git/", "/empty", "/empty/", "/%ff", "/%", "/..;/secret",
            "/..%5csecret", "/..\\secret", "/" + "a" * 300, "/" + "a/" * 3000, "/%252e%252e/secret",
            "/.well-known/../../secret", "/.well-known/.env",
        ):  # fmt: skip
            self.assertEqual(self.content(rest), "", rest)
        self.assertEqual(self.failed, [])

    def test_hidden_files(self) -> None:
        """Hidden files are served where that is configured."""
        self.assertEqual(self.content("/.env", hidden_files=True), "secret")
        self.assertEqual(self.content("/../secret", hidden_files=True), "")

    def test_folder_without_slash(self) -> None:
        """A folder with an index lacks the slash; one without has nothing."""
        for rest in ("/docs", ""):
            with self.assertRaises(IsFolder):
                self.find(rest)
        self.assertEqual(self.content("/docs", index=""), "")
        self.assertEqual(self.content("/docs/", index=""), "")
        self.assertEqual(self.content("", index=""), "")

    def test_fallback(self) -> None:
        """A browser that navigates to a path without a file gets the page; a script does not."""
        for rest in ("/user/7", "/nothing.js", "/../secret"):
            self.assertEqual(self.content(rest, accept=BROWSER, fallback="index.html"), "start", rest)
            self.assertEqual(self.content(rest, fallback="index.html"), "", rest)
            self.assertEqual(self.content(rest, accept=BROWSER), "", rest)
        found = self.find("/user/7", "gzip", BROWSER, fallback="index.html")
        self.assertEqual((found.vary, found.cache_control), ("Accept-Encoding, Accept", "no-cache"))

    def test_precompressed(self) -> None:
        """The copy that the client prefers is sent, with the type of the file; a stale one is not."""
        for accept_encoding, content, coding in (
            ("", "script", ""),
            ("gzip", "script in gzip", "gzip"),
            ("gzip, br", "script in br", "br"),
            ("br;q=0.1, gzip", "script in gzip", "gzip"),
            ("zstd", "script", ""),
            ("gzip;q=0", "script", ""),
        ):
            self.assertEqual(self.content("/app.js", accept_encoding), content, accept_encoding)
            found = self.find("/app.js", accept_encoding)
            self.assertEqual((found.coding, found.media_type), (coding, "text/javascript;charset=utf-8"))
            self.assertEqual(found.vary, "Accept-Encoding")
        self.assertEqual(self.content("/old.css", "gzip"), "style")
        self.assertEqual(self.content("/photo.png", "gzip"), "photo")
        self.assertEqual(self.find("/photo.png", "gzip").vary, "")
        self.assertEqual(self.content("/app.js", "gzip", precompressed=False), "script")

    def test_cache_control(self) -> None:
        """Pages are requested each time, files whose names have a hash never again."""
        options: dict[str, Any] = {"max_age": 60, "immutable": ("*.png", "docs/*")}
        for rest, expected in (
            ("/", "no-cache"),
            ("/app.js", "max-age=60"),
            ("/photo.png", "max-age=31536000, immutable"),
            ("/docs/", "max-age=31536000, immutable"),
        ):
            self.assertEqual(self.find(rest, **options).cache_control, expected, rest)
        self.assertEqual(self.find("/app.js").cache_control, "no-cache")

    def test_unreadable(self) -> None:
        """A file that cannot be opened is 404, and reported."""

        def refuse(path: str, *arguments: object) -> int:
            raise PermissionError(13, "Permission denied", path)

        self.patch(os, "open", refuse)
        self.assertEqual(self.content("/app.js"), "")
        self.assertEqual(self.failed[0], (PermissionError, "app.js"))

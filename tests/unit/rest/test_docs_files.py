"""The files of the page ``/docs``."""

from __future__ import annotations

import gzip
import re

from tests.unit.rest.docs_page_requests import FILES, STATIC, PagesTestCase


class FileTests(PagesTestCase):
    """``/docs/…``."""

    def test_files(self) -> None:
        """Each file is that of the package, with its media type."""
        for name, (path, kind) in FILES.items():
            response = self.request(f"/docs/{name}")
            self.assertEqual((response.code, response["Content-Type"]), (200, kind))
            self.assertEqual(response.body, (STATIC / path).read_bytes())
            self.assertEqual(response.length, len(response.body))

    def test_nothing_else(self) -> None:
        """No other file is served, in the package or elsewhere."""
        for name in (
            "README.md", "LICENSE", "docs.html", "swagger-ui/swagger-ui.css", "..%2fpages.py", "../pages.py",
            "%2e%2e/pages.py", "init.js/", "init.js%00", "nonsense",
        ):  # fmt: skip
            self.assertEqual(self.request(f"/docs/{name}").code, 404, name)

    def test_compressed(self) -> None:
        """Texts are compressed; an icon and short files are not."""
        for name in FILES:
            plain, packed = (
                self.request(f"/docs/{name}"),
                self.request(f"/docs/{name}", Accept_Encoding="gzip"),
            )
            if packed["Content-Encoding"] is None:
                self.assertEqual(packed.body, plain.body)
                self.assertTrue(name.endswith(".png") or len(plain.body) < 1024, name)
            else:
                self.assertLess(len(packed.body), len(plain.body) / 1.5)
                self.assertEqual(gzip.decompress(packed.body), plain.body)
        self.assertLess(len(self.request("/docs/swagger-ui-bundle.js", Accept_Encoding="gzip").body), 500_000)

    def test_immutable(self) -> None:
        """With the version that the page asks for, a file may be cached without limit; otherwise not."""
        versions = dict(re.findall(r'="docs/([^?"]+)\?v=([^"]+)"', self.request("/docs").body.decode()))
        self.assertEqual(sorted(versions), sorted(FILES))
        for name, version in versions.items():
            calls = [self.request(f"/docs/{name}{query}") for query in (f"?v={version}", "?v=0", "")]
            self.assertEqual(
                [each["Cache-Control"] for each in calls],
                ["public, max-age=31536000, immutable", "no-cache", "no-cache"],
            )
            etag = calls[0]["ETag"] or ""
            self.assertEqual({each["ETag"] for each in calls}, {etag})
            self.assertEqual(self.request(f"/docs/{name}", If_None_Match=etag).code, 304)
        self.assertEqual(len(set(versions.values())), len(FILES))

    def test_licenses(self) -> None:
        """The licenses of third-party files are beside them."""
        folder = STATIC / "swagger-ui"
        self.assertIn("Apache License", (folder / "LICENSE").read_text("utf-8"))
        self.assertIn("SmartBear", (folder / "NOTICE").read_text("utf-8"))
        self.assertIn("React", (folder / "swagger-ui-bundle.js.LICENSE.txt").read_text("utf-8"))

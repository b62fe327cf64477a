from twisted.trial.unittest import SynchronousTestCase

from unixsvc.files.media_types import media_type_of
from unixsvc.files.negotiation import accepted_codings, accepts_pages, is_compressible


class MediaTypeTests(SynchronousTestCase):
    def test_known(self) -> None:
        """The suffix decides, in any case; text is UTF-8."""
        for name, expected in (
            ("index.html", "text/html;charset=utf-8"),
            ("A.B/x.JS", "text/javascript;charset=utf-8"),
            ("x.json", "application/json"),
            ("x.svg", "image/svg+xml"),
            ("x.tar.gz", "application/gzip"),
        ):
            self.assertEqual(media_type_of(name), expected)

    def test_unknown(self) -> None:
        """A name without a known suffix is of no type that a browser runs or shows."""
        for name in ("html", "x", "x.", "x.exe2", "a.html/x", "", "x.html "):
            self.assertEqual(media_type_of(name), "application/octet-stream", name)


class NegotiationTests(SynchronousTestCase):
    def test_codings(self) -> None:
        """The client's preference decides, then ours; a quality of 0 excludes a coding."""
        for value, expected in (
            ("", ()),
            ("gzip", ("gzip",)),
            ("gzip, deflate, br, zstd", ("br", "zstd", "gzip")),
            ("gzip;q=1.0, br;q=0.5", ("gzip", "br")),
            ("br;q=0, *", ("zstd", "gzip")),
            ("*;q=0.5", ("br", "zstd", "gzip")),
            ("GZIP ; Q=0.001", ("gzip",)),
            ("identity, gzip;q=0.5", ()),
            ("gzip;q=2, br;q=x, zstd;a=b", ()),
            (";;,,=" * 1000, ()),
        ):
            self.assertEqual(accepted_codings(value), expected, value[:40])

    def test_pages(self) -> None:
        """Navigation asks for HTML by name; scripts and images do not."""
        self.assertTrue(accepts_pages("text/html,application/xhtml+xml,*/*;q=0.8"))
        for value in ("", "*/*", "application/json", "image/*", "text/html;q=0"):
            self.assertFalse(accepts_pages(value), value)

    def test_compressible(self) -> None:
        """Text has compressed copies; images and archives do not."""
        for kind in ("text/css;charset=utf-8", "application/json", "image/svg+xml", "application/wasm"):
            self.assertTrue(is_compressible(kind), kind)
        for kind in ("image/png", "application/zip", "font/woff2", "application/octet-stream"):
            self.assertFalse(is_compressible(kind), kind)

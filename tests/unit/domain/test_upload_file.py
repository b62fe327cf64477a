"""Tests of the files that actions get."""

from __future__ import annotations

import os
from collections.abc import Coroutine
from typing import Any, TypeVar

from twisted.trial.unittest import SynchronousTestCase

from unixsvc import UploadFile
from unixsvc.domain.coroutine import run_without_waiting
from unixsvc.domain.uploads.upload_file import safe_filename

_T = TypeVar("_T")


def run(coroutine: Coroutine[Any, Any, _T]) -> _T:
    """The result of a coroutine that does not wait."""
    return run_without_waiting(coroutine)


class UploadFileTests(SynchronousTestCase):
    """A file that a test has made, as it would be in a request."""

    def test_read(self) -> None:
        """It is read from the current position on, in any portions, and again after a seek."""
        file = UploadFile("a.txt", b"0123456789", content_type="text/plain")
        found = [run(file.read(3)), run(file.read()), run(file.read())]
        self.assertEqual(found, [b"012", b"3456789", b""])
        run(file.seek(8))
        self.assertEqual(run(file.read(100)), b"89")
        run(file.seek(100))
        self.assertEqual(run(file.read()), b"")

    def test_iterate(self) -> None:
        """It can be iterated over, in pieces that fit into memory."""

        async def collect() -> list[bytes]:
            return [each async for each in UploadFile("a", b"x" * 600_000)]

        found = run(collect())
        self.assertEqual(b"".join(found), b"x" * 600_000)
        self.assertLess(max(map(len, found)), 300_000)

    def test_file(self) -> None:
        """A blocking action gets a file object at its start, each time."""
        file = UploadFile("a", b"one\ntwo\n")
        self.assertEqual(list(file.file), [b"one\n", b"two\n"])
        self.assertEqual(file.file.read(), b"one\ntwo\n")

    def test_save(self) -> None:
        """It can be saved, whatever was read before."""
        path = self.mktemp()
        file = UploadFile("a", b"content")
        run(file.read())
        run(file.save(path))
        with open(path, "rb") as saved:
            self.assertEqual(saved.read(), b"content")
        self.assertEqual(os.listdir(os.path.dirname(path)), [os.path.basename(path)])

    def test_attributes(self) -> None:
        """It has the name of the client and a safe one, its type and its size."""
        file = UploadFile("../b.png", b"123", headers={"x-a": "b"})
        self.assertEqual((file.filename, file.client_filename, file.size), ("b.png", "../b.png", 3))
        self.assertEqual((file.content_type, file.headers), ("application/octet-stream", {"x-a": "b"}))
        self.assertEqual(repr(file), "<UploadFile 'b.png' 3 bytes>")


class SafeFilenameTests(SynchronousTestCase):
    """Names that clients choose."""

    def test_traversal(self) -> None:
        """No name leaves its folder, is hidden, or is the folder itself."""
        for name in (
            "../../etc/passwd",
            "..\\..\\etc\\passwd",
            "/etc/passwd",
            "C:\\etc\\passwd",
            "a/../passwd",
            ".passwd",
            "...passwd.",
            "passwd ",
            "\0passwd",
            "pass\u202ewd",
            "pass\r\nwd",
        ):
            self.assertEqual(safe_filename(name), "passwd", name)

    def test_empty(self) -> None:
        """A name of which nothing is left becomes a name."""
        for name in ("", ".", "..", "/", "a/", "...", "\x07", "\u200b"):
            self.assertEqual(safe_filename(name), "file", name)

    def test_kept(self) -> None:
        """Letters of all alphabets, spaces and dots within a name are kept."""
        for name in ("Résumé 2.final.pdf", "写真.png", "a-b_c(1).tar.gz", "no suffix"):
            self.assertEqual(safe_filename(name), name)

    def test_windows(self) -> None:
        """Characters that Windows forbids are replaced."""
        self.assertEqual(safe_filename('a<b>:"|?*.txt'), "a_b______.txt")

    def test_long(self) -> None:
        """A long name is cut to 255 bytes before its suffix, between characters."""
        found = safe_filename("ä" * 300 + ".png")
        self.assertTrue(found.endswith("ä.png"))
        self.assertEqual(len(found.encode()), 254)
        self.assertEqual(safe_filename("a" * 300), "a" * 255)
        self.assertLessEqual(len(safe_filename("a." + "b" * 400).encode()), 255)

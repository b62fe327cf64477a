"""Tests of the heads of parts."""

from __future__ import annotations

import itertools
import re

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.errors import Malformed
from unixsvc.rest.multipart.part_head import boundary_of, parse_part_head

_QUOTED = (r'[ab]="((?:[^"\\]|\\.)*)"', r'[ab]="([^"]*)"')
READINGS = [(re.compile(each), re.compile(rf"{each}(?:; {each})*")) for each in _QUOTED]
"""A parameter, and a list of them: if backslashes escape, and if they do not."""


def names(disposition: str) -> tuple[str, str | None]:
    """The name and the filename in a disposition."""
    head = parse_part_head(f"Content-Disposition: {disposition}".encode())
    return head.name, head.filename


class PartHeadTests(SynchronousTestCase):
    """What a head says."""

    def test_headers(self) -> None:
        """All headers are kept, by their names in lower case; the type is as the client writes it."""
        head = parse_part_head(
            b'content-disposition: form-data; name="a"\r\nContent-Type:  Text/CSV;x=1\r\nX-A:b'
        )
        self.assertEqual(head.content_type, "Text/CSV;x=1")
        self.assertEqual(head.headers["x-a"], "b")
        self.assertIsNone(head.filename)

    def test_browsers(self) -> None:
        """Quotes and line ends in names are unescaped as browsers escape them; other percent signs stay."""
        self.assertEqual(
            names('form-data; name="a%22%0D%0Ab"; filename="100%25 %22x%22.txt"'),
            ('a"\r\nb', '100%25 "x".txt'),
        )

    def test_backslashes(self) -> None:
        """A quote or a backslash may be escaped by a backslash, as curl does; a path of Windows stays."""
        self.assertEqual(names(r'form-data; name="a"; filename="b\"c\\d"'), ("a", 'b"c\\d'))
        self.assertEqual(names(r'form-data; name="a"; filename="C:\new\b.txt"'), ("a", r"C:\new\b.txt"))

    def test_last_backslash(self) -> None:
        """A text that ends with a backslash, as browsers send it, is read if it is the last parameter."""
        self.assertEqual(names('form-data; name="a\\"'), ("a\\", None))
        self.assertEqual(names(r'form-data; name="a"; filename="b\\\"'), ("a", r"b\\" "\\"))
        self.assertEqual(names('form-data; name="a\x13"; filename="%22\\"'), ("a\x13", '"\\'))
        for each in (
            r'name="a\"; filename="b"',
            r'name="a\"; x=y',
            r'name="a\" x',
            r'name="a"; name="b\"',
            r'filename="\"; name="\"',
        ):
            with self.assertRaises(Malformed, msg=each):
                names(f"form-data; {each}")

    def test_one_reading(self) -> None:
        """No disposition is well-formed both if backslashes escape quotes and if not, unless both agree."""
        both = 0
        for pieces in itertools.product(('"', "\\", "a", '; b="'), repeat=8):
            text = 'a="' + "".join(pieces)
            found = [each[0].findall(text) for each in READINGS if each[1].fullmatch(text)]
            if len(found) == 2:
                both += 1
                self.assertEqual(found[0], found[1], text)
        self.assertGreater(both, 100)

    def test_tokens(self) -> None:
        """Parameters may be tokens, in any case and order; unknown ones are ignored."""
        self.assertEqual(names("FORM-DATA;FileName=b.txt ; size=3; NAME=a"), ("a", "b.txt"))

    def test_other_alphabets(self) -> None:
        """Names are UTF-8, and an extended filename is decoded and preferred."""
        self.assertEqual(names('form-data; name="ä"; filename="ö.txt"'), ("ä", "ö.txt"))
        self.assertEqual(
            names("form-data; name=a; filename=x; filename*=utf-8'en'%E2%82%AC.txt"), ("a", "€.txt")
        )


class BoundaryTests(SynchronousTestCase):
    """The boundary in Content-Type."""

    def test_found(self) -> None:
        """It may be quoted, and other parameters may stand before it."""
        for content_type in (
            b"multipart/form-data; boundary=a-b",
            b'Multipart/Form-Data;charset=utf-8 ; Boundary="a-b"',
        ):
            self.assertEqual(boundary_of(content_type), b"a-b")

    def test_wrong(self) -> None:
        """It is there once, has at most 70 allowed characters, and does not end with a space."""
        for rest in (
            b"",
            b"; boundary=",
            b'; boundary=""',
            b"; boundary=a; boundary=b",
            b"; boundary=" + b"a" * 71,
            b'; boundary="a "',
            b'; boundary="a\tb"',
            b'; boundary="\xe4"',
            b"; boundary=a b",
            b", boundary=a",
        ):
            with self.assertRaises(Malformed, msg=str(rest)):
                boundary_of(b"multipart/form-data" + rest)

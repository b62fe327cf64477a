"""Tests of the multipart parser."""

from __future__ import annotations

import random
from collections.abc import Iterator

from hypothesis import given, settings
from hypothesis import strategies as st
from multipart import MultipartError, PushMultipartParser  # type: ignore[import-untyped]  # it ships no types
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.rest.multipart.forms import BOUNDARY, MALFORMED, file, form, text
from unixsvc.errors import Malformed
from unixsvc.rest.multipart.parser import MultipartParser
from unixsvc.rest.multipart.part_head import PartHead

_Part = tuple[str, str | None, bytes]


def parse(*pieces: bytes, most: int = 1000) -> list[_Part]:
    """The name, the filename and the content of each part."""
    parser = MultipartParser(BOUNDARY, most)
    parts: list[_Part] = []
    for piece in pieces:
        head: PartHead | None = None
        for event in parser.feed(piece):
            if isinstance(event, PartHead):
                head = event
                parts.append((head.name, head.filename, b""))
            elif isinstance(event, bytes):
                assert event
                parts[-1] = (*parts[-1][:2], parts[-1][2] + event)
    parser.finish()
    return parts


def cut(data: bytes, size: int) -> Iterator[bytes]:
    """The data in pieces of a size."""
    return (data[at : at + size] for at in range(0, len(data), size))


class MultipartTests(SynchronousTestCase):
    """What the parser finds."""

    def test_parts(self) -> None:
        """Text and files are found in their order, also two of the same name, and empty ones."""
        body = form(text("a", b"1"), file("b", "c.txt", b"2\r\n"), text("a", b""), file("b", "", b""))
        expected = [("a", None, b"1"), ("b", "c.txt", b"2\r\n"), ("a", None, b""), ("b", "", b"")]
        self.assertEqual(parse(body), expected)

    def test_no_parts(self) -> None:
        """A form without parts, as a browser sends it for a form without fields, is empty."""
        self.assertEqual(parse(form()), [])
        self.assertEqual(parse(form(end=b"--")), [])

    def test_line_end_before(self) -> None:
        """One line end before the form is skipped, as some clients send one."""
        self.assertEqual(parse(b"\r\n" + form(text("a", b"1"))), [("a", None, b"1")])

    def test_any_segments(self) -> None:
        """The result does not depend on how the body is cut into segments."""
        near = b"\r\n--" + BOUNDARY[:-1] + b"\r\r\n-\r\n--"
        body = form(text("a", near), file("b", "c", near * 3), text("d", b"\r\n"), text("e", b"\r"))
        expected = parse(body)
        self.assertEqual([each[2] for each in expected], [near, near * 3, b"\r\n", b"\r"])
        for size in range(1, 200):
            self.assertEqual(parse(*cut(body, size)), expected, f"in pieces of {size}")

    def test_content_at_once(self) -> None:
        """Content that holds no beginning of a boundary is passed on without delay and without a copy."""
        parser = MultipartParser(BOUNDARY, 10)
        list(parser.feed(b"--" + BOUNDARY + b"\r\n" + file("a", "b", b"begins" * 10)))
        data = b"x" * 100_000
        found = list(parser.feed(data))
        self.assertEqual(len(found), 1)
        self.assertIs(found[0], data)
        self.assertEqual(parser.held, 0)

    def test_bounded(self) -> None:
        """Whatever is sent, the parser holds little more than the head of a part."""
        generator = random.Random(1)  # noqa: S311  # no secret
        for _ in range(200):
            parser = MultipartParser(BOUNDARY, 10)
            try:
                for _ in range(50):
                    pieces = [b"--" + BOUNDARY, b"\r\n", b"\r", b"--", text("a", b"b"), b"x" * 1000]
                    list(parser.feed(b"".join(generator.choices(pieces, k=20))))
                    self.assertLess(parser.held, 5000)
            except Malformed:
                pass

    def test_malformed(self) -> None:
        """What two parsers could read differently is rejected, in one piece and byte by byte."""
        for each in MALFORMED:
            with self.assertRaises(Malformed, msg=each.why):
                parse(each.body)
            with self.assertRaises(Malformed, msg=f"{each.why}, byte by byte"):
                parse(*cut(each.body, 1))

    def test_too_many_parts(self) -> None:
        """The number of parts is limited, and the first of the others is rejected."""
        body = form(*[text("a", b"")] * 3)
        self.assertEqual(len(parse(body, most=3)), 3)
        with self.assertRaisesRegex(Malformed, "more than 2 fields"):
            parse(body, most=2)


_CONTENT = st.lists(
    st.sampled_from(
        [b"\r\n", b"\r", b"\n", b"--", b"-", BOUNDARY, BOUNDARY[:5], b"x", b"\0\xff", b"y" * 300]
    ),
    max_size=12,
).map(b"".join)


class DifferentialTests(SynchronousTestCase):
    """The parser and that of another library."""

    @settings(max_examples=300, deadline=None)
    @given(st.lists(_CONTENT, max_size=4), st.integers(1, 60), st.binary(max_size=3), st.data())
    def test_same(self, contents: list[bytes], size: int, noise: bytes, data: st.DataObject) -> None:
        """What this parser accepts, the library finds as well; what it rejects, the library may accept."""
        body = form(*[file("a", "b", each) for each in contents])
        if noise:
            at = data.draw(st.integers(0, len(body)))
            body = body[:at] + noise + body[at:]
        try:
            found = parse(*cut(body, size))
        except Malformed:
            return
        self.assertEqual([each[2] for each in found], _parse_elsewhere(body))


def _parse_elsewhere(body: bytes) -> list[bytes]:
    contents: list[bytes] = []
    with PushMultipartParser(BOUNDARY, max_header_size=10_000, max_header_count=20) as parser:
        try:
            for event in parser.parse(body):
                if isinstance(event, bytes | bytearray):
                    contents[-1] += bytes(event)
                elif event is not None:
                    contents.append(b"")
        except MultipartError as error:
            raise AssertionError(f"only this parser accepts {body!r}") from error
    return contents

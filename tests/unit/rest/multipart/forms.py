"""Forms of the type multipart/form-data, and forms that are malformed."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

__all__ = ["BOUNDARY", "MALFORMED", "MULTIPART", "MalformedForm", "file", "form", "text"]

BOUNDARY = b"----WebKitFormBoundaryQhU1"
MULTIPART = f"multipart/form-data; boundary={BOUNDARY.decode()}"


class MalformedForm(Struct, frozen=True):
    """A form that is rejected.

    :ivar why: the reason.
    """

    why: str
    body: bytes


def text(name: str, value: bytes) -> bytes:
    """A part that is text."""
    return part(f'Content-Disposition: form-data; name="{name}"'.encode(), content=value)


def file(name: str, filename: str, content: bytes, *headers: bytes) -> bytes:
    """A part that is a file."""
    disposition = f'Content-Disposition: form-data; name="{name}"; filename="{filename}"'.encode()
    return part(disposition, *headers, content=content)


def part(*headers: bytes, content: bytes = b"x") -> bytes:
    """A part with these headers."""
    return b"\r\n".join([*headers, b"", content])


def form(*parts: bytes, end: bytes = b"--\r\n") -> bytes:
    """A form of parts."""
    delimiter = b"--" + BOUNDARY
    return b"".join(delimiter + b"\r\n" + each + b"\r\n" for each in parts) + delimiter + end


_PART: bytes = text("a", b"1")
_NAMED = b'Content-Disposition: form-data; name="a"'


def _with_headers(*headers: bytes) -> bytes:
    return form(part(*headers))


MALFORMED: Sequence[MalformedForm] = (
    MalformedForm("no end", form(_PART)[:-4]),
    MalformedForm("half an end", form(_PART, end=b"-")),
    MalformedForm("nothing", b""),
    MalformedForm("no boundary", b"a=1&b=2" * 20),
    MalformedForm("another boundary", form(_PART).replace(BOUNDARY, BOUNDARY[::-1])),
    MalformedForm("a preamble", b"preamble\r\n" + form(_PART)),
    MalformedForm("two line ends before the form", b"\r\n\r\n" + form(_PART)),
    MalformedForm("a line end that is LF before the form", b"\n" + form(_PART)),
    MalformedForm("an epilogue", form(_PART) + b"epilogue"),
    MalformedForm("two line ends after the form", form(_PART) + b"\r\n"),
    MalformedForm("a form after the form", form(_PART) + form(_PART)),
    MalformedForm("an end without the second hyphen", form(_PART, end=b"-\r\n")),
    MalformedForm("spaces after a boundary", form(_PART).replace(BOUNDARY + b"\r", BOUNDARY + b" \r", 1)),
    MalformedForm("LF after a boundary", form(_PART).replace(BOUNDARY + b"\r\n", BOUNDARY + b"\n", 1)),
    MalformedForm("a longer boundary in the content", form(text("a", b"\r\n--" + BOUNDARY + b"x"))),
    MalformedForm("LF in the head", form(_PART.replace(b"\r\n", b"\n", 1))),
    MalformedForm("LF for all line ends", form(_PART).replace(b"\r\n", b"\n")),
    MalformedForm("CR for all line ends", form(_PART).replace(b"\r\n", b"\r")),
    MalformedForm("a bare CR in the head", _with_headers(_NAMED + b"; x=\r1")),
    MalformedForm("NUL in the head", _with_headers(_NAMED, b"A: b\0")),
    MalformedForm("no head", form(b"\r\ncontent")),
    MalformedForm("a head without end", form(b"A: " + b"b" * 5000)),
    MalformedForm("a long head", _with_headers(_NAMED, b"A: " + b"b" * 5000)),
    MalformedForm("many headers", _with_headers(_NAMED, *[b"A%d: b" % each for each in range(100)])),
    MalformedForm("a folded header", _with_headers(_NAMED, b" ; filename=b")),
    MalformedForm("a header without a colon", _with_headers(_NAMED, b"A")),
    MalformedForm("a space before the colon", _with_headers(_NAMED, b"A : b")),
    MalformedForm("a header name that is no token", _with_headers(_NAMED, b"A(: b")),
    MalformedForm(
        "a header that is not UTF-8", _with_headers(b'Content-Disposition: form-data; name="\xff"')
    ),
    MalformedForm("two dispositions", _with_headers(_NAMED, _NAMED)),
    MalformedForm("two content types", _with_headers(_NAMED, b"Content-Type: a/b", b"Content-Type: c/d")),
    MalformedForm("two names", _with_headers(_NAMED + b'; name="b"')),
    MalformedForm("two filenames", _with_headers(_NAMED + b'; filename="b"; filename="c"')),
    MalformedForm("no name", _with_headers(b"Content-Disposition: form-data")),
    MalformedForm("no disposition", _with_headers(b"Content-Type: text/plain")),
    MalformedForm("another disposition", _with_headers(b'Content-Disposition: attachment; name="a"')),
    MalformedForm("a quotation without end", _with_headers(b'Content-Disposition: form-data; name="a')),
    MalformedForm("text after a parameter", _with_headers(_NAMED + b"b")),
    MalformedForm("a coding", _with_headers(_NAMED, b"Content-Transfer-Encoding: base64")),
    MalformedForm("a filename in another charset", _with_headers(_NAMED + b"; filename*=latin1''%ff")),
    MalformedForm("a filename that is not UTF-8", _with_headers(_NAMED + b"; filename*=UTF-8''%ff")),
    MalformedForm("an extended filename without a charset", _with_headers(_NAMED + b"; filename*=a")),
    MalformedForm("too many fields", form(*[_PART] * 1001)),
)
"""Multipart bombs, boundary tricks, huge heads, and bytes that two parsers could read differently."""

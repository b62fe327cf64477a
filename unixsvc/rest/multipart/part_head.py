"""The heads of the parts of a multipart form (RFC 7578). Pure.

A head that two programs could read differently is rejected: a parameter or a header that is there twice,
line ends other than CRLF, folded lines, and content codings.

A backslash in a quoted text is read as two kinds of clients write it. Browsers, curl since 7.81, and
urllib3 2 do not escape it, so that a quote always ends a text; older ones, and httpx, escape it and a quote
with it. Both kinds agree unless a backslash stands before a quote. Then at most one of the readings is
well-formed; that of browsers is accepted only in the last parameter, because other parsers may take the
parameters after it for a part of the text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote, unquote_to_bytes

from msgspec import Struct

from unixsvc.errors import Malformed

__all__ = ["PartHead", "boundary_of", "parse_part_head"]

_MAX_FIELDS: Final = 16
# RFC 2046, section 5.1.1: at most 70 characters, the last of them no space.
_BOUNDARY_CHARACTERS: Final = rb"[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]"
_BOUNDARY: Final = re.compile(_BOUNDARY_CHARACTERS)
_LEGAL: Final = bytes(set(range(0x100)) - set(b"\0\r\n"))  # browsers do not escape other characters
_TOKEN: Final = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_NAME: Final = re.compile(_TOKEN)
_PARAMETER: Final = re.compile(rf'[ \t]*;[ \t]*({_TOKEN})=(?:"((?:[^"\\]|\\.)*)"|({_TOKEN}))')
# As browsers write it: a text that ends with a backslash, and the end of the header.
_LAST_PARAMETER: Final = re.compile(rf'[ \t]*;[ \t]*({_TOKEN})="([^"]*\\)"')
_KIND: Final = re.compile(r"form-data(?=[ \t;]|$)", re.IGNORECASE)
_MULTIPART: Final = re.compile(r"multipart/form-data(?=[ \t;]|$)", re.IGNORECASE)
# Browsers escape quotes and line ends, and nothing else (HTML, "multipart/form-data encoding algorithm").
_ESCAPED: Final = re.compile("%(?:22|0D|0A)", re.IGNORECASE)
_BACKSLASHED: Final = re.compile(r'\\(["\\])')
_PLAIN_CODINGS: Final = frozenset({"7bit", "8bit", "binary"})


class PartHead(Struct, frozen=True):
    """The head of a part.

    :ivar name: of the field.
    :ivar filename: as the client has sent it; None if the part is no file.
    :ivar content_type: empty if the client has not sent it.
    :ivar headers: all header fields, by their names in lower case.
    """

    name: str
    filename: str | None
    content_type: str
    headers: Mapping[str, str]


def boundary_of(content_type: bytes) -> bytes:
    """The boundary in a ``Content-Type`` header.

    :raises Malformed: if there is none, or one that is not allowed.
    """
    text = content_type.decode("latin-1")
    found = _MULTIPART.match(text)
    parameters = None if found is None else _parameters(text, found.end())
    if parameters is None or "boundary" not in parameters:
        raise Malformed("body: Content-Type has no boundary")
    boundary = parameters["boundary"].encode("latin-1")
    if not _BOUNDARY.fullmatch(boundary):
        raise Malformed("body: the boundary in Content-Type is not valid")
    return boundary


def parse_part_head(head: bytes) -> PartHead:
    """Parse the head of a part.

    :param head: without the empty line that ends it.
    :raises Malformed: if it is rejected.
    """
    headers = _parse_headers(head)
    disposition = headers.get("content-disposition", "")
    found = _KIND.match(disposition)
    parameters = None if found is None else _parameters(disposition, found.end(), _LAST_PARAMETER)
    if parameters is None:
        raise Malformed("body: a part of the form is not valid")
    if "name" not in parameters:
        raise Malformed("body: a part of the form has no name")
    if headers.get("content-transfer-encoding", "binary").lower() not in _PLAIN_CODINGS:
        raise Malformed("body: a part of the form has a Content-Transfer-Encoding")
    filename = None
    if "filename*" in parameters:
        filename = _extended(parameters["filename*"])
    elif "filename" in parameters:
        filename = _unescape(parameters["filename"])
    return PartHead(_unescape(parameters["name"]), filename, headers.get("content-type", ""), headers)


def _parse_headers(head: bytes) -> dict[str, str]:
    lines = head.split(b"\r\n")
    if len(lines) > _MAX_FIELDS:
        raise Malformed(f"body: a part of the form has more than {_MAX_FIELDS} headers")
    if head.translate(None, _LEGAL) != b"\r\n" * (len(lines) - 1):
        raise Malformed("body: NUL, or line ends other than CRLF, in a part of the form")
    try:
        text = head.decode()
    except UnicodeDecodeError:
        raise Malformed("body: a header in the form is not valid UTF-8") from None
    headers: dict[str, str] = {}
    for line in text.split("\r\n"):
        name, colon, value = line.partition(":")
        if not colon or not _NAME.fullmatch(name):  # also if a line is folded
            raise Malformed("body: a part of the form is not valid")
        if name.lower() in headers:
            raise Malformed("body: a part of the form has a header twice")
        headers[name.lower()] = value.strip(" \t")
    return headers


def _parameters(
    text: str, start: int, last_parameter: re.Pattern[str] | None = None
) -> dict[str, str] | None:
    """The parameters from a position on; None if they are not well-formed or one is there twice.

    :param last_parameter: another form that the last one may have.
    """
    parameters: dict[str, str] = {}
    while (found := _PARAMETER.match(text, start)) is not None:
        name = found[1].lower()
        if name in parameters:
            return None
        parameters[name] = _BACKSLASHED.sub(r"\1", found[2]) if found[2] is not None else found[3]
        start = found.end()
    if not text[start:].strip(" \t;"):
        return parameters
    last = None if last_parameter is None else last_parameter.fullmatch(text, start)
    if last is None or last[1].lower() in parameters:
        return None
    return {**parameters, last[1].lower(): last[2]}


def _unescape(text: str) -> str:
    return _ESCAPED.sub(lambda found: unquote(found[0]), text) if "%" in text else text


def _extended(text: str) -> str:
    """Decode a value as in RFC 8187. RFC 7578 forbids it in forms, but libraries send it."""
    charset, _, rest = text.partition("'")
    _, quote, encoded = rest.partition("'")
    try:
        if not quote or charset.lower() != "utf-8":
            raise Malformed("body: the filename of a part is not UTF-8")
        return unquote_to_bytes(encoded).decode()
    except UnicodeDecodeError:
        raise Malformed("body: the filename of a part is not UTF-8") from None

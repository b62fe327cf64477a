"""Text fields of ``multipart/form-data``, RFC 7578. Pure."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote, urlencode

from unixsvc.errors import Invalid, Malformed

__all__ = ["query_of_form"]

_MAX_FIELDS: Final = 1000  # as of a query
_BOUNDARY: Final = re.compile(rb';[ \t]*boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))', re.IGNORECASE)
_DISPOSITION: Final = re.compile(rb"^content-disposition:[ \t]*form-data(?=[;\s])(.*)$", re.I | re.M)
_PARAMETER: Final = re.compile(rb';[ \t]*(name|filename\*?)=(?:"([^"]*)"|([^\s;"]*))', re.IGNORECASE)


def query_of_form(content_type: bytes, body: bytes) -> str:
    """The fields, written as those of a query.

    :param content_type: the header, with its boundary.
    :raises Malformed: if it is none.
    :raises Invalid: naming each part that is a file.
    """
    found = _BOUNDARY.search(content_type)
    if found is None:
        raise Malformed("body: Content-Type names no boundary")
    mark = b"\r\n--" + (found[1] or found[2])
    _, *parts = (b"\r\n" + body).split(mark, _MAX_FIELDS + 1)
    if not parts or not parts[-1].startswith(b"--"):
        raise Malformed("body: the form has no end, or too many fields")
    fields: list[tuple[str, bytes]] = []
    files: list[str] = []
    for part in parts[:-1]:
        name, is_file, content = _read(part)
        if is_file:
            files.append(name)
        elif not _is_text(content):
            raise Malformed("body: a part of the form is no UTF-8")
        fields.append((name, content))
    if files:
        raise Invalid([{"field": each, "message": "is a file, and only text is taken"} for each in files])
    return urlencode(fields)


def _is_text(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def _read(part: bytes) -> tuple[str, bool, bytes]:
    """A part: its name, whether it is a file, and what is in it."""
    head, blank, content = part.partition(b"\r\n\r\n")
    disposition = _DISPOSITION.search(head.replace(b"\r\n", b"\n"))
    if not head.lstrip(b" \t").startswith(b"\r\n") or not blank or disposition is None:
        raise Malformed("body: a part of the form cannot be read")
    parameters = {each[0].lower(): each[1] or each[2] for each in _PARAMETER.findall(disposition[1])}
    try:
        # Browsers escape quotes and line ends in names, and nothing else.
        name = re.sub("%(?:22|0D|0A)", lambda each: unquote(each[0]), parameters[b"name"].decode())
    except (KeyError, UnicodeDecodeError):
        raise Malformed("body: a part of the form has no name") from None
    return name, bool({b"filename", b"filename*"} & parameters.keys()), content

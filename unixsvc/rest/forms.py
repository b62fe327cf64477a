"""Text fields of ``multipart/form-data`` (RFC 7578). Pure.

Not werkzeug's decoder: that takes 20 times as long for three fields (290 µs instead of 15), 80 ms for 1,000
fields and 200 ms for a malformed body of 1 MB, during which the event loop is blocked. It also accepts bare
CR and LF as line ends.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote, urlencode

from unixsvc.domain.validation.field_errors import MAX_FIELD_ERRORS, shortened
from unixsvc.errors import Invalid, Malformed

__all__ = ["MAX_FIELDS", "query_of_form"]

MAX_FIELDS: Final = 1000
"""The most fields of a form, as of a query."""

_BOUNDARY: Final = re.compile(rb';[ \t]*boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))', re.IGNORECASE)
_DISPOSITION: Final = re.compile(rb"^content-disposition:[ \t]*form-data(?=[;\s])(.*)$", re.I | re.M)
_PARAMETER: Final = re.compile(rb';[ \t]*(name|filename\*?)=(?:"([^"]*)"|([^\s;"]*))', re.IGNORECASE)
_FILE_NAMES: Final = (b"filename", b"filename*")


def query_of_form(content_type: bytes, body: bytes) -> str:
    """The fields of a form, encoded as a query.

    :param content_type: the header, with its boundary.
    :raises Malformed: if the form cannot be parsed.
    :raises Invalid: if it has files; names each.
    """
    found = _BOUNDARY.search(content_type)
    if found is None:
        raise Malformed("body: Content-Type has no boundary")
    delimiter = b"\r\n--" + (found[1] or found[2])
    _, *parts = (b"\r\n" + body).split(delimiter, MAX_FIELDS + 1)
    if not parts or not parts[-1].startswith(b"--"):
        raise Malformed(f"body: the form has no end, or more than {MAX_FIELDS} fields")
    fields: list[tuple[str, bytes]] = []
    files: list[str] = []
    for part in parts[:-1]:
        name, file_name, content = _parse_part(part)
        if file_name == b"" and not content:
            continue  # a file input for which no file was chosen
        if file_name is not None:
            files.append(name)
        elif not _is_utf_8(content):
            raise Malformed("body: a field of the form is not valid UTF-8")
        fields.append((name, content))
    if files:
        message = "is a file; only text is accepted"
        raise Invalid([{"field": shortened(name), "message": message} for name in files[:MAX_FIELD_ERRORS]])
    return urlencode(fields)


def _is_utf_8(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def _parse_part(part: bytes) -> tuple[str, bytes | None, bytes]:
    """The name of a part, the name of its file if it is one, and its content."""
    head, blank_line, content = part.partition(b"\r\n\r\n")
    disposition = _DISPOSITION.search(head.replace(b"\r\n", b"\n"))
    if not head.lstrip(b" \t").startswith(b"\r\n") or not blank_line or disposition is None:
        raise Malformed("body: a part of the form is not valid")
    parameters = {found[0].lower(): found[1] or found[2] for found in _PARAMETER.findall(disposition[1])}
    try:
        # Browsers escape quotes and line ends in names, and nothing else.
        name = re.sub("%(?:22|0D|0A)", lambda found: unquote(found[0]), parameters[b"name"].decode())
    except (KeyError, UnicodeDecodeError):
        raise Malformed("body: a part of the form has no name") from None
    file_names = [parameters[key] for key in _FILE_NAMES if key in parameters]
    return name, max(file_names, default=None), content

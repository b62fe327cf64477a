"""Text fields of ``multipart/form-data`` (RFC 7578). Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from urllib.parse import urlencode

from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.http import parse_options_header
from werkzeug.sansio.multipart import Data, Epilogue, Field, File, MultipartDecoder

from unixsvc.errors import Invalid, Malformed

__all__ = ["MAX_FIELDS", "query_of_form"]

MAX_FIELDS: Final = 1000
"""The most fields of a form, as of a query."""


def query_of_form(content_type: bytes, body: bytes) -> str:
    """The fields of a form, encoded as a query.

    :param content_type: the header, with its boundary.
    :raises Malformed: if the form cannot be parsed.
    :raises Invalid: if it has files; names each.
    """
    boundary = parse_options_header(content_type.decode("latin-1"))[1].get("boundary")
    if not boundary:
        raise Malformed("body: Content-Type has no boundary")
    decoder = MultipartDecoder(boundary.encode("latin-1"), max_parts=MAX_FIELDS)
    decoder.receive_data(body)
    decoder.receive_data(None)
    fields: list[tuple[str, bytes]] = []
    files: list[str] = []
    try:
        for name, is_file, content in _parts(decoder):
            if is_file:
                files.append(name)
            else:
                content.decode()
            fields.append((name, content))
    except RequestEntityTooLarge:
        raise Malformed(f"body: the form has more than {MAX_FIELDS} fields") from None
    except UnicodeDecodeError:
        raise Malformed("body: the form is not valid UTF-8") from None
    except ValueError as error:
        raise Malformed(f"body: the form is not valid: {error}") from None
    if files:
        raise Invalid([{"field": name, "message": "is a file; only text is accepted"} for name in files])
    return urlencode(fields)


def _parts(decoder: MultipartDecoder) -> Iterator[tuple[str, bool, bytes]]:
    """The parts: the name of each, whether it is a file, and its content."""
    name, is_file, content = "", False, b""
    while not isinstance(event := decoder.next_event(), Epilogue):
        if isinstance(event, Field | File):
            disposition, parameters = parse_options_header(event.headers["content-disposition"])
            if disposition.lower() != "form-data" or "name" not in parameters:
                raise ValueError("a part has no name")
            # Browsers escape quotes and line ends in names; werkzeug decodes the quotes.
            name = event.name.replace("%0D", "\r").replace("%0A", "\n")
            is_file, content = isinstance(event, File), b""
        elif isinstance(event, Data):
            content += event.data
            if not event.more_data:
                yield name, is_file, content

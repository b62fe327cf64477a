"""Forms with files, as browsers encode them."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Final

__all__ = ["FileTuple", "encode_form"]

FileTuple = tuple[str, bytes] | tuple[str, bytes, str]
"""The name of a file, its content, and its media type."""

_ESCAPED: Final = str.maketrans({'"': "%22", "\r": "%0D", "\n": "%0A"})


def encode_form(
    fields: Mapping[str, str], files: Mapping[str, FileTuple | Sequence[FileTuple]]
) -> tuple[bytes, str]:
    """A form of the type ``multipart/form-data``, and its ``Content-Type``."""
    boundary = f"----{secrets.token_hex(8)}"
    parts = [_part(name, None, value.encode(), "") for name, value in fields.items()]
    for name, given in files.items():
        for filename, content, *content_type in [given] if isinstance(given, tuple) else given:
            parts.append(_part(name, filename, content, *(content_type or ["application/octet-stream"])))
    delimiter = f"--{boundary}".encode()
    body = b"".join(delimiter + b"\r\n" + part + b"\r\n" for part in parts) + delimiter + b"--\r\n"
    return body, f"multipart/form-data;boundary={boundary}"


def _part(name: str, filename: str | None, content: bytes, content_type: str) -> bytes:
    head = b'Content-Disposition: form-data; name="%b"' % _escape(name)
    if filename is not None:
        head += b'; filename="%b"\r\nContent-Type: %b' % (_escape(filename), content_type.encode())
    return head + b"\r\n\r\n" + content


def _escape(name: str) -> bytes:
    return name.translate(_ESCAPED).encode()

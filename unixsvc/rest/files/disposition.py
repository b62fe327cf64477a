"""The header ``Content-Disposition`` (RFC 6266, RFC 8187). Pure."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote

__all__ = ["content_disposition"]

# Browsers decode percent-escapes in the plain form, and some take a backslash for an escape.
_UNSAFE: Final = re.compile(r'[^\x20-\x7e]|["\\%]')
_ATTRIBUTE_CHARACTERS: Final = "!#$&+-.^_`|~"
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def content_disposition(filename: str, *, attachment: bool) -> bytes:
    """Return the value of the header.

    A name with other characters than ASCII is sent twice: for clients of RFC 8187, and with underscores for
    others. Control characters are removed, and slashes are replaced: the name is no path.

    :param filename: the name under which the client saves the file; empty for that in the URL.
    :param attachment: whether a browser saves the file rather than shows it.
    """
    kind = b"attachment" if attachment else b"inline"
    name = _CONTROL.sub("", filename).replace("/", "_").replace("\\", "_").strip()
    if not name:
        return kind
    plain = _UNSAFE.sub("_", name).encode("ascii")
    value = b'%b; filename="%b"' % (kind, plain)
    if plain != name.encode("utf-8", "replace"):
        extended = quote(name, safe=_ATTRIBUTE_CHARACTERS, errors="replace")
        value += b"; filename*=UTF-8''%b" % extended.encode()
    return value

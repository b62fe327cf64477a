"""The names of HTTP header fields, which have any case."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

__all__ = ["canonical_name"]

_UNUSUAL: Final = {
    b"Content-Md5": b"Content-MD5",
    b"Dnt": b"DNT",
    b"Etag": b"ETag",
    b"P3p": b"P3P",
    b"Te": b"TE",
    b"Www-Authenticate": b"WWW-Authenticate",
    b"X-Xss-Protection": b"X-XSS-Protection",
}


@lru_cache(1024)
def canonical_name(name: str) -> bytes:
    """Return the name of a header field in twisted.web's spelling, as requests have it.

    :raises UnicodeEncodeError: if it is not ASCII, as no name of a field is.
    """
    words = b"-".join([word.capitalize() for word in name.encode("ascii").split(b"-")])
    return _UNUSUAL.get(words, words)

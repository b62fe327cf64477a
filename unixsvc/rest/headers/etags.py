"""Validators: RFC 9110, sections 8.8.3 and 13.1.2. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import blake2b
from typing import Final

__all__ = ["etag_of", "is_known"]

_ETAG: Final = re.compile(rb'"[\x21\x23-\x7e\x80-\xff]*"')  # W/ may stand before it


def etag_of(body: bytes, coding: str = "") -> bytes:
    """The strong validator of a body.

    :param body: before it is compressed.
    :param coding: how it will be compressed: each form is a representation of its own.
    """
    digest = blake2b(body, digest_size=16).hexdigest()
    return f'"{digest}-{coding}"'.encode() if coding else f'"{digest}"'.encode()


def is_known(etag: bytes, values: Sequence[bytes]) -> bool:
    """Whether the client says that it has this already; whether as a weak one does not count.

    :param values: of ``If-None-Match``: lists of validators, or ``*``.
    """
    text = b",".join(values)
    return text.strip() == b"*" or etag in _ETAG.findall(text)

"""Whether a browser has sent a request from a page of the same origin. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

__all__ = ["is_same_origin"]

_DEFAULT_PORTS: Final = {b"http": b":80", b"https": b":443"}


def is_same_origin(origins: Sequence[bytes], headers: Mapping[bytes, Sequence[bytes]]) -> bool:
    """Whether ``Origin`` and ``Host`` are the same; the scheme may be known to a reverse proxy alone.

    :param origins: the values of ``Origin``.
    """
    scheme, separator, origin = origins[-1].lower().partition(b"://")
    if len(origins) > 1 or not separator:  # "null" is the origin of sandboxed pages
        return False
    port = _DEFAULT_PORTS.get(scheme, b"")
    host = headers.get(b"Host", (b"",))[-1].lower()
    return origin.removesuffix(port) == host.removesuffix(port)

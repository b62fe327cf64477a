"""Protection against cross-site request forgery, by the headers that browsers send. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from unixsvc.config.http import Cors
from unixsvc.errors import Forbidden
from unixsvc.rest.decode import RequestHeaders

__all__ = ["CrossOriginRules"]

_SAFE_METHODS: Final = frozenset({b"GET", b"HEAD", b"OPTIONS", b"TRACE"})  # RFC 9110, section 9.2.1
_DEFAULT_PORTS: Final = {b"http": b":80", b"https": b":443"}
_REFUSED: Final = (
    "a page of another origin sent this request; such origins are listed as origins in [http.cors]"
)


class CrossOriginRules:
    """Rejects requests that pages of other origins send to change something.

    Browsers send ``Sec-Fetch-Site`` to servers with TLS and to localhost, and ``Origin`` with all requests
    whose method is not safe; a page can set neither. Clients other than browsers send none of them. The rules
    are those of ``CrossOriginProtection`` in Go's ``net/http``.

    :param cors: its origins are allowed.
    """

    def __init__(self, cors: Cors) -> None:
        self._any = "*" in cors.origins
        self._origins = frozenset(origin.encode() for origin in cors.origins)

    def check(self, method: bytes, headers: RequestHeaders) -> None:
        """Check a request.

        :raises Forbidden: if another origin has sent it, and may not.
        """
        if method in _SAFE_METHODS or self._any:
            return
        sites, origins = headers.get(b"Sec-Fetch-Site"), headers.get(b"Origin")
        if sites is None and origins is None:
            return
        if origins is not None and self._origins.issuperset(origins):
            return
        if sites is not None and sites != [b"none"]:
            if sites != [b"same-origin"]:
                raise Forbidden(_REFUSED)
        elif origins is not None and not _is_same_origin(origins, headers):
            raise Forbidden(_REFUSED)


def _is_same_origin(origins: Sequence[bytes], headers: RequestHeaders) -> bool:
    """Whether ``Origin`` and ``Host`` are the same; the scheme may be known to a reverse proxy alone."""
    scheme, separator, origin = origins[-1].lower().partition(b"://")
    if len(origins) > 1 or not separator:  # "null" is the origin of sandboxed pages
        return False
    port = _DEFAULT_PORTS.get(scheme, b"")
    host = headers.get(b"Host", (b"",))[-1].lower()
    return origin.removesuffix(port) == host.removesuffix(port)

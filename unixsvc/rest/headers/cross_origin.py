"""Protection against cross-site request forgery, by the headers that browsers send. Pure."""

from __future__ import annotations

from typing import Final

from unixsvc.config.http import Cors
from unixsvc.domain.same_origin import is_same_origin
from unixsvc.errors import Forbidden
from unixsvc.rest.decode import RequestHeaders

__all__ = ["CrossOriginRules"]

_SAFE_METHODS: Final = frozenset({b"GET", b"HEAD", b"OPTIONS", b"TRACE"})  # RFC 9110, section 9.2.1
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
        elif origins is not None and not is_same_origin(origins, headers):
            raise Forbidden(_REFUSED)

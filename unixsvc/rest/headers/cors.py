"""Cross-origin resource sharing: the Fetch standard, section 3.3. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from unixsvc.config.http import Cors
from unixsvc.rest.response import HeaderPairs

__all__ = ["CorsRules"]


class CorsRules:
    """The response headers for cross-origin requests, built once from the configuration.

    :ivar vary: whether responses depend on the ``Origin`` of the request.
    """

    def __init__(self, cors: Cors) -> None:
        self._any = "*" in cors.origins
        self._origins = frozenset(origin.encode() for origin in cors.origins)
        self.vary = bool(self._origins) and not self._any
        # Browsers reject credentials together with the wildcard.
        credentials = cors.credentials and not self._any
        always: HeaderPairs = ((b"Access-Control-Allow-Credentials", b"true"),) if credentials else ()
        self._simple = always + _list_header(b"Access-Control-Expose-Headers", cors.expose)
        self._preflight = (
            *always,
            *_list_header(b"Access-Control-Allow-Methods", cors.methods),
            *_list_header(b"Access-Control-Allow-Headers", cors.headers),
            (b"Access-Control-Max-Age", b"%d" % cors.max_age),
        )

    def is_preflight(self, headers: Mapping[bytes, Sequence[bytes]]) -> bool:
        """Whether an OPTIONS request is a CORS preflight request; never if no origin is allowed."""
        is_cors = b"Origin" in headers and b"Access-Control-Request-Method" in headers
        return is_cors and bool(self._origins)

    def preflight(self, headers: Mapping[bytes, Sequence[bytes]]) -> HeaderPairs:
        """The headers of the response to a preflight request; none if the origin is not allowed."""
        allow_origin = self._allow_origin(headers)
        return allow_origin + self._preflight if allow_origin else ()

    def simple(self, headers: Mapping[bytes, Sequence[bytes]]) -> HeaderPairs:
        """The headers of any other response."""
        if b"Origin" not in headers or not self._origins:
            return ()
        allow_origin = self._allow_origin(headers)
        return allow_origin + self._simple if allow_origin else ()

    def _allow_origin(self, headers: Mapping[bytes, Sequence[bytes]]) -> HeaderPairs:
        origin = headers[b"Origin"][-1]
        if self._any:
            return ((b"Access-Control-Allow-Origin", b"*"),)
        return ((b"Access-Control-Allow-Origin", origin),) if origin in self._origins else ()


def _list_header(name: bytes, values: Sequence[str]) -> HeaderPairs:
    return ((name, ", ".join(values).encode()),) if values else ()

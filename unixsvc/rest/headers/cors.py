"""Cross-origin resource sharing: the Fetch standard, section 3.3. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from unixsvc.config.http import Cors

__all__ = ["CorsRules"]


class CorsRules:
    """The lines of response headers for cross-origin requests, built once from the configuration.

    :ivar vary: whether responses depend on the ``Origin`` of the request.
    """

    def __init__(self, cors: Cors) -> None:
        self._any = "*" in cors.origins
        self._origins = frozenset(origin.encode() for origin in cors.origins)
        self.vary = bool(self._origins) and not self._any
        # Browsers reject credentials together with the wildcard.
        credentials = cors.credentials and not self._any
        always = b"Access-Control-Allow-Credentials: true\r\n" if credentials else b""
        self._simple = always + _list_header(b"Access-Control-Expose-Headers", cors.expose)
        self._preflight = b"%b%b%bAccess-Control-Max-Age: %d\r\n" % (
            always,
            _list_header(b"Access-Control-Allow-Methods", cors.methods),
            _list_header(b"Access-Control-Allow-Headers", cors.headers),
            cors.max_age,
        )

    def is_preflight(self, headers: Mapping[bytes, Sequence[bytes]]) -> bool:
        """Whether an OPTIONS request is a CORS preflight request; never if no origin is allowed."""
        is_cors = b"Origin" in headers and b"Access-Control-Request-Method" in headers
        return is_cors and bool(self._origins)

    def preflight(self, headers: Mapping[bytes, Sequence[bytes]]) -> bytes:
        """The headers of the response to a preflight request; none if the origin is not allowed."""
        allow_origin = self._allow_origin(headers)
        return allow_origin + self._preflight if allow_origin else b""

    def simple(self, headers: Mapping[bytes, Sequence[bytes]]) -> bytes:
        """The headers of any other response."""
        if b"Origin" not in headers or not self._origins:
            return b""
        allow_origin = self._allow_origin(headers)
        return allow_origin + self._simple if allow_origin else b""

    def _allow_origin(self, headers: Mapping[bytes, Sequence[bytes]]) -> bytes:
        origin = headers[b"Origin"][-1]
        if self._any:
            return b"Access-Control-Allow-Origin: *\r\n"
        return b"Access-Control-Allow-Origin: %b\r\n" % origin if origin in self._origins else b""


def _list_header(name: bytes, values: Sequence[str]) -> bytes:
    return b"%b: %b\r\n" % (name, ", ".join(values).encode()) if values else b""

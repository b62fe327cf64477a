"""Which answers pages of other origins may read: the Fetch standard, section 3.3. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from unixsvc.config.http import Cors

__all__ = ["CorsRules", "Pairs"]

# Headers, as they are sent.
Pairs = tuple[tuple[bytes, bytes], ...]


class CorsRules:
    """What the configuration says, made headers once.

    :ivar vary: whether answers depend on the origin that asks.
    """

    def __init__(self, cors: Cors) -> None:
        self._any = "*" in cors.origins
        self._origins = frozenset(each.encode() for each in cors.origins)
        self.vary = bool(self._origins) and not self._any
        # A browser does not take the two together, and nobody should mean that.
        credentials = cors.credentials and not self._any
        self._always: Pairs = ((b"Access-Control-Allow-Credentials", b"true"),) if credentials else ()
        self._simple = self._always + _listed(b"Access-Control-Expose-Headers", cors.expose)
        self._preflight = (
            *self._always,
            *_listed(b"Access-Control-Allow-Methods", cors.methods),
            *_listed(b"Access-Control-Allow-Headers", cors.headers),
            (b"Access-Control-Max-Age", b"%d" % cors.max_age),
        )

    def is_preflight(self, headers: Mapping[bytes, Sequence[bytes]]) -> bool:
        """Whether a request with the method OPTIONS is a browser's question; if any origin may ask at all."""
        asks = b"Origin" in headers and b"Access-Control-Request-Method" in headers
        return asks and bool(self._origins)

    def preflight(self, headers: Mapping[bytes, Sequence[bytes]]) -> Pairs:
        """The headers of the answer to that; to an origin that may not, it says nothing."""
        allowed = self._allowed(headers)
        return allowed + self._preflight if allowed else ()

    def simple(self, headers: Mapping[bytes, Sequence[bytes]]) -> Pairs:
        """The headers of any other answer."""
        if b"Origin" not in headers or not self._origins:
            return ()
        allowed = self._allowed(headers)
        return allowed + self._simple if allowed else ()

    def _allowed(self, headers: Mapping[bytes, Sequence[bytes]]) -> Pairs:
        origin = headers[b"Origin"][-1]
        if self._any:
            return ((b"Access-Control-Allow-Origin", b"*"),)
        return ((b"Access-Control-Allow-Origin", origin),) if origin in self._origins else ()


def _listed(name: bytes, values: Sequence[str]) -> Pairs:
    return ((name, ", ".join(values).encode()),) if values else ()

"""Prefixes of paths, compared segment by segment."""

from __future__ import annotations

from typing import Final
from urllib.parse import unquote

from msgspec import Struct

from unixsvc.errors import ConfigError

__all__ = [
    "BUILTIN_PREFIX",
    "HEALTH",
    "HEALTH_PATHS",
    "HEALTH_ROUTES",
    "LIVE",
    "PROBES",
    "READY",
    "PathPrefix",
]

BUILTIN_PREFIX: Final = "/-"
"""The prefix of the paths that every service has, such as ``/-/ping``."""
HEALTH: Final = f"{BUILTIN_PREFIX}/health"
LIVE: Final = f"{BUILTIN_PREFIX}/live"
READY: Final = f"{BUILTIN_PREFIX}/ready"
PROBES: Final = frozenset((LIVE, READY))
"""The paths that load balancers request; a service that is full answers them all the same."""
HEALTH_PATHS: Final = (LIVE, READY, HEALTH)
HEALTH_ROUTES: Final = {"GET " + path: path for path in HEALTH_PATHS}
"""The paths of health checks by their routes. They are no requests in metrics, and not in the access log."""


class PathPrefix(Struct, frozen=True):
    """The first segments of paths.

    Percent-escapes are decoded before segments are compared (RFC 3986, section 6.2.2): ``/caf%C3%A9/menu``
    and ``/%63afé/menu`` are below ``/café``. An escaped slash is part of a segment.

    :ivar text: the prefix as it was written.
    :ivar plain: the prefix with its percent-escapes decoded; empty for the prefix of all paths.
    :ivar depth: the number of its segments.
    """

    text: str
    plain: str
    depth: int

    @classmethod
    def parse(cls, text: str) -> PathPrefix:
        """Parse a prefix, as ``/users``; the empty text is the prefix of all paths.

        :raises ConfigError: if it is not a prefix.
        """
        segments = [unquote(segment, errors="surrogateescape") for segment in text.split("/")]
        valid = not segments[0] and (segments[-1] or not text)
        if not valid or any("/" in each or "\0" in each or not _is_utf_8(each) for each in segments):
            raise ConfigError(repr(text), "is not a path prefix", "write it as /users")
        return cls(text, "/".join(segments), len(segments) - 1)

    def contains(self, path: str) -> bool:
        """Return whether a path is below the prefix, or is the prefix itself."""
        if "%" in path:
            return self.rest_of(path) is not None
        plain = self.plain
        return path.startswith(plain) and path[len(plain) : len(plain) + 1] in ("", "/")

    def rest_of(self, path: str) -> str | None:
        """Return the part of a path after the prefix, with its escapes; None if it is not below the prefix.

        :returns: an empty text, or one that starts with a slash.
        """
        pieces = path.split("/", self.depth + 1)
        # A slash within a segment becomes a character that no prefix has. So do bytes that are not UTF-8.
        first = [
            unquote(each, errors="surrogateescape").replace("/", "\0") for each in pieces[: self.depth + 1]
        ]
        if "/".join(first) != self.plain:
            return None
        return "/" + pieces[-1] if len(pieces) > self.depth + 1 else ""


def _is_utf_8(text: str) -> bool:
    return not any("\udc80" <= character <= "\udcff" for character in text)

"""What tokens allow: services, and routes of them; pure."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from hashlib import sha256
from typing import Final
from urllib.parse import unquote

from msgspec import Struct

from unixsvc.domain.path_prefix import BUILTIN_PREFIX
from unixsvc.errors import ConfigError, Malformed
from unixsvc.routing.table import Table

__all__ = ["ALL_SERVICES", "AcceptedToken", "RouteRules", "digest_of"]

ALL_SERVICES: Final = "*"


class AcceptedToken(Struct, frozen=True):
    """A token that services accept. The token itself is not known, only its digest.

    :ivar name: the name of the token.
    :ivar sha256: its digest, as :func:`digest_of` returns it.
    :ivar services: the services that it may call; ``*`` is any.
    :ivar routes: the routes that it may call there, see :class:`RouteRules`; empty for all.
    """

    name: str
    sha256: str
    services: tuple[str, ...] = (ALL_SERVICES,)
    routes: tuple[str, ...] = ()

    def allows_service(self, service: str) -> bool:
        """True if the token may call a service."""
        return service in self.services or ALL_SERVICES in self.services


def digest_of(token: str) -> str:
    """The SHA-256 digest of a token, in hexadecimal.

    A token has 256 random bits: it cannot be guessed, so a slow hash would protect nothing.
    """
    return sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


class RouteRules:
    """The routes that a token may call, with the patterns of the route table.

    :param routes: each a pattern, for all methods, or a method and a pattern: ``GET /user/{id:int}``. GET
        includes HEAD. The built-in routes have to be named, as ``GET /-/health``.
    :raises ConfigError: if a pattern is not valid.
    """

    def __init__(self, routes: Iterable[str]) -> None:
        self._by_method: Table[bool] = Table(BUILTIN_PREFIX.strip("/"))
        self._by_path: Table[bool] = Table(BUILTIN_PREFIX.strip("/"))
        heads = []
        for route in routes:
            method, _, pattern = route.rpartition(" ")
            table = self._by_method if method else self._by_path
            table.add(method, pattern, True)
            if method == "GET":
                heads.append(pattern)
        for pattern in heads:
            with suppress(ConfigError):  # it was listed
                self._by_method.add("HEAD", pattern, True)

    def allow(self, method: str, path: str) -> bool:
        """True if a request may be made.

        :param path: as in a request, percent-escapes not decoded.
        """
        try:
            if self._by_path.has_path(path) or method in self._by_method.methods(path):
                return not _is_ambiguous(path)
        except Malformed:
            return False
        return False


def _is_ambiguous(path: str) -> bool:
    """True if a server behind this one could take the path for another one."""
    segments = [unquote(segment) for segment in path.split("/")[1:]]
    return any(segment in (".", "..") or "/" in segment for segment in segments)

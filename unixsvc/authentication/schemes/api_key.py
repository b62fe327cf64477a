"""The scheme of API keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from urllib.parse import parse_qs

from unixsvc.authentication.credentials import Credentials, InvalidCredentials, digest_subject
from unixsvc.authentication.schemes.base import SchemeBase, quoted
from unixsvc.authentication.schemes.cookies import read_cookie
from unixsvc.domain.json import JsonObject
from unixsvc.domain.message import Request
from unixsvc.errors import ConfigError

__all__ = ["ApiKey"]

_HEADER: Final = "X-API-Key"
_MAX_LENGTH: Final = 1024
_MAX_FIELDS: Final = 1000


class ApiKey(SchemeBase):
    """Keys in a header, which is recommended, in a cookie or in the query.

    A key in the query is in the logs of proxies and in the history of browsers. A key in a cookie is only
    accepted from pages of the same origin where the method changes something.

    :param find_user: returns the user of a key, or None. Look a key up by its digest, as
        ``hashlib.sha256(key.encode()).hexdigest()``: the time of that look-up reveals nothing about keys.
    :param header: the name of the header; over a socket, in lower case, of the entry in ``meta``.
    :param cookie: the name of a cookie, instead of the header.
    :param query: the name of a parameter of the query, instead of the header.
    :param name: of the scheme.
    :param description: for API documentation.
    :raises unixsvc.errors.ConfigError: if it has more than one place.
    """

    def __init__(
        self,
        find_user: Callable[..., object],
        *,
        header: str = "",
        cookie: str = "",
        query: str = "",
        name: str = "api_key",
        description: str = "",
    ) -> None:
        super().__init__(find_user, name, description)
        if sum(map(bool, (header, cookie, query))) > 1:
            raise ConfigError(self._where, "its key has several places", "use a scheme for each")
        self._place = "cookie" if cookie else "query" if query else "header"
        self._field = cookie or query or header or _HEADER

    def read(self, request: Request) -> Credentials | None:
        """Return the key."""
        key = self._key(request)
        if key is None:
            return None
        if not key or len(key) > _MAX_LENGTH:
            raise InvalidCredentials("the key is not valid")
        return Credentials(key, digest_subject(key))

    def challenge(self, problem: str) -> str:
        """Return where the key is expected; no registered scheme describes that."""
        return f"ApiKey in={quoted(self._place)}, name={quoted(self._field)}"

    def describe(self) -> JsonObject:
        """Return the place of the key."""
        description = {"description": self.description} if self.description else {}
        return {"type": "apiKey", "in": self._place, "name": self._field} | description

    def _key(self, request: Request) -> str | None:
        if self._place == "header":
            return request.header(self._field)
        if self._place == "cookie":
            return read_cookie(request, self._field)
        if self._field not in request.query:
            return None
        try:
            found = parse_qs(request.query, keep_blank_values=True, max_num_fields=_MAX_FIELDS)
        except ValueError:
            return None
        values = found.get(self._field, [])
        if len(values) > 1:
            raise InvalidCredentials("the key is there more than once")
        return values[0] if values else None

"""Credentials in cookies, which browsers send by themselves."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from unixsvc.authentication.credentials import InvalidCredentials
from unixsvc.domain.message import Request
from unixsvc.domain.same_origin import is_same_origin
from unixsvc.errors import Forbidden

__all__ = ["read_cookie"]

_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
# Nothing else: with U+00A0 before it, a name has no prefix "__Host-" to the browser, so that a neighbouring
# host of the same domain may set the cookie.
_BLANKS: Final = " \t"
_REFUSED: Final = (
    "a cookie authenticates this request only if a page of the same origin has sent it, "
    "which the header Origin or Sec-Fetch-Site says"
)


def read_cookie(request: Request, name: str, origins: Collection[bytes] = ()) -> str | None:
    """Return the value of a cookie that authenticates a user; None if there is none, and on a socket.

    A page of another origin can make a browser send the cookie (cross-site request forgery). So a request
    that may change something has to come from the same origin. A WebSocket too, as pages may open one to any
    server.

    :param origins: others that may use the cookie.
    :raises InvalidCredentials: for a request from elsewhere, and if the cookie is there more than once: a
        neighbouring host of the same domain can have set the other one.
    """
    headers = request.headers
    if headers is None:
        return None
    values = {
        value.strip(_BLANKS).strip('"')
        for header in headers.get(b"Cookie", ())
        for field in header.decode("latin-1").split(";")
        for key, separator, value in [field.partition("=")]
        if separator and key.strip(_BLANKS) == name
    }
    if not values:
        return None
    if len(values) > 1:
        raise InvalidCredentials(f"the cookie {name} is there more than once")
    changes = request.method not in _SAFE_METHODS or b"Upgrade" in headers
    if changes and not _is_from_own_page(request, origins):
        raise InvalidCredentials("the origin is another one", is_guess=False, error=Forbidden(_REFUSED))
    return values.pop()


def _is_from_own_page(request: Request, origins: Collection[bytes]) -> bool:
    headers = request.headers or {}
    sent = headers.get(b"Origin", ())
    if len(sent) == 1 and sent[0] in origins:
        return True
    sites = headers.get(b"Sec-Fetch-Site", ())
    if sites and not (len(sites) == 1 and sites[0] in (b"same-origin", b"none")):
        return False
    return is_same_origin(sent, headers) if sent else bool(sites)

"""Parameters from cookies."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from unixsvc.domain.message import Request
from unixsvc.domain.validation.field_errors import FieldError
from unixsvc.domain.validation.type_forms import TypeForm
from unixsvc.errors import ConfigError
from unixsvc.routing.parameters.interfaces import ParameterSource
from unixsvc.routing.parameters.marker import Marker, find_marker
from unixsvc.routing.parameters.text_source import text_source
from unixsvc.routing.parameters.texts import TextSource

__all__ = ["Cookie", "CookieKind"]

_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,128}")


class Cookie(Marker):
    """The parameter is a cookie: ``session: Annotated[str | None, Cookie()]``.

    Over a socket the entry ``cookie`` of ``meta`` has the cookies, as the header field does: ``a=1; b=2``.

    A struct, a dataclass or a model is several cookies, each a field of it.

    :param alias: the name of the cookie; by default that of the parameter.
    :param description: for the contract.
    :param examples: values for the contract.
    """


class _CookieSource(TextSource):
    """Reads one cookie.

    Of several cookies of the same name the first counts: browsers send the one with the longest path first
    (RFC 6265, section 5.4). Only the one that is wanted is decoded, so that others cannot spoil the request.
    The standard library's parser reads octal escapes, which no browser sends, in quadratic time
    (CVE-2024-7592).
    """

    place = "cookie"
    lists = False

    def __init__(
        self,
        name: str,
        marker: Marker,
        hint: TypeForm,
        default: object,
        where: str,
        *,
        schema: TypeForm | None = None,
    ) -> None:
        name = marker.alias or name
        if not _TOKEN.fullmatch(name):
            raise ConfigError(where, f"{name!r} is not the name of a cookie")
        super().__init__(name, marker, hint, default, where, schema=schema)
        self._find = re.compile(rb"(?:\A|;)[ \t]*" + re.escape(name.encode()) + rb"=([^;]*)").search

    def texts(self, request: Request, errors: list[FieldError]) -> Sequence[str] | None:
        """Return the value of the cookie."""
        headers = request.headers
        if headers is None:
            cookies = request.meta.get("cookie", "").encode("utf-8", "surrogatepass")
        else:  # HTTP/2 allows several fields, which a proxy has to join (RFC 9113, section 8.2.3)
            cookies = b"; ".join(headers.get(b"Cookie", ()))
        found = self._find(cookies) if cookies else None
        if found is None:
            return ()
        value = found[1].strip(b" \t")
        if len(value) > 1 and value.startswith(b'"') and value.endswith(b'"'):
            value = value[1:-1]
        try:
            return (value.decode(),)
        except UnicodeDecodeError:
            errors.append(FieldError(self._field, "is not valid UTF-8"))
            return None


class CookieKind:
    """Recognizes ``Cookie()``."""

    def source(self, name: str, hint: TypeForm, default: object, where: str) -> ParameterSource | None:
        """Return the source of a parameter; None if it is no cookie."""
        marker = find_marker(Cookie, hint, name, where)
        return None if marker is None else text_source(_CookieSource, name, marker, hint, default, where)

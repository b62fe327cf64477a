"""Results with a status, header fields and cookies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Generic, TypeVar

from msgspec import Struct

from unixsvc.domain.reply_head import HeaderFields, WrongHeader, check_header, check_media_type
from unixsvc.domain.results.cookies import SetCookie
from unixsvc.domain.results.redirect_target import redirect_target

__all__ = ["Headers", "Redirect", "Response", "Returns", "header_fields"]

_T_co = TypeVar("_T_co", covariant=True)

Headers = Mapping[str, str] | Sequence[tuple[str, str]]
"""Header fields by name; or pairs, if a name occurs several times."""

_REDIRECTS: Final = (301, 302, 303, 307, 308)
_NO_CONTENT: Final = (204, 205)


class Response(Struct, Generic[_T_co], frozen=True):
    """A result with what HTTP has besides: ``async def show(self, id: int) -> Response[User]``.

    As the type of a result, ``client.call(..., type=Response[User])`` gives the same to a caller.

    :ivar value: the result, which calls over a socket return. Bytes are sent as they are.
    :ivar status: 200 to 299; 0 for the one that the annotation declares, or else 200, and 204 for None. A
        caller may also get that of a redirect.
    :ivar headers: further header fields. At a caller, all of the service's, as pairs.
    :ivar cookies: cookies to set.
    :ivar media_type: the type of a body that is no JSON; empty for the first one of the route.
    :raises ValueError: for a field that cannot be sent.
    :raises ValueError: for another status.
    """

    value: _T_co
    status: int = 0
    headers: Headers = ()
    cookies: Sequence[SetCookie] = ()
    media_type: str = ""

    def __post_init__(self) -> None:
        if self.status and not 200 <= self.status <= 399:
            raise ValueError(
                f"the status {self.status} of a response is not 200 to 299: raise a ServiceError"
            )
        if self.status in _NO_CONTENT and self.value is not None:
            raise ValueError(f"a response with the status {self.status} has no value: it must be None")
        _check(self.headers)
        if self.media_type:
            check_media_type(self.media_type)

    def header(self, name: str) -> str | None:
        """The last value of a header field, whose name may be in any case; None if there is none."""
        name = name.lower()
        return next((value for key, value in reversed(_pairs(self.headers)) if key.lower() == name), None)


class Redirect(Struct, frozen=True):
    """A redirect: ``async def create(self, new: NewUser) -> Redirect``. Over a socket the result is null.

    :ivar target: a path of this application, as ``/user/7``, or a URL with ``http`` or ``https``. Through a
        mount a path becomes the external one.
    :ivar status: 303: the browser gets the target with GET. 307 and 308 keep the method; 301 and 308 are
        permanent: browsers remember them. 0 for the one that the annotation declares, or else 303.
    :ivar headers: further header fields.
    :ivar cookies: cookies to set.
    :raises ValueError: for another target or status.
    :raises ValueError: for a field that cannot be sent.
    """

    target: str
    status: int = 0
    headers: Headers = ()
    cookies: Sequence[SetCookie] = ()

    def __post_init__(self) -> None:
        if self.status and self.status not in _REDIRECTS:
            raise ValueError(f"the status {self.status} is no redirect: use one of 301, 302, 303, 307, 308")
        redirect_target(self.target)
        _check(self.headers)


class Returns(Struct, frozen=True, eq=False):
    """What a route's HTTP response is, in its annotation: ``Annotated[User, Returns(status=202)]``.

    OpenAPI describes it. Without it, a :class:`Response` may have any status.

    :ivar status: of each result; 0 if the result decides.
    :ivar headers: the descriptions of header fields, by name.
    """

    status: int = 0
    headers: Mapping[str, str] = {}


def header_fields(result: Response[object] | Redirect) -> HeaderFields:
    """The header fields of a result, with its cookies and its target."""
    fields = _pairs(result.headers)
    if isinstance(result, Redirect):
        fields.append(("Location", redirect_target(result.target)))
    fields += [("Set-Cookie", cookie.header) for cookie in result.cookies]
    return tuple(fields)


def _pairs(headers: Headers) -> list[tuple[str, str]]:
    return list(headers.items() if isinstance(headers, Mapping) else headers)


def _check(headers: Headers) -> None:
    for name, value in _pairs(headers):
        if name.lower() == "content-type":
            raise WrongHeader(name, "is set by the server: use media_type")
        check_header(name, value)

"""Cookies of a response (RFC 6265, and its revision for prefixes and SameSite)."""

from __future__ import annotations

import re
from typing import Final, Literal, Self

from msgspec import Struct

from unixsvc.domain.reply_head import WrongHeader

__all__ = ["SetCookie"]

_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE: Final = re.compile(r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*")
_PATH: Final = re.compile(r"/[\x20-\x3a\x3c-\x7e]*")
_DOMAIN: Final = re.compile(r"[0-9A-Za-z](?:[0-9A-Za-z.-]{0,252}[0-9A-Za-z])?")
_SAME_SITE: Final = ("Lax", "Strict", "None")
# Browsers ignore longer cookies.
_MAX_BYTES: Final = 4096


class SetCookie(Struct, frozen=True):
    """A cookie that the browser is to keep, for :class:`~unixsvc.Response` and :class:`~unixsvc.Redirect`.

    By default a script cannot read it, it is sent over HTTPS only, and not with requests that pages of other
    sites make, except for links to this one. (Browsers take ``http://localhost`` for HTTPS.)

    :ivar name: a name with the prefix ``__Host-`` makes the browser require ``secure``, the path ``/`` and no
        domain; with ``__Secure-`` only the first.
    :ivar value: letters, digits and punctuation, without spaces, quotes, commas, semicolons and backslashes.
    :ivar max_age: the seconds for which the browser keeps it; None until the browser is closed.
    :ivar path: the paths below this one get it.
    :ivar domain: the hosts below this one get it too; empty for the host of the response alone.
    :ivar secure: whether it is sent over HTTPS only.
    :ivar http_only: whether it is hidden from scripts.
    :ivar same_site: ``Lax``; ``Strict`` to keep it from links of other sites too; ``None`` to send it with
        their requests.
    :ivar partitioned: whether each site that embeds this one has a cookie of its own (CHIPS).
    :raises ValueError: for values that would become another attribute or field, or
        that a browser would ignore.
    """

    name: str
    value: str
    max_age: int | None = None
    path: str = "/"
    domain: str = ""
    secure: bool = True
    http_only: bool = True
    same_site: Literal["Lax", "Strict", "None"] = "Lax"
    partitioned: bool = False

    def __post_init__(self) -> None:
        problem = next((problem for wrong, problem in self._rules() if wrong), "")
        if problem:
            raise WrongHeader("Set-Cookie", f"of the cookie {self.name[:64]!r} {problem}")

    @classmethod
    def delete(cls, name: str, *, path: str = "/", domain: str = "") -> Self:
        """Return what makes the browser drop a cookie, which has this path and domain."""
        return cls(name, "", 0, path, domain)

    @property
    def header(self) -> str:
        """The value of the header field ``Set-Cookie``."""
        parts = [f"{self.name}={self.value}"]
        parts += [] if self.max_age is None else [f"Max-Age={self.max_age}"]
        parts += [f"Domain={self.domain}"] if self.domain else []
        parts.append(f"Path={self.path}")
        parts += ["Secure"] if self.secure else []
        parts += ["HttpOnly"] if self.http_only else []
        parts.append(f"SameSite={self.same_site}")
        parts += ["Partitioned"] if self.partitioned else []
        return "; ".join(parts)

    def _rules(self) -> list[tuple[bool, str]]:
        # Browsers compare prefixes without regard to case.
        name = self.name.lower()
        host, secure = name.startswith("__host-"), name.startswith("__secure-")
        return [
            (not _NAME.fullmatch(self.name), "has a name with characters that are not allowed"),
            (not _VALUE.fullmatch(self.value), "has a value with characters that are not allowed: encode it"),
            (not _PATH.fullmatch(self.path), "has a path with characters that are not allowed"),
            (bool(self.domain) and not _DOMAIN.fullmatch(self.domain), "has a domain that is no host name"),
            (self.max_age is not None and type(self.max_age) is not int, "has a max_age that is no integer"),
            (self.same_site not in _SAME_SITE, "has a same_site other than Lax, Strict or None"),
            (self.same_site == "None" and not self.secure, "needs secure, as same_site is None"),
            (self.partitioned and not self.secure, "needs secure, as it is partitioned"),
            ((host or secure) and not self.secure, "needs secure because of its prefix"),
            (host and self.path != "/", "needs the path / because of its prefix"),
            (host and bool(self.domain), "must have no domain because of its prefix"),
            (len(self.header) > _MAX_BYTES, f"is longer than {_MAX_BYTES} bytes"),
        ]

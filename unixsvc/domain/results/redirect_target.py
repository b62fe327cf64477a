"""Targets of redirects."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote, urlsplit

__all__ = ["WrongTarget", "redirect_target"]

# Browsers drop tabs and line ends from a URL, and take a backslash for a slash: "/\evil.example" is a host.
_REFUSED: Final = re.compile(r"[\x00-\x20\x7f\\]")
_SAFE_IN_URL: Final = "/%:?#[]@!$&'()*+,;=-._~"
_SCHEMES: Final = ("http", "https")


class WrongTarget(ValueError):
    """A redirect leads to something other than a path or an HTTP URL."""

    def __init__(self, target: str, problem: str) -> None:
        super().__init__(f"the target {target[:200]!r} of a redirect {problem}")


def redirect_target(target: str) -> str:
    """Return a target as it is sent in ``Location``.

    :param target: a path of this server, as ``/user/7?page=2``, or a whole URL with ``http`` or ``https``.
    :raises WrongTarget: for another one: ``//host`` is another server, and ``javascript:`` is executed.
    """
    if _REFUSED.search(target):
        raise WrongTarget(target, "has spaces, backslashes or control characters")
    if target.startswith("/"):
        if target.startswith("//"):
            raise WrongTarget(target, "is another host: write a path, or a URL with its scheme")
        return quote(target, safe=_SAFE_IN_URL)
    try:
        parts = urlsplit(target)
        host = parts.hostname
        parts.port  # noqa: B018 # raises ValueError if it is no port
    except ValueError:
        raise WrongTarget(target, "is not a valid URL") from None
    if parts.scheme not in _SCHEMES or not host:
        raise WrongTarget(target, "is neither a path, as /user/7, nor a URL with http or https")
    if not host.isascii():
        raise WrongTarget(target, "has a host with letters other than ASCII: write it in Punycode")
    return quote(target, safe=_SAFE_IN_URL)

"""How a failure looks over HTTP: RFC 9457, ``application/problem+json``."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

import msgspec

__all__ = ["PROBLEM", "problem"]

PROBLEM: Final = b"application/problem+json"
_encode: Final = msgspec.json.Encoder().encode
_IN_URN: Final = "-._~!$&'()*+,;=:@"
_STANDARD: Final = frozenset({"type", "title", "status", "detail", "instance"})


def problem(code: int, message: str, detail: Any = None, request_id: str = "") -> bytes:
    """The body of an answer that tells of a failure.

    :param code: the status; those of ``docs/protocol.rst`` are meant to be the same over HTTP.
    :param message: the standard words for it.
    :param detail: what is particular to it. Words are the problem's ``detail``, a list (of ``field`` and
        ``message``, for 422) its ``errors``, and the members of an object are its own members, as
        ``allowed`` and ``retry_after``.
    :param request_id: by which the log knows the request; the problem's ``instance``.
    """
    found: dict[str, Any] = {"type": "about:blank", "title": message, "status": code}
    if isinstance(detail, str):
        found["detail"] = detail
    elif isinstance(detail, dict):
        found |= {str(name): value for name, value in detail.items() if name not in _STANDARD}
    elif isinstance(detail, list | tuple):
        found["errors"] = detail
    elif detail is not None:
        found["detail"] = _encode(detail).decode()
    if request_id:
        found["instance"] = f"urn:unixsvc:request:{quote(request_id, safe=_IN_URN)}"
    return _encode(found)

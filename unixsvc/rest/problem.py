"""Problem details for HTTP (RFC 9457), ``application/problem+json``. Pure."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

import msgspec

__all__ = ["PROBLEM", "problem"]

PROBLEM: Final = b"application/problem+json"
_encode: Final = msgspec.json.Encoder().encode
_SAFE_IN_URN: Final = "-._~!$&'()*+,;=:@"
_STANDARD_MEMBERS: Final = frozenset({"type", "title", "status", "detail", "instance"})


def problem(code: int, message: str, detail: object = None, request_id: str = "") -> bytes:
    """The body of an error response.

    :param code: the status code; the same as of the reply, see ``docs/reference/protocol.rst``.
    :param message: the problem's ``title``.
    :param detail: a text becomes the problem's ``detail``, a list (for 422: of ``field`` and ``message``) its
        ``errors``; the members of a dict, as ``allowed`` and ``retry_after``, become members of the problem.
    :param request_id: of the request, as in the log; part of the problem's ``instance``.
    """
    found: dict[str, object] = {"type": "about:blank", "title": message, "status": code}
    if isinstance(detail, str):
        found["detail"] = detail
    elif isinstance(detail, dict):
        found |= {str(name): value for name, value in detail.items() if name not in _STANDARD_MEMBERS}
    elif isinstance(detail, list | tuple):
        found["errors"] = detail
    elif detail is not None:
        found["detail"] = _encode(detail).decode()
    if request_id:
        found["instance"] = f"urn:unixsvc:request:{quote(request_id, safe=_SAFE_IN_URN)}"
    return _encode(found)

"""The code with which a reply is counted, logged and traced."""

from __future__ import annotations

from unixsvc.domain.message import Reply, Request

__all__ = ["sent_code"]

_NOTHING = (b"", b"null")


def sent_code(request: Request, reply: Reply) -> int:
    """The code of a reply as it is sent; over HTTP the status also says whether something was created.

    That of a WebSocket is the code with which the action ends. A client's cache may turn a 200 into a 304
    later, and a range that of a file into a 206.
    """
    code = reply.code
    if request.headers is None or code >= 400:
        return code
    head = reply.head
    if head is not None:
        if head.status:
            return head.status
        if head.file is not None or head.form in ("text", "base64"):
            return code if reply.location is None else 201
    if reply.location is not None:
        return 201
    is_empty = reply.items is None and reply.body in _NOTHING
    return 204 if is_empty and request.channel is None else code

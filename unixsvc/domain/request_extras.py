"""What few requests have."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec import Struct

from unixsvc.domain.json import JsonObject

if TYPE_CHECKING:
    from unixsvc.domain.uploads.interfaces import Upload
    from unixsvc.domain.websocket import MessageChannel

__all__ = ["RequestExtras"]


# Apart from the request: each field of a request costs all of them time, whether they use it or not.
class RequestExtras(Struct, gc=False):
    """The properties of a :class:`~unixsvc.Request` that are described there.

    :ivar passed_gates: whether the gates of the route have let the request pass, or do so.
    :ivar work: the functions that ``Request.background()`` has got; None without any.
    """

    route_meta: JsonObject = {}
    work: list[Callable[[], object]] | None = None
    reply_headers: list[tuple[str, str]] | None = None
    passed_gates: bool = False
    user: object | None = None
    user_name: str = ""
    secure: bool = False
    forwarded_host: str = ""
    upload: Upload | None = None
    channel: MessageChannel | None = None

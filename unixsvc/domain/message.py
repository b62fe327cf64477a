"""What is asked and what is answered, whatever carried it."""

from __future__ import annotations

import itertools
import os
from collections.abc import AsyncGenerator
from typing import Any, Final, Generic, TypeVar

import msgspec

__all__ = ["EMPTY", "Caller", "Created", "Peer", "Reply", "Request"]

EMPTY: Final = msgspec.Raw(b"{}")
_numbers = itertools.count(1)
_T = TypeVar("_T")


class Peer(msgspec.Struct, frozen=True):
    """The process at the other end, as the kernel vouches for it; None where nobody does."""

    uid: int | None = None
    gid: int | None = None
    pid: int | None = None


class Caller:
    """What is known of whoever sends requests, for as long as its connection lasts.

    :ivar peer: the process at the other end.
    :ivar trusted: whether routes that are not public are open to it.
    :ivar wrong_tokens: how many wrong tokens it has shown.
    """

    __slots__ = ("peer", "trusted", "wrong_tokens")

    def __init__(self, peer: Peer = Peer(), *, trusted: bool = False) -> None:
        self.peer = peer
        self.trusted = trusted
        self.wrong_tokens = 0


# There is one for each message, and none is in a cycle of references: to have the collector look after
# them (gc=True) would cost each message some 4 % of our part.
class Request(msgspec.Struct, frozen=True, gc=False):
    """One message to an action.

    :ivar method: upper-cased.
    :ivar path: starts with ``/``; without the query, its percent-escapes not yet decoded.
    :ivar data: the arguments, a JSON object that is not yet decoded.
    :ivar query: what stood behind ``?`` in the path.
    :ivar timeout: what is left of the caller's time, in seconds; None if the caller set no limit.
    :ivar meta: ``request_id``, ``traceparent``, ``idempotency_key``, and the caller's own.
    :ivar caller: who asks.
    :ivar number: counts the requests of this process.
    :ivar route_meta: the ``meta`` of the route that answers; set for actions that take the request.
    """

    method: str
    path: str
    data: msgspec.Raw = EMPTY
    query: str = ""
    auth_token: str | None = None
    timeout: float | None = None
    meta: dict[str, str] = {}
    caller: Caller = msgspec.field(default_factory=Caller)
    number: int = msgspec.field(default_factory=_numbers.__next__)
    route_meta: dict[str, Any] = {}

    @property
    def peer(self) -> Peer:
        """The process at the other end."""
        return self.caller.peer

    @property
    def request_id(self) -> str:
        """The caller's name for this request, or one of ours: unique on this machine while we live."""
        return self.meta.get("request_id") or f"{os.getpid():x}-{self.number:x}"

    def __repr__(self) -> str:
        # The generated one would show the token, and a repr ends up in logs.
        return f"<Request {self.request_id} {self.method} {self.path}>"


class Reply(msgspec.Struct, frozen=True, gc=False):
    """The answer to one request.

    :ivar code: 200, or the code of a failure.
    :ivar body: of a success: the result, as JSON.
    :ivar message: of a failure: the standard words for its code.
    :ivar detail: of a failure: what is particular to it, in any form that JSON can hold.
    :ivar location: of a success that has made something: the path where that is, or an empty string where
        nobody says; None if nothing was made.
    :ivar items: of a stream, as its datasource answers: each item as JSON. Then there is no body.
    """

    code: int = 200
    body: bytes = b"null"
    message: str = ""
    detail: Any = None
    location: str | None = None
    items: AsyncGenerator[bytes, None] | None = None


class Created(msgspec.Struct, Generic[_T], frozen=True):
    """What an action gives that has made something. Over HTTP that is 201, over a socket as any result.

    An action says so in its annotation: ``async def create(self, new: NewUser) -> Created[User]``.

    :ivar value: the result.
    :ivar location: the path where it is, as this application has it: ``/user/7``; empty if it has none.
    """

    value: _T
    location: str = ""

"""Requests and replies, independent of the transport."""

from __future__ import annotations

import itertools
import os
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final, Generic, ParamSpec, TypeVar

import msgspec

from unixsvc.domain.header_names import canonical_name
from unixsvc.domain.json import Json, JsonObject
from unixsvc.domain.reply_head import ReplyHead, check_header
from unixsvc.domain.request_extras import RequestExtras

if TYPE_CHECKING:
    from unixsvc.domain.uploads.interfaces import Upload
    from unixsvc.domain.websocket import MessageChannel

__all__ = [
    "EMPTY", "FORWARDED_USER", "Caller", "Created", "Grant", "Peer", "Reply", "Request", "add_headers"
]  # fmt: skip

FORWARDED_USER: Final = "user"
"""The entry of ``meta`` in which a service names the user of a request to a service that it mounts."""

EMPTY: Final = msgspec.Raw(b"{}")
_numbers = itertools.count(1)


class _Process:
    """What begins the generated ids of requests: os.getpid() is a system call each time."""

    prefix: str

    def __init__(self) -> None:
        self.renew()
        os.register_at_fork(after_in_child=self.renew)

    def renew(self) -> None:
        self.prefix = f"{os.getpid():x}-"


_process: Final = _Process()
_P = ParamSpec("_P")
_T = TypeVar("_T")


class Peer(msgspec.Struct, frozen=True):
    """The credentials of the process at the other end of a Unix socket (``SO_PEERCRED``).

    They are None for transports without credentials, such as TCP.
    """

    uid: int | None = None
    gid: int | None = None
    pid: int | None = None


class Grant(msgspec.Struct, frozen=True, gc=False):
    """What a valid token stands for.

    :ivar name: the name of the token.
    :ivar digest: identifies the token itself: during a rotation, two have the same name.
    """

    name: str
    digest: str = ""


# A Struct is constructed without a Python function: a service may get a connection for each request.
class Caller(msgspec.Struct, gc=False):
    """The sender of the requests on one connection.

    :ivar known_peer: the credentials of the process; None as long as nothing has read them, see
        :attr:`peer`.
    :ivar trusted: true if routes that are not public are open to the caller.
    :ivar admitted: true if the guard needs to check no further request of the caller.
    :ivar wrong_tokens: the number of wrong tokens that the caller has sent.
    :ivar grant: the grant of the token that the caller has presented; None if there is none.
    """

    known_peer: Peer | None = Peer()
    trusted: bool = False
    admitted: bool = False
    wrong_tokens: int = 0
    grant: Grant | None = None

    @property
    def peer(self) -> Peer:
        """The credentials of the process."""
        peer = self.known_peer
        if peer is None:
            peer = self.known_peer = self.find_peer()
        return peer

    def find_peer(self) -> Peer:
        """Find out the credentials; for subclasses that do so only when something reads them."""
        return Peer()

    @property
    def token(self) -> str | None:
        """The name of the token that the caller has presented; None if there is none."""
        return None if self.grant is None else self.grant.name

    @property
    def identity(self) -> str | None:
        """The identity of the caller: two callers with the same one are the same principal.

        ``uid:1000`` for a process whose user the kernel reports; ``token:NAME`` for a caller without such a
        user, as over HTTP, that has presented a token; None for an anonymous caller. That of a user whom the
        application has authenticated is the ``identity`` of the request.
        """
        if self.peer.uid is not None:
            return f"uid:{self.peer.uid}"
        return None if self.grant is None else f"token:{self.grant.name}"


# One object for each message, and never part of a reference cycle. Tracking by the garbage collector
# (gc=True) would cost 4 % of the framework's time for a message.
class Request(msgspec.Struct, frozen=True, gc=False):
    """A request.

    :ivar method: in upper case.
    :ivar path: starts with ``/``; without the query, percent-escapes not decoded.
    :ivar data: the arguments, an encoded JSON object.
    :ivar query: the part of the path after ``?``.
    :ivar auth_token: the token of the caller; None if there is none.
    :ivar timeout: the time that the caller waits, in seconds; None for no limit.
    :ivar meta: ``request_id``, ``traceparent``, ``idempotency_key``, and entries of the caller's choice.
    :ivar caller: the sender.
    :ivar number: the number of the request in this process.
    :ivar headers: the values of each HTTP header field, by its name in twisted.web's spelling; None for a
        request that has not come over HTTP.
    :ivar peer_address: of the HTTP client: behind trusted proxies, as they report it. None for a request that
        has not come over HTTP.
    :ivar body: what an HTTP request has as its body, for routes that take it as it is; of a form, its text
        fields, urlencoded.
    :ivar extras: what few requests have; None if the request has nothing of it.
    """

    method: str
    path: str
    data: msgspec.Raw = EMPTY
    query: str = ""
    auth_token: str | None = None
    timeout: float | None = None
    meta: dict[str, str] = {}
    caller: Caller = msgspec.field(default_factory=Caller)
    headers: Mapping[bytes, Sequence[bytes]] | None = None
    peer_address: object | None = None
    body: bytes = b""
    number: int = msgspec.field(default_factory=_numbers.__next__)
    extras: RequestExtras | None = None

    def header(self, name: str) -> str | None:
        """The value of a header field: the last one of HTTP, or on a socket the entry of ``meta``.

        :param name: in any case; the entry of ``meta`` is in lower case.
        """
        if self.headers is None:
            return self.meta.get(name.lower())
        values = self.headers.get(canonical_name(name))
        return values[-1].decode("latin-1") if values else None

    def add_reply_header(self, name: str, value: str) -> None:
        """Add a header field to the response, if the request has come over HTTP.

        :raises ValueError: if the field cannot be part of a response.
        """
        check_header(name, value)
        extras = self.own_extras()
        if extras.reply_headers is None:
            extras.reply_headers = []
        extras.reply_headers.append((name, value))

    def background(self, function: Callable[_P, object], *args: _P.args, **kwargs: _P.kwargs) -> None:
        """Call a function when the reply has been sent, unless the reply is an error.

        A coroutine function runs on the event loop; any other function in a thread. The function has neither
        the deadline of the request, nor is it cancelled with it. Its failure is logged with the id of the
        request, and a worker that drains waits for it. A worker that is killed forgets it.
        """
        extras = self.own_extras()
        if extras.work is None:
            # It would be part of a reference cycle if a function had the request, but it is taken away after
            # the reply.
            extras.work = []
        extras.work.append(partial(function, *args, **kwargs))

    def take_work(self) -> list[Callable[[], object]]:
        """Return the functions for :meth:`background`, once."""
        extras = self.extras
        if extras is None or extras.work is None:
            return []
        work, extras.work = extras.work, None
        return work

    def take_reply_headers(self) -> Sequence[tuple[str, str]]:
        """Return :attr:`reply_headers`, once."""
        headers = self.reply_headers
        if headers:
            self.own_extras().reply_headers = None
        return headers

    def own_extras(self) -> RequestExtras:
        """Return the extras, which are made for this request if it has none."""
        extras = self.extras
        if extras is None:
            extras = RequestExtras()
            msgspec.structs.force_setattr(self, "extras", extras)  # frozen for actions
        return extras

    @property
    def route_meta(self) -> JsonObject:
        """The ``meta`` of the route, for actions that take the request as a parameter."""
        return {} if self.extras is None else self.extras.route_meta

    @property
    def reply_headers(self) -> Sequence[tuple[str, str]]:
        """Those of :meth:`add_reply_header`."""
        return () if self.extras is None else self.extras.reply_headers or ()

    @property
    def user(self) -> object | None:
        """Whom the application has authenticated; None for an anonymous caller."""
        return None if self.extras is None else self.extras.user

    @property
    def user_name(self) -> str:
        """Identifies the user, as ``user:SCHEME:SUBJECT``; empty for an anonymous caller."""
        return "" if self.extras is None else self.extras.user_name

    @property
    def secure(self) -> bool:
        """Whether the HTTP client uses TLS."""
        return self.extras is not None and self.extras.secure

    @property
    def forwarded_host(self) -> str:
        """The host that the client of a trusted proxy has asked for; empty if it is unknown."""
        return "" if self.extras is None else self.extras.forwarded_host

    @property
    def upload(self) -> Upload | None:
        """The body, for routes that take it while it arrives; None for others, and on a socket."""
        return None if self.extras is None else self.extras.upload

    @property
    def channel(self) -> MessageChannel | None:
        """The messages of a WebSocket; None for any other request."""
        return None if self.extras is None else self.extras.channel

    @property
    def peer(self) -> Peer:
        """The credentials of the process that sent the request."""
        return self.caller.peer

    @property
    def identity(self) -> str | None:
        """The identity of the user or else of the caller: requests with the same one are of one principal."""
        return self.user_name or self.caller.identity

    @property
    def request_id(self) -> str:
        """The caller's ``request_id``, or a generated one that is unique among the running processes."""
        return self.meta.get("request_id") or f"{_process.prefix}{self.number}"

    def __repr__(self) -> str:
        # The generated repr would show the token, and a repr is often logged.
        return f"<Request {self.request_id} {self.method} {self.path}>"


class Reply(msgspec.Struct, frozen=True, gc=False):
    """A reply.

    :ivar code: 200, or the code of an error.
    :ivar body: the result as JSON.
    :ivar message: for an error: the standard message of the code.
    :ivar detail: for an error: details that JSON can represent.
    :ivar location: the path of a created resource, empty if unknown; None if nothing was created.
    :ivar items: for a stream: the items, each as JSON. A stream has no body.
    :ivar head: what the reply says over HTTP besides; None for the usual status and headers.
    """

    code: int = 200
    body: bytes = b"null"
    message: str = ""
    detail: Json = None
    location: str | None = None
    items: AsyncGenerator[bytes, None] | None = None
    head: ReplyHead | None = None


def add_headers(reply: Reply, headers: Sequence[tuple[str, str]]) -> Reply:
    """Return a reply with further HTTP headers."""
    head = reply.head or ReplyHead()
    fields = (*head.headers, *headers)
    return msgspec.structs.replace(reply, head=msgspec.structs.replace(head, headers=fields))


class Created(msgspec.Struct, Generic[_T], frozen=True):
    """The result of an action that creates a resource. Over HTTP the status is 201 instead of 200.

    The action declares it: ``async def create(self, new: NewUser) -> Created[User]``.

    :ivar value: the result.
    :ivar location: the path of the resource in this application, as ``/user/7``; empty if it has none.
    """

    value: _T
    location: str = ""

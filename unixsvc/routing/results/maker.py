"""Replies from results that need more than JSON: streams, other media types, Response, Redirect, Created."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from typing import Any, Final, TypeAlias

from msgspec import Raw, Struct
from msgspec.structs import replace

from unixsvc.contract.model import ResponseContract
from unixsvc.domain.action_runner import ActionRunner
from unixsvc.domain.message import Created, Reply
from unixsvc.domain.reply_head import (
    MAX_HEARTBEAT,
    MIN_HEARTBEAT,
    BodyForm,
    ReplyHead,
    WrongHeader,
    check_media_type,
)
from unixsvc.domain.results.response import Redirect, Response, header_fields
from unixsvc.domain.validation.type_forms import TypeForm, bare, members_of
from unixsvc.errors import ConfigError
from unixsvc.routing.results.annotation import ResultType
from unixsvc.routing.results.encoding import Encode, encoder_for
from unixsvc.routing.results.encoding import encode as encode_any

__all__ = ["MakeReply", "ReplyMaker", "closing", "reply_maker"]

MakeReply: TypeAlias = Callable[[Any, ActionRunner], Reply]
"""Makes the reply for a result, of any type, of an action."""

_BYTES: Final = "application/octet-stream"
_JSON: Final = re.compile(r"application/(?:[^;]+\+)?json(?:;.*)?")
_REDIRECT: Final = 303
_REDIRECTION: Final = 300
_NULL: Final = b"null"


class ReplyMaker(Struct, frozen=True):
    """Makes the replies of one route.

    :ivar result: the type of the results.
    :ivar encode: encodes a value; of a stream, an item.
    :ivar media_types: those that the route declares; empty if it declares none.
    :ivar head: of all replies; None if JSON needs none.
    """

    result: ResultType
    encode: Encode
    media_types: tuple[str, ...]
    head: ReplyHead | None

    @property
    def needed(self) -> bool:
        """Whether the replies differ from the JSON of any value."""
        result = self.result
        special = result.stream or result.created or result.wrapped or result.file
        return special or self.encode is not encode_any or self.head is not None

    def __call__(self, result: Any, runner: ActionRunner) -> Reply:
        """Return the reply for a result.

        :raises ValueError: for a Response that the annotation, or the route, does not allow.
        """
        head = self.head
        if self.result.wrapped:
            if isinstance(result, Redirect):
                return Reply(body=_NULL, head=self._redirect_head(result))
            if isinstance(result, Response):
                head = self._response_head(result)
                result = result.value
        if self.result.file:
            return Reply(head=_file_head(result, head or ReplyHead()))
        location = None
        if isinstance(result, Created) and self.result.created:
            location, result = result.location, result.value
        if self.result.stream:
            return Reply(items=runner.stream(_encoded_items(result, self.encode)), head=head)
        if result is None and head is not None and head.form != "json":
            return Reply(body=_NULL, location=location, head=replace(head, media_type="", form="json"))
        return Reply(body=self.encode(result), location=location, head=head)

    @property
    def function(self) -> MakeReply:
        """The function that makes replies: for most results, one that looks at nothing but the value."""
        result, encode = self.result, self.encode
        if result.stream or result.wrapped or result.file or self.head is not None:
            return self

        def make_created(result: Any, runner: ActionRunner) -> Reply:
            return Reply(200, encode(result.value), location=result.location)

        def make(result: Any, runner: ActionRunner) -> Reply:
            return Reply(200, encode(result))

        return make_created if result.created else make

    def encoded(self, result: Any) -> object:
        """Encode the value in a result before its container ends; :meth:`after_container` takes it."""
        if isinstance(result, Redirect):
            return result
        if isinstance(result, Response):
            return replace(result, value=self.encoded(result.value))
        if self.result.file:
            return result
        if isinstance(result, Created) and self.result.created:
            return Created(Raw(self.encode(result.value)), result.location)
        return None if result is None else Raw(self.encode(result))

    def after_container(self) -> ReplyMaker:
        """The maker for results of :meth:`encoded`."""
        return replace(self, encode=_as_encoded)

    @property
    def contract(self) -> ResponseContract | None:
        """For the contract; None for 200 and JSON."""
        result = self.result
        head = None if self.head is None else replace(self.head, heartbeat=0.0)
        special = result.wrapped or result.file or result.status or result.headers
        if not (special or head not in (None, ReplyHead())):
            return None
        media_types = list(self.media_types)
        if not media_types and head is not None and head.form in ("text", "base64"):
            media_types = ["*/*"] if result.wrapped or result.file else [head.media_type]
        return ResponseContract(
            status=result.status or (0 if result.wrapped else 200),
            media_types=media_types,
            headers=dict(result.headers),
            redirects=result.redirects,
            file=result.file,
        )

    def _response_head(self, response: Response[object]) -> ReplyHead:
        head = self.head or ReplyHead()
        declared = self.result.status
        status = response.status or declared
        if status >= _REDIRECTION:
            raise ValueError(f"the status {status} of a response is not 200 to 299: return a Redirect")
        if declared and status != declared:
            raise ValueError(f"the response has the status {status}, and the annotation {declared}")
        media_type = self._media_type(response.media_type, head) if response.media_type else head.media_type
        return ReplyHead(status, header_fields(response), media_type, head.form, heartbeat=head.heartbeat)

    def _media_type(self, media_type: str, head: ReplyHead) -> str:
        declared = {each.partition(";")[0] for each in self.media_types}
        if declared and media_type.partition(";")[0] not in declared:
            raise WrongHeader(
                "Content-Type", f"has the value {media_type!r}, which the route does not declare"
            )
        if head.form in ("json", "events") and not _JSON.fullmatch(media_type):
            raise WrongHeader("Content-Type", f"has the value {media_type!r}, but the body is JSON")
        return _with_charset(media_type, head.form)

    def _redirect_head(self, redirect: Redirect) -> ReplyHead:
        declared = self.result.status if self.result.redirects == "always" else 0
        status = redirect.status or declared or _REDIRECT
        if declared and status != declared:
            raise ValueError(f"the redirect has the status {status}, and the annotation {declared}")
        return ReplyHead(status, header_fields(redirect))


def reply_maker(
    result: ResultType,
    media_types: Sequence[str],
    where: str,
    *,
    allow_nan_as_null: bool,
    heartbeat: float = 0.0,
) -> ReplyMaker:
    """Prepare the replies of a route.

    :param media_types: those that the route declares; the first is used if the result names none.
    :param where: the route, for error messages.
    :param heartbeat: of server-sent events, in seconds; 0 for the usual one.
    :raises ConfigError: if the results cannot have these media types, or no heartbeat.
    """
    for each in media_types:
        try:
            check_media_type(each)
        except WrongHeader:
            raise ConfigError(
                where, f"the media type {each[:64]!r} is not valid", "write it as text/csv"
            ) from None
    form = _form_of(result, media_types, where)
    encode = _ENCODERS.get(form) or encoder_for(result.value, allow_nan_as_null=allow_nan_as_null)
    default = _BYTES if form == "base64" and not result.file else ""
    media_type = media_types[0] if media_types else default
    status = 0 if result.redirects == "always" else result.status
    if heartbeat:
        _require_heartbeat(heartbeat, result, form, where)
    head = ReplyHead(status, (), _with_charset(media_type, form), form, heartbeat=heartbeat)
    return ReplyMaker(result, encode, tuple(media_types), None if head == ReplyHead() else head)


def closing(items: Any) -> AbstractAsyncContextManager[AsyncIterable[Any]]:
    """Return a context manager that closes an iterable, if it has ``aclose``."""
    return aclosing(items) if hasattr(items, "aclose") else nullcontext(items)


def _require_heartbeat(heartbeat: float, result: ResultType, form: BodyForm, where: str) -> None:
    """Require that a route can have a heartbeat, and at this interval."""
    if not result.stream or form not in ("json", "events"):
        raise ConfigError(
            where, "the result is no stream of events, and has a heartbeat", "remove the heartbeat"
        )
    if not MIN_HEARTBEAT <= heartbeat <= MAX_HEARTBEAT:
        raise ConfigError(where, f"the heartbeat is {heartbeat} s", "use 1 to 3600")


def _form_of(result: ResultType, media_types: Sequence[str], where: str) -> BodyForm:
    """How JSON represents results; that of files is that of bytes, although it has none."""
    if result.file:
        return "base64"
    kinds = {bare(each) for each in members_of(result.value)} - {None, type(None)}
    if bytes in kinds:
        if kinds != {bytes}:
            raise ConfigError(where, "the result is bytes or something else", "make a route for each")
        return "base64"
    if result.events:
        if media_types:
            raise ConfigError(
                where, "a stream of events has media types", "remove them: it is an event stream"
            )
        return "events"
    others = [each for each in media_types if not _JSON.fullmatch(each)]
    if not others:
        if media_types and result.stream:
            raise ConfigError(where, "a stream of JSON has media types", "remove them: the client chooses")
        return "json"
    if kinds != {str}:
        remedy = "return bytes or str, or remove it"
        raise ConfigError(where, f"the result is JSON, and the media type {others[0]}", remedy)
    if len(others) != len(media_types):
        raise ConfigError(
            where, "some of the media types are JSON, and some are not", "make a route for each"
        )
    return "text"


def _file_head(file: Any, head: ReplyHead) -> ReplyHead:
    # Late: few services reply with files.
    from unixsvc.files.opened import open_file

    opened = open_file(file, head.media_type)
    return replace(head, media_type="", file=opened)


def _with_charset(media_type: str, form: BodyForm) -> str:
    if form == "text" and media_type.startswith("text/") and "charset=" not in media_type:
        return f"{media_type}; charset=utf-8"
    return media_type


def _encode_bytes(value: Any) -> bytes:
    if not isinstance(value, bytes | bytearray | memoryview):
        raise TypeError(f"the action returned {type(value).__name__}, and its annotation says bytes")
    return bytes(value)


def _encode_text(value: Any) -> bytes:
    if not isinstance(value, str):
        raise TypeError(f"the action returned {type(value).__name__}, and its annotation says str")
    return value.encode()


def _as_encoded(value: Any) -> bytes:
    return _NULL if value is None else bytes(value)


_ENCODERS: Final[dict[TypeForm, Encode]] = {"base64": _encode_bytes, "text": _encode_text}


async def _encoded_items(items: AsyncIterable[object], encode: Encode) -> AsyncGenerator[bytes, None]:
    """Yield each item encoded; closing this generator closes the items."""
    async with closing(items):
        async for item in items:
            yield encode(item)

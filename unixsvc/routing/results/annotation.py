"""The annotation of a result: the type of the value, and the wrappers around it."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Mapping
from types import NoneType
from typing import Annotated, Any, Final, Union, get_args, get_origin

from msgspec import Struct

from unixsvc.domain.file import File
from unixsvc.domain.message import Created
from unixsvc.domain.results.events import Event
from unixsvc.domain.results.response import Redirect, Response, Returns
from unixsvc.domain.validation.type_forms import TypeForm, bare, members_of, unnamed
from unixsvc.errors import ConfigError
from unixsvc.routing.route import Action

__all__ = ["ResultType", "read_result"]

_STREAMS: Final = (AsyncIterator, AsyncGenerator, AsyncIterable)
_PARTS: Final = (Response, Redirect)


class ResultType(Struct, frozen=True):
    """The type of a result.

    :ivar value: the type of the value; of a stream, of each item.
    :ivar stream: true if the result is a stream.
    :ivar created: true if the result is a :class:`~unixsvc.domain.message.Created`.
    :ivar file: true if the result is a :class:`~unixsvc.domain.file.File`; then there is no value.
    :ivar wrapped: true if the result can be a ``Response`` or a ``Redirect``.
    :ivar redirects: whether the result is a ``Redirect``: ``never``, ``sometimes`` or ``always``.
    :ivar status: the declared status; 0 without one.
    :ivar headers: the descriptions of the declared header fields.
    """

    value: TypeForm
    stream: bool = False
    created: bool = False
    file: bool = False
    wrapped: bool = False
    redirects: str = "never"
    status: int = 0
    headers: Mapping[str, str] = {}

    @property
    def events(self) -> bool:
        """True if the items of the stream are events."""
        form = bare(self.value)
        return self.stream and (get_origin(form) or form) is Event


def read_result(action: Action, hint: TypeForm, where: str) -> ResultType:
    """Take the annotation of a result apart.

    :param where: the route, for error messages.
    :raises ConfigError: if the action can never return such a result.
    """
    returns = _returns_of(hint, where)
    members = members_of(hint)
    parts = [each for each in members if (get_origin(each) or each) in _PARTS]
    inner = _union([_value_of(each, where) for each in members]) if parts else hint
    redirects = Redirect in parts
    result = _read_value(action, inner, where, wrapped=bool(parts))
    if result.stream and redirects:
        raise ConfigError(where, "the result is a stream or a Redirect", "make a route for each")
    return ResultType(
        result.value,
        result.stream,
        result.created,
        result.file,
        bool(parts),
        ("always" if len(members) == 1 else "sometimes") if redirects else "never",
        returns.status,
        returns.headers,
    )


def _read_value(action: Action, hint: TypeForm, where: str, *, wrapped: bool) -> ResultType:
    form = bare(hint)
    if _has_file(form, where):
        return ResultType(NoneType, file=True)
    stream = (get_origin(form) or form) in _STREAMS
    if inspect.isasyncgenfunction(action) and (wrapped or not stream):
        raise ConfigError(where, "an async generator must be annotated as AsyncIterator[...]")
    if stream and not get_args(form):
        raise ConfigError(where, "the annotation of a stream must name the item type: AsyncIterator[...]")
    if stream and not wrapped and inspect.iscoroutinefunction(action):
        remedy = "make the action an async generator, or return Response[AsyncIterator[...]]"
        raise ConfigError(where, "a coroutine cannot return a stream", remedy)
    if stream:
        item = get_args(form)[0]
        if any((get_origin(each) or each) in (Created, *_PARTS) for each in members_of(item)):
            problem = "the items of the stream are Created, Response or Redirect"
            raise ConfigError(where, problem, "use Response[AsyncIterator[...]] for header fields")
        return ResultType(item, stream=True)
    if any((get_origin(each) or each) in _STREAMS for each in members_of(hint)):
        raise ConfigError(where, "the result is a stream or something else", "make a route for each")
    if (get_origin(form) or form) is not Created:
        return ResultType(hint)
    if not get_args(form):
        raise ConfigError(
            where, "Created has no type of the created resource", "annotate the result as Created[...]"
        )
    return ResultType(get_args(form)[0], created=True)


def _has_file(form: TypeForm, where: str) -> bool:
    """Whether a result is a file, which cannot be a part of another one."""
    if form is not File and any(bare(each) is File for each in (*members_of(form), *get_args(form))):
        raise ConfigError(where, "the result is a File or something else", "return one File")
    return form is File


def _value_of(member: TypeForm, where: str) -> TypeForm:
    if member is Redirect:
        return None
    if (get_origin(member) or member) is not Response:
        return member
    if not get_args(member):
        raise ConfigError(where, "Response has no type of the value", "annotate the result as Response[...]")
    return get_args(member)[0]


def _union(types: list[TypeForm]) -> TypeForm:
    # Python forms unions at run time; type checkers want to know their members.
    union: Any = Union
    return types[0] if len(types) == 1 else union[tuple(types)]


def _returns_of(hint: TypeForm, where: str) -> Returns:
    found = Returns()
    hint = unnamed(hint)
    while get_origin(hint) is Annotated:
        hint, *metadata = get_args(hint)
        found = next((each for each in metadata if isinstance(each, Returns)), found)
        hint = unnamed(hint)
    status = found.status
    if status and not 200 <= status <= 399:
        raise ConfigError(where, f"the annotation of the result has the status {status}", "use 200 to 399")
    return found

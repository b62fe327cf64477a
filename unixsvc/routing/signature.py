"""From an action's signature to where its arguments come from, worked out when the route table is built."""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Mapping,
    MutableSequence,
    MutableSet,
    Sequence,
    Set,
)
from typing import Annotated, Any, Final, Union, get_args, get_origin, get_type_hints

import msgspec
import svcs
from msgspec import Struct

from unixsvc.domain.message import Created, Request
from unixsvc.errors import ConfigError
from unixsvc.routing.table import PATH_TYPES, Variable

__all__ = ["Signature", "is_list", "is_plain", "read_signature", "resolve_hints"]

_LISTS: Final = (list, tuple, set, frozenset, Sequence, MutableSequence, Set, MutableSet)
_STREAMS: Final = (AsyncIterator, AsyncGenerator, AsyncIterable)


class Signature(Struct, frozen=True):
    """Where each parameter of an action comes from.

    :ivar path: the annotations of those that come from the path, by name, in the pattern's order.
    :ivar refined: which of these ask for more than the pattern's kind ensures.
    :ivar data: the struct that ``data`` is decoded into; None if the action takes nothing from it.
    :ivar whole: the parameter that takes all of ``data``; empty if its fields are parameters.
    :ivar request: the parameter that takes the message; empty if none does.
    :ivar container: the parameter that takes a container of its own; empty if none does.
    :ivar returns: what the action gives; of a stream, each item.
    :ivar stream: whether the action gives a stream.
    :ivar created: whether it gives a :class:`~unixsvc.domain.message.Created`; ``returns`` is what is in it.
    """

    path: dict[str, Any]
    refined: tuple[str, ...]
    data: type[Struct] | None
    whole: str
    request: str
    container: str
    returns: Any
    stream: bool
    created: bool = False


def read_signature(action: Callable[..., Any], variables: Mapping[str, Variable], where: str) -> Signature:
    """Work out where an action's parameters come from.

    :param action: as it will be called, so a bound method where there is a controller.
    :param variables: of the route's pattern.
    :param where: the route, for messages.
    :raises ConfigError: if the route can never work.
    """
    hints = resolve_hints(getattr(action, "__func__", action), where)
    parameters = inspect.signature(action).parameters
    for name, parameter in parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            raise ConfigError(where, f"the parameter {name!r} cannot be passed by name")
    for name in [*parameters, "return"]:
        if name not in hints:
            what = "the return value" if name == "return" else f"the parameter {name!r}"
            raise ConfigError(where, f"{what} has no annotation")
    for name in variables:
        if name not in parameters:
            raise ConfigError(where, f"the action has no parameter {name!r} for the path's variable")
    rest = [name for name in parameters if name not in variables]
    request = _only(rest, hints, lambda kind: kind is Request, where)
    container = _only(rest, hints, lambda kind: kind is svcs.Container, where)
    whole = _only(rest, hints, _is_struct, where)
    fields = [name for name in rest if name not in (request, container, whole)]
    if whole and fields:
        raise ConfigError(where, f"{whole!r} takes all of data, so nothing is left for {fields[0]!r}")
    path = {name: _path_annotation(variable, hints[name], where) for name, variable in variables.items()}
    refined = tuple(name for name, each in variables.items() if path[name] is not PATH_TYPES[each.kind].type)
    data = _bare(hints[whole]) if whole else _struct_of(fields, hints, parameters, where)
    _require_known(data, where)
    returns, stream = _result_of(action, hints["return"], where)
    created = (get_origin(returns) or returns) is Created
    if created:
        returns = _made(returns, stream, where)
    return Signature(path, refined, data, whole, request, container, returns, stream, created)


def is_plain(signature: Signature, action: Callable[..., Any]) -> bool:
    """Whether an action can be called with the values of the path's variables as they are, one after another.

    :param action: as it will be called. A decorator may take its arguments by name alone.
    """
    known = inspect.isfunction(getattr(action, "__func__", action))
    if not known or hasattr(action, "__wrapped__") or hasattr(action, "__signature__"):
        return False
    parameters = inspect.signature(action).parameters
    by_place = all(each.kind is each.POSITIONAL_OR_KEYWORD for each in parameters.values())
    return by_place and list(parameters) == list(signature.path) and not signature.refined


def resolve_hints(function: Callable[..., Any], where: str) -> dict[str, Any]:
    """The annotations of a function.

    :param where: what to name in messages.
    :raises ConfigError: if they cannot be found out.
    """
    try:
        return get_type_hints(function, include_extras=True)
    except (NameError, AttributeError, SyntaxError, TypeError) as error:
        raise ConfigError(where, f"an annotation cannot be resolved: {error}") from None


def is_list(kind: Any) -> bool:
    """Whether a value of this type is, or may be, a list of some kind."""
    bare = _bare(kind)
    if get_origin(bare) in (Union, types.UnionType):
        return any(map(is_list, get_args(bare)))
    return (get_origin(bare) or bare) in _LISTS


def _only(names: list[str], hints: Mapping[str, Any], test: Callable[[Any], bool], where: str) -> str:
    found = [name for name in names if test(hints[name])]
    if len(found) > 1:
        raise ConfigError(where, f"{found[0]!r} and {found[1]!r} would take the same")
    return found[0] if found else ""


def _bare(kind: Any) -> Any:
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


def _is_struct(kind: Any) -> bool:
    bare = _bare(kind)
    return isinstance(bare, type) and issubclass(bare, Struct) and bare is not Request


def _result_of(action: Callable[..., Any], kind: Any, where: str) -> tuple[Any, bool]:
    """What an action gives, of a stream each item; and whether it is a stream."""
    bare = _bare(kind)
    stream = (get_origin(bare) or bare) in _STREAMS
    if inspect.isasyncgenfunction(action) and not stream:
        raise ConfigError(where, "what an async generator gives is annotated as AsyncIterator[...]")
    if stream and not get_args(bare):
        raise ConfigError(where, "the annotation of a stream says of what: AsyncIterator[...]")
    if stream and inspect.iscoroutinefunction(action):
        raise ConfigError(where, "an async action gives a stream if it yields the items itself")
    return (get_args(bare)[0] if stream else kind), stream


def _made(kind: Any, stream: bool, where: str) -> Any:
    if stream or not get_args(kind):
        remedy = "annotate the result as Created[...], and streams as something else"
        raise ConfigError(where, "what is created is not said, or is a stream", remedy)
    return get_args(kind)[0]


def _path_annotation(variable: Variable, kind: Any, where: str) -> Any:
    given = PATH_TYPES[variable.kind].type
    if given is not str and _bare(kind) is not given:
        wanted = getattr(kind, "__name__", kind)
        raise ConfigError(where, f"{variable.name!r} is {variable.kind} in the path, {wanted} in the action")
    _require_known(kind, where)
    return kind


def _struct_of(
    names: list[str], hints: Mapping[str, Any], parameters: Mapping[str, inspect.Parameter], where: str
) -> type[Struct] | None:
    if not names:
        return None
    fields: list[tuple[Any, ...]] = []
    for name in names:
        default = parameters[name].default
        fields.append(
            (name, hints[name]) if default is inspect.Parameter.empty else (name, hints[name], default)
        )
    try:
        return msgspec.defstruct(_struct_name(where), fields, kw_only=True)
    except TypeError as error:
        raise ConfigError(where, str(error)) from None


def _struct_name(where: str) -> str:
    """A name for the arguments of a route: schemas are told apart by names, so no two may have the same."""
    escaped = re.sub(r"[^A-Za-z0-9/-]", lambda found: f"_{ord(found[0]):x}_", where.replace(" ", "", 1))
    return escaped.replace("/", ".")


def _require_known(kind: Any, where: str) -> None:
    try:
        msgspec.json.schema(kind)
    except (TypeError, NameError) as error:
        raise ConfigError(where, f"a parameter is of a type that no JSON becomes: {error}") from None

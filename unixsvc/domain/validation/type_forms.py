"""The parts of types as annotations write them: fields, items, values and members of unions."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, MutableMapping, MutableSequence, MutableSet, Sequence, Set
from functools import lru_cache
from types import UnionType
from typing import (
    Annotated,
    Any,
    Final,
    NotRequired,
    Required,
    TypeAlias,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

import msgspec

__all__ = [
    "Field",
    "FloatKey",
    "TypeForm",
    "as_struct",
    "bare",
    "fields_of",
    "holds",
    "is_list",
    "is_object",
    "items_of",
    "members_of",
    "unnamed",
    "values_of",
]

TypeForm: TypeAlias = object  # a type as annotations write it: a class, Annotated[...], a union, list[...]

_LISTS: Final = (list, set, frozenset, Sequence, MutableSequence, Set, MutableSet)
_DICTS: Final = (dict, Mapping, MutableMapping)
_UNTYPED: Final = (Any, object, *_LISTS, *_DICTS, tuple)
_CACHED: Final = 4096


class Field(msgspec.Struct, frozen=True):
    """A field of an object.

    :ivar name: in Python.
    :ivar encoded: in JSON.
    """

    name: str
    encoded: str
    type: TypeForm
    required: bool


class FloatKey:
    """Stands for ``float`` as the type of the keys of a dict, which JSON writes as text."""


def bare(type_form: TypeForm) -> TypeForm:
    """Return a type without ``Annotated``, ``NewType`` and names of aliases."""
    while get_origin(type_form := unnamed(type_form)) is Annotated:
        type_form = get_args(type_form)[0]
    return type_form


def unnamed(type_form: TypeForm) -> TypeForm:
    """Return a type without ``NewType`` and names of aliases, but with ``Annotated``."""
    while (inner := getattr(type_form, "__supertype__", None) or _aliased(type_form)) is not None:
        type_form = inner
    return type_form


def as_struct(type_form: TypeForm) -> type[msgspec.Struct] | None:
    """Return the class of a struct, also of a generic one with its arguments; None for other types."""
    origin = get_origin(type_form) or type_form
    return origin if isinstance(origin, type) and issubclass(origin, msgspec.Struct) else None


def is_object(type_form: TypeForm) -> bool:
    """Return whether the values of a type are JSON objects with known fields."""
    return fields_of(bare(type_form)) is not None


def fields_of(type_form: TypeForm) -> tuple[Field, ...] | None:
    """Return the fields of a struct, a dataclass, an attrs class or a TypedDict; None for other types."""
    struct = as_struct(type_form)
    if struct is not None:
        return None if struct.__struct_config__.array_like else _struct_fields(type_form)
    origin = get_origin(type_form) or type_form
    is_class = isinstance(origin, type)
    if is_class and (
        dataclasses.is_dataclass(origin) or is_typeddict(origin) or hasattr(origin, "__attrs_attrs__")
    ):
        return _class_fields(type_form)
    return None


def is_list(type_form: TypeForm) -> bool:
    """Return whether a value of a type can be a list, a tuple or a set."""
    return any((get_origin(each) or each) in (*_LISTS, tuple) for each in members_of(type_form))


def items_of(type_form: TypeForm) -> tuple[tuple[TypeForm, ...], TypeForm | None] | None:
    """Return the types of the first items of a list, and of all others; None for types that are no lists.

    The type of the others is None if there are none, or if they have no type.
    """
    origin, arguments = get_origin(type_form), get_args(type_form)
    if origin is tuple:
        return ((), arguments[0]) if arguments[1:] == (...,) else (arguments, None)
    if origin in _LISTS:
        return (), arguments[0]
    struct = as_struct(type_form)
    if struct is not None:
        if not struct.__struct_config__.array_like:
            return None
        tag: tuple[TypeForm, ...] = () if struct.__struct_config__.tag is None else (object,)
        return (*tag, *(each.type for each in _struct_fields(type_form))), None
    if isinstance(origin or type_form, type) and hasattr(type_form, "_fields"):
        return tuple(each.type for each in _class_fields(type_form)), None
    return None


def values_of(type_form: TypeForm) -> tuple[TypeForm, TypeForm] | None:
    """Return the types of the keys and values of a dict; None for other types, and without arguments."""
    arguments = get_args(type_form)
    return (arguments[0], arguments[1]) if get_origin(type_form) in _DICTS else None


def members_of(type_form: TypeForm) -> tuple[TypeForm, ...]:
    """Return the members of a union, none of which is a union; of another type, the type itself."""
    type_form = bare(type_form)
    if get_origin(type_form) not in (Union, UnionType):
        return (type_form,)
    return tuple(inner for member in get_args(type_form) for inner in members_of(member))


def holds(type_form: TypeForm, classes: tuple[type, ...], *, untyped: bool = False) -> bool:
    """Return whether values of a type can be or contain instances of some classes.

    :param untyped: the answer for ``Any`` and for other types of which the contents are not known.
    """
    return _holds(type_form, classes, untyped, set())


def _holds(type_form: TypeForm, classes: tuple[type, ...], untyped: bool, seen: set[TypeForm]) -> bool:
    found: list[TypeForm] = []
    for member in members_of(type_form):
        if member in classes:
            return True
        if isinstance(member, TypeVar) or member in _UNTYPED:
            if untyped:
                return True
        elif fields_of(member) is None or member not in seen:
            seen |= set() if fields_of(member) is None else {member}
            found += _parts_of(member)
    return any(_holds(each, classes, untyped, seen) for each in found)


def _parts_of(type_form: TypeForm) -> list[TypeForm]:
    if (fields := fields_of(type_form)) is not None:
        return [each.type for each in fields]
    if (values := values_of(type_form)) is not None:
        return [FloatKey if bare(values[0]) is float else values[0], values[1]]
    if (items := items_of(type_form)) is not None:
        return [*items[0], *([] if items[1] is None else [items[1]])]
    return []


def _aliased(type_form: TypeForm) -> TypeForm | None:
    """Return the type that a ``type`` statement (Python 3.12) has given a name."""
    return getattr(type_form, "__value__", None) if type(type_form).__name__ == "TypeAliasType" else None


# Without the cache annotations are compiled at each call, which takes 0.2 ms.
@lru_cache(_CACHED)
def _struct_fields(type_form: Any) -> tuple[Field, ...]:
    fields = msgspec.structs.fields(type_form)
    return tuple(Field(each.name, each.encode_name, each.type, each.required) for each in fields)


@lru_cache(_CACHED)
def _class_fields(type_form: Any) -> tuple[Field, ...]:
    origin = get_origin(type_form) or type_form
    variables = dict(zip(getattr(origin, "__parameters__", ()), get_args(type_form), strict=False))
    hints = get_type_hints(origin, include_extras=True)
    info: Any = msgspec.inspect.type_info(type_form)
    return tuple(
        Field(each.name, each.encode_name, _substituted(hints[each.name], variables), each.required)
        for each in info.fields
    )


def _substituted(hint: Any, variables: Mapping[Any, TypeForm]) -> TypeForm:
    """Return a type with its type variables replaced, and without ``Required``."""
    if get_origin(hint) in (Required, NotRequired):
        hint = get_args(hint)[0]
    if isinstance(hint, TypeVar):
        return variables.get(hint, hint)
    parameters = getattr(hint, "__parameters__", ()) if get_origin(hint) else ()
    return hint[tuple(variables.get(each, each) for each in parameters)] if parameters else hint

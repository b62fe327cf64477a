"""How the parameters of an action share the body, which is the data of a message."""

from __future__ import annotations

import copy
import string
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from unixsvc.contract.model import BodyContract
from unixsvc.domain.body_spec import BodyKind
from unixsvc.domain.validation.pydantic_models import is_model
from unixsvc.domain.validation.type_forms import TypeForm, as_struct, bare, is_object
from unixsvc.errors import ConfigError
from unixsvc.routing.parameters.body.markers import Body, Form
from unixsvc.routing.parameters.interfaces import REQUIRED
from unixsvc.routing.parameters.marker import Marker, find_markers, without_marker

__all__ = ["BodyPlan", "describe_body", "plan_body", "struct_of"]

_STRUCT_REMEDY: Final = "put all fields into one struct"
_MEDIA_TYPES: Final = {
    BodyKind.ANY_JSON: ["application/json"],
    BodyKind.RAW: [],
    BodyKind.STREAM: [],
    BodyKind.TEXT_FORM: ["application/x-www-form-urlencoded", "multipart/form-data"],
    BodyKind.FORM: ["multipart/form-data", "application/x-www-form-urlencoded"],
}


class BodyPlan(Struct, frozen=True):
    """What takes the body.

    :ivar whole: the name of the parameter that takes all of it; empty if there is none.
    :ivar fields: the names in the body of those that take a field of it, by their names.
    :ivar types: the types of both.
    :ivar kind: the form of the body.
    :ivar default: of ``whole``, if it may be left out.
    """

    whole: str = ""
    fields: Mapping[str, str] = {}
    types: Mapping[str, TypeForm] = {}
    kind: BodyKind = BodyKind.OBJECT
    default: object = REQUIRED


def plan_body(hints: Mapping[str, TypeForm], defaults: Mapping[str, object], where: str) -> BodyPlan:
    """Decide how parameters share the body.

    :param hints: the annotations of the parameters that have no other source, by name.
    :param defaults: ``REQUIRED`` for parameters without one.
    :param where: the route, for error messages.
    :raises ConfigError: if they cannot share it.
    """
    forms = find_markers(Form, hints, where)
    parts = find_markers(Body, hints, where)
    plain = [name for name in hints if name not in forms and name not in parts]
    types = _types(hints, {**forms, **parts})
    if forms:
        return _plan_form(forms, [*parts, *plain], types, where)
    if len(hints) == 1:
        [name] = hints
        if name in parts and not parts[name].embed:
            return _plan_whole(name, types, defaults[name])
        if name in plain and bare(hints[name]) is bytes:
            return BodyPlan(name, types=types, kind=BodyKind.RAW, default=defaults[name])
    if parts:
        return BodyPlan(fields=_field_names(hints, parts), types=types)
    whole = [name for name in plain if _is_whole(hints[name])]
    if len(whole) > 1:
        problem = f"the parameters {whole[0]!r} and {whole[1]!r} would have the same value"
        raise ConfigError(where, problem, f"{_STRUCT_REMEDY}, or mark both with Body()")
    if whole and len(plain) > 1:
        other = next(name for name in plain if name not in whole)
        problem = f"{whole[0]!r} takes the whole data, which leaves none for {other!r}"
        raise ConfigError(where, problem, f"{_STRUCT_REMEDY}, or mark both with Body()")
    if whole:
        return BodyPlan(whole[0], types=types)
    return BodyPlan(fields=_field_names(hints, {}), types=types)


def _types(hints: Mapping[str, TypeForm], markers: Mapping[str, Marker]) -> dict[str, TypeForm]:
    """Return the types without markers, with the descriptions of the markers."""
    types = dict(hints)
    for name, marker in markers.items():
        types[name] = without_marker(hints[name])
        if marker.description or marker.examples:
            meta = Meta(description=marker.description or None, examples=list(marker.examples) or None)
            types[name] = Annotated[types[name], meta]
    return types


def _field_names(names: Iterable[str], markers: Mapping[str, Marker]) -> dict[str, str]:
    return {name: (markers[name].alias if name in markers else "") or name for name in names}


def _is_whole(hint: TypeForm) -> bool:
    """Return whether a parameter takes all of the data, as a struct, a dataclass or a model does."""
    form = bare(hint)
    return as_struct(form) is not None or is_object(form) or is_model(form)


def _plan_whole(name: str, types: Mapping[str, TypeForm], default: object) -> BodyPlan:
    if bare(types[name]) is bytes:
        kind = BodyKind.RAW
    elif _is_whole(types[name]) and default is REQUIRED:
        kind = BodyKind.OBJECT
    else:
        kind = BodyKind.ANY_JSON
    return BodyPlan(name, types=types, kind=kind, default=default)


def _plan_form(
    forms: Mapping[str, Marker], others: list[str], types: Mapping[str, TypeForm], where: str
) -> BodyPlan:
    if others:
        first = next(iter(forms))
        problem = f"{first!r} takes the body as a form, which leaves none for {others[0]!r}"
        raise ConfigError(where, problem, "mark it with Form() or Query(), too")
    whole = [name for name in forms if _is_whole(types[name])]
    if not whole:
        return BodyPlan(fields=_field_names(forms, forms), types=types, kind=BodyKind.TEXT_FORM)
    if len(forms) > 1:
        other = next(name for name in forms if name != whole[0])
        problem = f"{whole[0]!r} takes the whole form, which leaves none for {other!r}"
        raise ConfigError(where, problem, _STRUCT_REMEDY)
    return BodyPlan(whole[0], types=types, kind=BodyKind.TEXT_FORM)


def struct_of(plan: BodyPlan, defaults: Mapping[str, object], where: str) -> type[Struct] | None:
    """Define a struct with the parameters as fields; None without any.

    :raises ConfigError: for a default that a field cannot have.
    """
    if not plan.fields:
        return None
    fields: list[tuple[str, Any] | tuple[str, Any, object]] = []  # msgspec declares types, but takes any form
    for name, encoded in plan.fields.items():
        default, options = defaults[name], {} if encoded == name else {"name": encoded}
        if options and default is not REQUIRED:
            default = msgspec.field(default_factory=partial(copy.copy, default), **options)
        elif options:
            default = msgspec.field(**options)
        fields.append((name, plan.types[name]) if default is REQUIRED else (name, plan.types[name], default))
    try:
        return msgspec.defstruct(_struct_name(where), fields, kw_only=True)
    except TypeError as error:
        raise ConfigError(where, str(error)) from None


def describe_body(kind: BodyKind, default: object) -> BodyContract | None:
    """Return the contract of a body; None for that of most routes."""
    if kind is BodyKind.OBJECT:
        return None
    required = default is REQUIRED and kind not in (BodyKind.RAW, BodyKind.STREAM)  # these may be empty
    return BodyContract(kind=kind.value, media_types=_MEDIA_TYPES[kind], required=required)


def _struct_name(where: str) -> str:
    """Return the name of a route's struct; it is unique, because contracts identify schemas by name."""
    name = where.replace(" ", "", 1)
    kept = string.ascii_letters + string.digits + "/-"
    return "".join(each if each in kept else f"_{ord(each):x}_" for each in name).replace("/", ".")

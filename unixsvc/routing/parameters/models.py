"""Parameters that are models: several header fields, cookies or fields of the query as one object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import or_
from types import UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin

import msgspec
from msgspec import NODEFAULT, Meta, Struct, UnsetType
from msgspec.structs import replace

from unixsvc.contract.pydantic_schemas import field_schemas
from unixsvc.contract.schemas import require_json_types
from unixsvc.domain.body_spec import BodyKind
from unixsvc.domain.json import JsonObject
from unixsvc.domain.message import Request
from unixsvc.domain.validation.field_errors import MAX_FIELD_ERRORS, FieldError
from unixsvc.domain.validation.formats import QUERY
from unixsvc.domain.validation.pydantic_models import is_model, model_extra, model_fields
from unixsvc.domain.validation.type_forms import (
    TypeForm,
    as_struct,
    bare,
    fields_of,
    members_of,
    unnamed,
)
from unixsvc.domain.validation.validator import Validator, holds_numbers
from unixsvc.errors import ConfigError
from unixsvc.routing.checks import checker_for
from unixsvc.routing.parameters.interfaces import REQUIRED
from unixsvc.routing.parameters.marker import Marker, without_marker
from unixsvc.routing.parameters.texts import TextSource

__all__ = ["ModelSource"]

_VALIDATOR: Final = Validator(QUERY, checker_for)
_FACTORIES: Final = (list, set, dict)  # of defaults that the contract has


class _Field(Struct, frozen=True):
    """A field of a model.

    :ivar encoded: the name that the model has for clients.
    :ivar alias: the same, if the model has chosen it; else empty.
    :ivar default: ``REQUIRED`` if there is none; None for one that is not known.
    :ivar schema: the type for the contract; None for ``type``.
    """

    name: str
    encoded: str
    alias: str
    type: TypeForm
    default: object
    schema: TypeForm | None = None


class ModelSource:
    """Reads the fields of a model, and makes the model of them: its defaults and its validators apply.

    :param make: the class that reads one field.
    :param name: of the parameter.
    :param hint: its annotation: a struct, a dataclass, a TypedDict or a model of Pydantic.
    :param default: must be ``REQUIRED``: the fields have defaults.
    :param where: the route, for error messages.
    :raises ConfigError: for a model that can never work.
    """

    body: BodyKind | None = None

    def __init__(
        self, make: type[TextSource], name: str, marker: Marker, hint: TypeForm, default: object, where: str
    ) -> None:
        self._place = make.place
        self._type = without_marker(hint)
        if marker.alias or marker.description or marker.examples:
            raise ConfigError(where, f"{marker!r} of {name!r} has arguments", "its fields have their own")
        if default is not REQUIRED:
            raise ConfigError(where, f"{name!r} is a model and has a default", "give defaults to its fields")
        try:
            require_json_types([self._type])
            fields = _fields_of(bare(self._type))
            self._needs_look = checker_for(self._type) is not None or holds_numbers(self._type, QUERY)
        except TypeError as error:
            raise ConfigError(where, f"{name!r} cannot be converted from text: {error}") from None
        self._sources = {
            each.encoded: make(
                each.name, type(marker)(each.alias), each.type, each.default, where, schema=each.schema
            )
            for each in fields
        }
        # As of a single parameter: no text stands for None, so it may be left out.
        self._nullable = {each.encoded for each in fields if _may_be_none(each)}
        self._rest = make.all_texts if _takes_unknown(bare(self._type)) else None
        self.descriptions = tuple(
            replace(described, alone=self._rest is not None)
            for source in self._sources.values()
            for described in source.descriptions
        )
        if self._rest is not None and not make.bounded:
            problem = f"{name!r} forbids or keeps unknown fields, and every request has some: {make.place}s"
            raise ConfigError(where, problem, "let its type ignore them")
        shown = [each.name for each in self.descriptions]
        twice = next((each for each in shown if shown.count(each) > 1), None)
        if twice is not None:
            raise ConfigError(where, f"two fields of {name!r} are the same {make.place} {twice!r}")

    def read(self, request: Request, errors: list[FieldError]) -> object:
        """Return the model; see :class:`~unixsvc.routing.parameters.interfaces.ParameterSource`."""
        values: dict[str, object] = {}
        failed: list[str] = []
        for encoded, source in self._sources.items():
            texts = source.texts(request, errors)
            value = source.chosen(texts or ())
            if texts is None:
                failed.append(encoded)
            elif value is not None:
                values[encoded] = value
            elif encoded in self._nullable:
                values[encoded] = None
        if self._rest is not None:
            self._add_rest(values, self._rest(request))
        if failed:
            self._explain(values, errors, failed)
            return None
        try:
            result: object = QUERY.convert(values, self._type)
        except msgspec.ValidationError:
            self._explain(values, errors)
            return None
        if self._needs_look:
            self._explain(values, errors)
        return result

    def _add_rest(self, values: dict[str, object], texts: Mapping[str, Sequence[str]]) -> None:
        """Add the fields that the model does not know, which it forbids or keeps."""
        for name, found in texts.items():
            if name not in self._sources:
                values[name] = found[-1]

    def _explain(self, values: object, errors: list[FieldError], failed: list[str] | None = None) -> None:
        """Add the problems of the fields, without those of fields that have one already."""
        for each in _VALIDATOR.errors(self._type, values, self._place)[:MAX_FIELD_ERRORS]:
            encoded, error = self._renamed(each)
            if encoded not in (failed or ()):
                errors.append(error)

    def _renamed(self, error: FieldError) -> tuple[str, FieldError]:
        """Return the field of the model with a problem, and the problem with the name that clients write."""
        inside = error.field.removeprefix(f"{self._place}.")
        for encoded, source in self._sources.items():
            if inside == encoded or inside.startswith((f"{encoded}[", f"{encoded}.")):
                shown = source.descriptions[0].name + inside[len(encoded) :]
                return encoded, FieldError(f"{self._place}.{shown}", error.message)
        return "", error


def _fields_of(form: Any) -> list[_Field]:  # Any: a class of one of four libraries
    if is_model(form):
        schemas = field_schemas(form)
        return [
            _Field(
                each.name,
                each.encoded,
                "" if each.encoded == each.name else each.encoded,
                each.type,
                REQUIRED if each.required else None,
                Annotated[Any, Meta(extra_json_schema=_of_alias(each.encoded, schemas))],
            )
            for each in model_fields(form)
        ]
    info: Any = msgspec.inspect.type_info(form)
    defaults = {each.name: _default_of(each) for each in info.fields}
    return [
        _Field(
            each.name,
            each.encoded,
            "" if each.encoded == each.name else each.encoded,
            _without_unset(each.type),
            defaults[each.name],
        )
        for each in fields_of(form) or ()
    ]


def _of_alias(alias: str, schemas: Mapping[str, JsonObject]) -> JsonObject:
    if alias not in schemas:
        raise TypeError(f"the field {alias!r} has no name, or several")
    return schemas[alias]


def _default_of(field: msgspec.inspect.Field) -> object:
    if field.required:
        return REQUIRED
    if field.default is not NODEFAULT:
        return field.default
    return field.default_factory() if field.default_factory in _FACTORIES else None


def _may_be_none(field: _Field) -> bool:
    return field.default is REQUIRED and type(None) in members_of(field.type)


def _without_unset(hint: Any) -> TypeForm:  # Any: the arguments of unions
    """Return the type of a field without ``UNSET``, which no text stands for."""
    hint = unnamed(hint)
    if get_origin(hint) is Annotated:
        inner, *metadata = get_args(hint)
        return Annotated[(_without_unset(inner), *metadata)]
    if get_origin(hint) not in (Union, UnionType):
        return hint
    return reduce(or_, (each for each in get_args(hint) if each is not UnsetType))


def _takes_unknown(form: TypeForm) -> bool:
    """Return whether unknown fields are errors of a model, or are kept in it."""
    struct = as_struct(form)
    if struct is not None:
        return bool(struct.__struct_config__.forbid_unknown_fields)
    return is_model(form) and model_extra(form) in ("forbid", "allow")

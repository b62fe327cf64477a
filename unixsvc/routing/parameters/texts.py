"""Parameters whose values are text: header fields, cookies, fields of the query."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Annotated, Final, get_origin

import msgspec
from msgspec import Meta

from unixsvc.contract.schemas import require_json_types
from unixsvc.domain.body_spec import BodyKind
from unixsvc.domain.message import Request
from unixsvc.domain.validation.field_errors import MAX_FIELD_ERRORS, FieldError
from unixsvc.domain.validation.formats import QUERY
from unixsvc.domain.validation.pydantic_models import is_model
from unixsvc.domain.validation.type_forms import (
    TypeForm,
    as_struct,
    bare,
    fields_of,
    is_list,
    items_of,
    members_of,
    values_of,
)
from unixsvc.domain.validation.validator import Validator, holds_numbers
from unixsvc.errors import ConfigError
from unixsvc.routing.checks import checker_for
from unixsvc.routing.parameters.interfaces import REQUIRED, ParameterDescription
from unixsvc.routing.parameters.marker import Marker, without_marker

__all__ = ["CHECKED", "TextSource", "can_be", "is_checkbox", "item_type"]

CHECKED: Final = "on"
"""The value that a browser sends for a checkbox without a value of its own."""

_NONE: Final = type(None)
_DICTS: Final = (dict, object)
_VALIDATOR: Final = Validator(QUERY, checker_for)


class TextSource:
    """Converts the texts of one parameter to its type.

    :param name: of the parameter, as clients write it.
    :param marker: its source.
    :param hint: its annotation.
    :param default: ``REQUIRED`` if there is none. None may be left out where the type allows it: no text
        stands for it.
    :param where: the route, for error messages.
    :param schema: the type for the contract; None for that of the annotation, which must have a schema then.
    :raises ConfigError: for a type that no text can have.
    """

    body: BodyKind | None = None
    place = ""
    lists = True
    empty_is_absent = False
    bounded = False
    """Whether requests have nothing in the place but what the application knows."""

    def __init__(
        self,
        name: str,
        marker: Marker,
        hint: TypeForm,
        default: object,
        where: str,
        *,
        schema: TypeForm | None = None,
    ) -> None:
        self._name = name
        self._field = f"{self.place}.{name}"
        self._type = hint = without_marker(hint)
        self._is_list = is_list(hint)
        _require_text(hint, self._field, where, lists=self.lists)
        if default is REQUIRED and _NONE in members_of(hint):
            default = None
        self._default = default
        try:
            if schema is None:
                require_json_types([hint])
            optional = self.empty_is_absent and default is not REQUIRED
            self._never_empty = optional and not can_be(item_type(hint), "")
            self._needs_look = checker_for(hint) is not None or holds_numbers(hint, QUERY)
        except TypeError as error:
            raise ConfigError(where, f"{self._field} cannot be converted from text: {error}") from None
        if schema is None:
            schema = hint if default in (REQUIRED, None) else _with_default(hint, default)
        self.descriptions = (
            ParameterDescription(
                name,
                self.place,
                schema,
                required=default is REQUIRED,
                description=marker.description,
                examples=marker.examples,
            ),
        )

    def texts(self, request: Request, errors: list[FieldError]) -> Sequence[str] | None:
        """Return the texts of the parameter in a request; None after an error."""
        raise NotImplementedError

    @classmethod
    def all_texts(cls, request: Request) -> Mapping[str, Sequence[str]]:
        """Return all texts of a place that is bounded, by name."""
        raise NotImplementedError

    def chosen(self, texts: Sequence[str]) -> object:
        """Return the texts or the text that count; None if the parameter is absent."""
        if self._never_empty:
            texts = [each for each in texts if each]
        if not texts:
            return None
        return texts if self._is_list else texts[-1]

    def read(self, request: Request, errors: list[FieldError]) -> object:
        """Return the value; see :class:`~unixsvc.routing.parameters.interfaces.ParameterSource`."""
        texts = self.texts(request, errors)
        if texts is None:
            return None
        value = self.chosen(texts)
        if value is None:
            return self._absent(errors)
        try:
            result: object = QUERY.convert(value, self._type)
        except msgspec.ValidationError:
            self._explain(value, errors)
            return None
        if self._needs_look:
            self._explain(value, errors)
        return result

    def _absent(self, errors: list[FieldError]) -> object:
        if self._default is REQUIRED:
            errors.append(FieldError(self._field, "is required"))
            return None
        return copy.copy(self._default) if self._is_list else self._default

    def _explain(self, value: object, errors: list[FieldError]) -> None:
        errors += _VALIDATOR.errors(self._type, value, self._field)[:MAX_FIELD_ERRORS]


def can_be(type_form: TypeForm, text: str) -> bool:
    """Return whether a text of a query can be converted to a type."""
    try:
        QUERY.convert(text, type_form)
    except msgspec.ValidationError:
        return False
    return True


def is_checkbox(type_form: TypeForm) -> bool:
    """Return whether a checked checkbox stands for true in a type."""
    type_form = item_type(type_form)
    return can_be(type_form, "true") and not can_be(type_form, CHECKED)


def item_type(type_form: TypeForm) -> TypeForm:
    """Return the type of the items of a list, also of an optional one, or of any text if it is not one type.

    Of another type, the type itself is returned.
    """
    list_form = next((each for each in members_of(type_form) if is_list(each)), None)
    if list_form is None:
        return type_form
    _, others = items_of(list_form) or ((), None)
    return others or str


def _require_text(hint: TypeForm, field: str, where: str, *, lists: bool) -> None:
    """Require that values of a type can be one text, or a list of texts."""
    for member in members_of(hint):
        nested = is_list(member)
        if nested and not lists:
            raise ConfigError(where, f"{field} is a list", "a cookie has one value")
        items = items_of(member)
        inside = (*items[0], *([] if items[1] is None else [items[1]])) if nested and items else (member,)
        if any(map(_is_object, inside)) or (nested and any(map(is_list, inside))):
            raise ConfigError(where, f"{field} is an object, and its values are text", "take it as str")


def _is_object(type_form: TypeForm) -> bool:
    return any(
        fields_of(each) is not None
        or values_of(each) is not None
        or as_struct(each) is not None
        or is_model(each)
        or (get_origin(each) or bare(each)) in _DICTS
        for each in members_of(type_form)
    )


def _with_default(hint: TypeForm, default: object) -> TypeForm:
    """Return a type whose schema has a default."""
    try:
        known = msgspec.to_builtins(default, order="deterministic")
    except TypeError:
        return hint
    return Annotated[hint, Meta(extra_json_schema={"default": known})]

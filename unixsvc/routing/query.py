"""The fields of a query or a form, as text for conversion to the types of a struct."""

from __future__ import annotations

import types
from typing import Annotated, Final, Union, get_args, get_origin
from urllib.parse import parse_qs

import msgspec

from unixsvc.domain.json import JsonObject
from unixsvc.domain.validation.formats import QUERY
from unixsvc.domain.validation.type_forms import TypeForm, bare, fields_of
from unixsvc.errors import Malformed
from unixsvc.routing.signature import is_list

__all__ = ["QueryParser"]

_MAX_FIELDS: Final = 1000
# The value that a browser sends for a checkbox without a value of its own.
_CHECKED: Final = "on"


class QueryParser:
    """Parses queries and urlencoded forms for one type.

    A form sends every text field, empty ones too. So an empty field that has a default and whose type has no
    value for the empty text, as a number, counts as absent. A checked checkbox is ``on``, which is true.

    :param type_form: the type whose fields the query has.
    """

    def __init__(self, type_form: TypeForm) -> None:
        fields = fields_of(bare(type_form)) or ()
        self._lists = {each.encoded for each in fields if is_list(each.type)}
        self._never_empty: set[str] = set()
        self._checkboxes: set[str] = set()
        for each in fields:
            type_form = _item_type(each.type) if each.encoded in self._lists else each.type
            if not (each.required or _can_be(type_form, "")):
                self._never_empty.add(each.encoded)
            if _can_be(type_form, "true") and not _can_be(type_form, _CHECKED):
                self._checkboxes.add(each.encoded)

    def parse(self, query: str) -> JsonObject:
        """Return the values by name: lists of texts for lists, the last text for other types.

        :raises Malformed: if the query cannot be decoded, or has too many fields.
        """
        try:
            fields = parse_qs(query, keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS)
        except ValueError:  # includes UnicodeDecodeError
            raise Malformed("path: the query is invalid") from None
        self._adapt(fields)
        return {name: values if name in self._lists else values[-1] for name, values in fields.items()}

    def _adapt(self, fields: dict[str, list[str]]) -> None:
        for name in self._checkboxes & fields.keys():
            fields[name] = ["true" if value == _CHECKED else value for value in fields[name]]
        for name in self._never_empty & fields.keys():
            fields[name] = [value for value in fields[name] if value]
            if not fields[name]:
                del fields[name]


def _can_be(type_form: TypeForm, text: str) -> bool:
    """Return whether a text of a query can be converted to a type."""
    try:
        QUERY.convert(text, type_form)
    except msgspec.ValidationError:
        return False
    return True


def _item_type(type_form: TypeForm) -> TypeForm:
    """Return the type of the items of a list, also of an optional one; of any text if it is not one type."""
    origin, arguments = get_origin(type_form), get_args(type_form)
    if origin is Annotated:
        return _item_type(arguments[0])
    if origin in (Union, types.UnionType):
        return next(_item_type(each) for each in arguments if is_list(each))
    if origin is tuple and arguments[1:] != (...,):
        return str  # each position has a type of its own
    return arguments[0] if arguments else str

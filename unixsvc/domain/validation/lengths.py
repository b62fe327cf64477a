"""The lengths of lists and objects, apart from the problems of what is in them."""

from __future__ import annotations

from types import GenericAlias
from typing import Annotated, Any, get_args, get_origin

import msgspec

from unixsvc.domain.json import Json
from unixsvc.domain.validation.formats import InputFormat
from unixsvc.domain.validation.type_forms import TypeForm, bare

__all__ = ["length_problem"]


def length_problem(type_form: TypeForm, value: Json, form: InputFormat) -> str:
    """Return the problem with the length of a list or an object; an empty text if it has none."""
    lengths = [_lengths(each) for each in _metadata(type_form) if isinstance(each, msgspec.Meta)]
    is_set = get_origin(bare(type_form)) in (set, frozenset)  # equal items count once there
    kind = form.kind(value)
    if not any(lengths) or is_set or not kind:
        return ""
    origin, arguments = (list, form.opaque) if kind == "array" else (dict, (str, form.opaque))
    shape: Any = GenericAlias(origin, arguments)
    try:
        for each in lengths:
            form.convert(value, Annotated[shape, msgspec.Meta(**each)])
    except msgspec.ValidationError as error:
        return str(error)
    return ""


def _lengths(meta: msgspec.Meta) -> dict[str, Any]:
    limits = {"min_length": meta.min_length, "max_length": meta.max_length}
    return {name: limit for name, limit in limits.items() if limit is not None}


def _metadata(type_form: TypeForm) -> tuple[object, ...]:
    return get_args(type_form)[1:] if get_origin(type_form) is Annotated else ()

"""Models of Pydantic: the one place that knows them.

Pydantic is not imported here: an application that has models has imported it. A model validates and encodes
itself. For everything around it, as a list or a struct with models, msgspec calls :func:`decode_model` and
:func:`encode_model`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, get_args, get_origin

import msgspec

from unixsvc.domain.json import Json
from unixsvc.domain.validation.field_errors import FieldError, field_error, join
from unixsvc.domain.validation.type_forms import Field, TypeForm, bare, members_of

__all__ = [
    "ModelFailure",
    "decode_model",
    "decode_model_json",
    "decode_model_texts",
    "encode_model",
    "is_model",
    "is_validating_dataclass",
    "model_encoder",
    "model_errors",
    "model_extra",
    "model_fields",
]

_CONTAINERS: Final = (list, set, frozenset, tuple, dict, Sequence)
_PLAIN: Final = (str, int, float, bool, type(None), ...)
_encode: Final = msgspec.json.Encoder().encode
# Messages that other types have in other words.
_MESSAGES: Final = {"missing": "is required", "extra_forbidden": "is unknown"}
_OWN_TEXT: Final = ("value_error", "assertion_error")


class ModelFailure(Exception):
    """A validator of a model has failed, other than by rejecting the value."""


def is_model(type_form: TypeForm) -> bool:
    """Return whether a type is a model of Pydantic."""
    pydantic = sys.modules.get("pydantic")
    return pydantic is not None and isinstance(type_form, type) and issubclass(type_form, pydantic.BaseModel)


def is_validating_dataclass(type_form: TypeForm) -> bool:
    """Return whether a type is a dataclass of Pydantic, whose validators msgspec would not call."""
    return hasattr(type_form, "__dataclass_fields__") and hasattr(type_form, "__pydantic_validator__")


def decode_model(type_form: Any, value: Json) -> Any:
    """Return a model from decoded JSON; msgspec calls it for types that it does not know.

    :raises ValueError: if the value is not valid.
    :raises ModelFailure: if a validator fails in another way.
    """
    if not is_model(type_form):
        return _of_class(type_form, value)
    # As JSON: a strict model accepts there what JSON has no type for, as a date that is a string.
    return _validated(lambda: type_form.model_validate_json(_encode(value)))


def decode_model_json(type_form: Any, value: bytes) -> Any:
    """Return a model from JSON, in one step.

    :raises msgspec.ValidationError: if the value is not valid, or not JSON.
    :raises ModelFailure: as :func:`decode_model`.
    """
    try:
        return _validated(lambda: type_form.model_validate_json(bytes(value)))
    except ValueError as error:
        raise msgspec.ValidationError(str(error)) from None


def decode_model_texts(type_form: Any, value: Json) -> Any:
    """Return a model from a query or a form, whose values are texts; as :func:`decode_model`."""
    if not is_model(type_form):
        return _of_class(type_form, value)
    # The texts are accepted as in JSON that is not strict. Pydantic's own validation of strings has no lists.
    return _validated(lambda: type_form.model_validate_json(_encode(value), strict=False))


def encode_model(value: Any) -> msgspec.Raw:
    """Return a model as JSON; msgspec calls it for values that it does not know.

    :raises TypeError: for any other value.
    """
    if not is_model(type(value)):
        raise TypeError(f"Encoding objects of type {type(value).__qualname__} is unsupported")
    return msgspec.Raw(value.model_dump_json(by_alias=True).encode())


def model_encoder(type_form: TypeForm) -> Callable[[object], bytes] | None:
    """Return what encodes results that are models, and lists, unions and dicts of them; None for other types.

    The declared type decides: of an instance of a subclass, only the fields of the declared class are sent.
    """
    if not (any(map(is_model, _parts_of(type_form))) and all(map(_is_simple, _parts_of(type_form)))):
        return None
    from pydantic import TypeAdapter  # the application has imported it

    declared: Any = type_form  # a type as annotations write it, which is an object for type checkers
    dump: Callable[..., bytes] = TypeAdapter(declared).dump_json
    # A result of another type is a failure, as with a struct that has no such field.
    return lambda value: dump(value, by_alias=True, warnings="error")


def model_errors(type_form: Any, value: Json, field: str, *, texts: bool) -> Iterator[FieldError]:
    """Yield the problems of a value.

    :param value: JSON, or with ``texts`` the decoded fields of a query.
    """
    from pydantic import ValidationError

    try:
        encoded = isinstance(value, bytes | memoryview | msgspec.Raw)
        text = bytes(value) if encoded else _encode(value)
        type_form.model_validate_json(text, strict=False if texts else None)
    except ValidationError as error:
        for each in error.errors(include_url=False, include_context=False, include_input=False):
            place = field
            for step in each["loc"]:
                place = f"{place}[{step}]" if isinstance(step, int) else join(place, str(step))
            message = _MESSAGES.get(each["type"], each["msg"])
            if each["type"] in _OWN_TEXT:
                message = message.partition(", ")[2]
            yield field_error(place, message)


def model_fields(type_form: Any) -> tuple[Field, ...]:
    """Return the fields of a model, for queries and forms."""
    found = []
    for name, info in type_form.model_fields.items():
        alias = info.validation_alias if isinstance(info.validation_alias, str) else info.alias
        found.append(Field(name, alias or name, info.annotation, info.is_required()))
    return tuple(found)


def model_extra(type_form: Any) -> str:
    """Return what a model does with unknown fields: ``ignore``, ``forbid`` or ``allow``."""
    return type_form.model_config.get("extra") or "ignore"


def _of_class(type_form: Any, value: Json) -> Json:
    """Return a value that is of another class, as msgspec does for types that it does not know."""
    if not isinstance(value, get_origin(type_form) or type_form):
        name = getattr(type_form, "__name__", type_form)
        raise TypeError(f"Expected `{name}`, got `{type(value).__name__}`")
    return value


def _validated(validate: Callable[[], Any]) -> Any:
    from pydantic import ValidationError

    try:
        return validate()
    except ValidationError:
        raise ValueError("is not valid") from None  # model_errors() says why
    except Exception as error:
        # msgspec takes a TypeError for a value that is not valid, and would show its text to the peer.
        raise ModelFailure(f"a validator has failed: {type(error).__name__}") from error


def _parts_of(type_form: TypeForm) -> Iterator[TypeForm]:
    """Yield the types that values of a type consist of, without those inside of models and structs."""
    for member in members_of(type_form):
        origin = get_origin(member)
        if origin in _CONTAINERS:
            for argument in get_args(member):
                yield from _parts_of(argument)
        else:
            yield member


def _is_simple(type_form: TypeForm) -> bool:
    """Return whether Pydantic encodes a type as msgspec does."""
    return type_form in _PLAIN or is_model(bare(type_form))

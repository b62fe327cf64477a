"""How the messages of a WebSocket become values, and back."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import islice
from typing import Any, Final

import msgspec
from msgspec import Struct

from unixsvc.domain.json import NOT_JSON
from unixsvc.domain.validation.field_errors import MAX_FIELD_ERRORS, FieldError
from unixsvc.domain.validation.formats import ENCODED
from unixsvc.domain.validation.pydantic_models import decode_model, decode_model_json, is_model
from unixsvc.domain.validation.type_forms import TypeForm, bare
from unixsvc.domain.validation.validator import Validator, holds_numbers
from unixsvc.domain.websocket import Message
from unixsvc.errors import Invalid
from unixsvc.routing.checks import checker_for
from unixsvc.routing.results.encoding import encoder_for

__all__ = ["IS_TEXT", "MessageCodec", "codec_for"]

# The types of messages that are no JSON, and whether they are text; None for both.
IS_TEXT: Final[dict[TypeForm, bool | None]] = {str: True, bytes: False, str | bytes: None, bytes | str: None}
_NOT_JSON_MESSAGE: Final = [FieldError("", "is not JSON")]


class MessageCodec(Struct, frozen=True):
    """How the messages of a route become values, and back.

    :ivar text_in: whether messages are received as text, or else as binary; None for both.
    :ivar decode: makes a value of a message.
    :ivar text_out: whether messages are sent as text, or else as binary; None if their type decides.
    :ivar encode: makes the bytes of a message.
    """

    text_in: bool | None
    decode: Callable[[Any], object]  # Any: a str or bytes, as text_in says
    text_out: bool | None
    encode: Callable[[Any], bytes]  # Any: of the type of the route


def codec_for(receives: TypeForm, sends: TypeForm) -> MessageCodec:
    """Return the codec of a route.

    :raises TypeError: if nothing can be decoded as ``receives``, or its checks can never run.
    """
    decode: Callable[[Any], object] = _same if receives in IS_TEXT else _JsonReader(receives).read
    encode: Callable[[Any], bytes] = (
        _encode if sends in IS_TEXT else encoder_for(sends, allow_nan_as_null=False)
    )
    return MessageCodec(IS_TEXT.get(receives, True), decode, IS_TEXT.get(sends, True), encode)


def _encode(message: Message) -> bytes:
    return message.encode() if isinstance(message, str) else message


def _same(message: object) -> object:
    return message


class _JsonReader:
    """Reads messages of one type.

    :param type_form: the type.
    """

    def __init__(self, type_form: TypeForm) -> None:
        self._type = type_form
        whole = bare(type_form)
        decoder = msgspec.json.Decoder(type_form, dec_hook=decode_model)
        self._decode: Callable[[bytes], object] = decoder.decode
        if is_model(whole):
            self._decode = partial(decode_model_json, whole)
        self._check = checker_for(type_form)
        self._holds_numbers = holds_numbers(type_form, ENCODED)

    def read(self, message: str) -> object:
        """Return the value of a message.

        :raises Invalid: with the errors field by field.
        """
        encoded = message.encode()
        try:
            value: object = self._decode(encoded)
            errors = self._problems(encoded, value) if self._holds_numbers or self._check else []
        except msgspec.ValidationError:
            errors = self._explain(encoded)
        except NOT_JSON:
            errors = _NOT_JSON_MESSAGE
        if errors:
            raise Invalid([{"field": each.field, "message": each.message} for each in errors])
        return value

    def _problems(self, encoded: bytes, value: object) -> list[FieldError]:
        """Return the problems of a value that fits the type."""
        if self._holds_numbers and Validator(ENCODED).has_odd_number(self._type, msgspec.Raw(encoded)):
            return self._explain(encoded)
        return [] if self._check is None else [*islice(self._check(value, ""), MAX_FIELD_ERRORS)]

    def _explain(self, encoded: bytes) -> list[FieldError]:
        try:
            return Validator(ENCODED, checker_for).errors(self._type, msgspec.Raw(encoded))
        except NOT_JSON:
            return _NOT_JSON_MESSAGE

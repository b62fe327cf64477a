"""How all clients encode the arguments of a call, and decode its result. Pure."""

from __future__ import annotations

import math
from collections.abc import Hashable
from functools import lru_cache
from typing import Any, Final, Protocol, TypeAlias, get_args, get_origin

import msgspec
from msgspec import Raw, Struct

from unixsvc.client.connection import Call
from unixsvc.client.events import HeadedData, Received
from unixsvc.domain.message import EMPTY
from unixsvc.domain.results.response import Response
from unixsvc.domain.validation.field_errors import shortened
from unixsvc.domain.validation.finite_numbers import NotFinite, find_endless_number
from unixsvc.domain.validation.pydantic_models import decode_model, encode_model
from unixsvc.domain.validation.type_forms import TypeForm
from unixsvc.errors import BadGateway

__all__ = [
    "DEFAULT_TIMEOUT",
    "NO_LIMIT",
    "Result",
    "encode_data",
    "make_call",
    "require_decodable",
    "result_of",
    "timeout_or_default",
    "unexpected_stream",
]

Result: TypeAlias = Any  # of the type that the caller names at runtime

DEFAULT_TIMEOUT: Final = 30.0  # seconds, for a unary call
NO_LIMIT: Final = 1e6  # seconds, for a stream without a limit

_encode: Final = msgspec.json.Encoder(enc_hook=encode_model).encode
_decode: Final = msgspec.json.Decoder().decode
_N: Final = ord("N")  # of NaN
_I: Final = ord("I")  # of Infinity
_LINE_END: Final = ord("\n")
_CACHED: Final = 1024  # types
_NO_DATA: Final[dict[str, object]] = {}
_METHODS: Final = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})


def unexpected_stream() -> BadGateway:
    """The error for a unary call whose reply is a stream."""
    return BadGateway("the reply is a stream: request it with stream()")


def make_call(
    method: str,
    path: str,
    data: object = None,
    meta: dict[str, str] | None = None,
    idempotency_key: str | None = None,
) -> Call:
    """Encode the arguments of a call.

    :param data: as for :func:`encode_data`, with the same errors; None for none.
    """
    raw = EMPTY if data is None or data == _NO_DATA else encode_data(data)
    if method not in _METHODS:
        method = method.upper()
    if not meta and idempotency_key is None:
        return Call(method, path or "/", raw)
    meta = dict(meta or {})
    if idempotency_key is not None:
        meta["idempotency_key"] = idempotency_key
    return Call(method, path or "/", raw, meta)


def encode_data(data: object) -> Raw:
    """Encode the data of a call.

    :param data: a dict or a Struct; for a route that takes another body, any JSON value, or bytes, which are
        sent in base64.
    :raises TypeError: if it cannot be encoded as JSON, or is an empty msgspec.Raw.
    :raises NotFinite: if it contains infinity or NaN, which would become null; it names the field.
    """
    encoded = _encode(data)
    if not encoded:
        raise TypeError("data is an empty msgspec.Raw, which is not JSON")
    # As for results, a search of the text is cheaper than a look at the values.
    if encoded.find(b"null") >= 0 or _N in encoded or _I in encoded:
        found = find_endless_number(data, encoded, floats=True)
        if found is not None:
            raise NotFinite(*found, "send None instead")
    if _LINE_END in encoded:  # of a msgspec.Raw; it would end the message
        encoded = encoded.replace(b"\n", b" ")
    return Raw(encoded)


def timeout_or_default(timeout: object, default: float) -> float:
    """The timeout of a call, in seconds.

    :raises ValueError: if it is not a finite number above 0.
    """
    if timeout is None:
        return default
    if not (isinstance(timeout, int | float) and 0 < timeout < math.inf):
        raise ValueError(f"timeout must be a finite number of seconds above 0, not {timeout!r}")
    return float(min(timeout, NO_LIMIT))  # no event loop waits for years


def require_decodable(type: TypeForm) -> None:
    """Check the type of a result, before the call is sent.

    :raises TypeError: if nothing can be decoded as it.
    """
    try:
        _decoder(type)
    except TypeError as error:
        raise TypeError(f"type= must be the type of the result: {error}") from None


def result_of(received: Received, type: TypeForm) -> Result:
    """Decode a result.

    :param type: what it is decoded as; a :class:`~unixsvc.Response` also has the head of the reply.
    :raises BadGateway: if it does not fit the type.
    """
    if isinstance(received, HeadedData):
        return _headed_result(received, type)
    try:
        return _decode(received) if type is Result else _decoder(type).decode(received)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadGateway(f"the result is not of the expected type: {shortened(str(error))}") from None


class _Decoder(Protocol):
    """Decodes results."""

    def decode(self, data: Raw, /) -> Result:
        """Decode a result."""


class _ResponseDecoder(Struct, frozen=True):
    """Decodes results of replies without a head as responses."""

    value: _Decoder

    def decode(self, data: Raw, /) -> Response[Result]:
        """Decode the value of a response."""
        return Response(self.value.decode(data), 200)


def _headed_result(received: HeadedData, type: TypeForm) -> Result:
    if not _is_response(type):
        return result_of(received.data, type)
    head, value = received.head, result_of(received.data, _value_type(type))
    return Response(value, head.status or 200, head.headers, (), head.media_type)


def _is_response(type: TypeForm) -> bool:
    return type is Response or get_origin(type) is Response


def _value_type(response: TypeForm) -> TypeForm:
    return next(iter(get_args(response)), Result)


def _decoder(type: TypeForm) -> _Decoder:
    try:
        return _cached_decoder(type)
    except TypeError:  # not hashable, as Annotated can be
        return _make_decoder(type)


@lru_cache(_CACHED)
def _cached_decoder(type: Hashable) -> _Decoder:
    return _make_decoder(type)


def _make_decoder(type: TypeForm) -> _Decoder:
    if _is_response(type):
        return _ResponseDecoder(_make_decoder(_value_type(type)))
    decoder: msgspec.json.Decoder[Result] = msgspec.json.Decoder(type, dec_hook=decode_model)
    return decoder

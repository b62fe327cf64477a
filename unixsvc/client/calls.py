"""How all clients encode the arguments of a call, and decode its result. Pure."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

import msgspec
from msgspec import Raw

from unixsvc.client.connection import Call
from unixsvc.domain.message import EMPTY
from unixsvc.domain.validation.field_errors import shortened
from unixsvc.domain.validation.type_forms import TypeForm
from unixsvc.errors import BadGateway

__all__ = [
    "DEFAULT_TIMEOUT",
    "NO_LIMIT",
    "Result",
    "make_call",
    "result_of",
    "timeout_or_default",
    "unexpected_stream",
]

Result: TypeAlias = Any  # of the type that the caller names at runtime

DEFAULT_TIMEOUT: Final = 30.0  # seconds, for a unary call
NO_LIMIT: Final = 1e6  # seconds, for a stream without a limit


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

    :param data: a dict or a Struct; None for none.
    :raises TypeError: if it is something else, or cannot be encoded as JSON.
    """
    raw = EMPTY
    if data is not None and data != {}:
        encoded = msgspec.json.encode(data)
        if not encoded.startswith(b"{"):
            raise TypeError(f"data must be a dict or a Struct, not {type(data).__name__}")
        raw = Raw(encoded)
    meta = dict(meta or {})
    if idempotency_key is not None:
        meta["idempotency_key"] = idempotency_key
    return Call(method.upper(), path or "/", raw, meta)


def timeout_or_default(timeout: object, default: float) -> float:
    """The timeout of a call, in seconds.

    :raises ValueError: if it is not a number above 0.
    """
    if timeout is None:
        return default
    if not (isinstance(timeout, int | float) and timeout > 0):
        raise ValueError(f"timeout must be a number of seconds above 0, not {timeout!r}")
    return float(timeout)


def result_of(data: Raw, type: TypeForm) -> Result:
    """Decode a result.

    :param type: what it is decoded as.
    :raises BadGateway: if it does not fit the type.
    """
    try:
        return msgspec.json.decode(data, type=type)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadGateway(f"the result is not of the expected type: {shortened(str(error))}") from None

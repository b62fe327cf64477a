"""What all clients have in common: what a program says, and what it gets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar

import msgspec
from msgspec import Raw

from unixsvc.client.connection import Call
from unixsvc.domain.message import EMPTY
from unixsvc.errors import BadGateway, ServiceError, Unavailable, error_from

__all__ = [
    "FOR_EVER",
    "TIMEOUT",
    "HttpVerbs",
    "client_closed",
    "make_call",
    "result_of",
    "timeout_or_default",
    "unexpected_stream",
]

R = TypeVar("R")

TIMEOUT: Final = 30.0  # seconds for a call, where nobody says otherwise
FOR_EVER: Final = 1e6  # seconds for a stream, likewise


class HttpVerbs(Generic[R]):
    """The short forms of a client's ``call``: the method by name, and the data by the names of its fields."""

    call: Callable[..., R]

    def get(self, path: str, /, **data: Any) -> R:
        """Ask with the method GET."""
        return self.call("GET", path, data)

    def post(self, path: str, /, **data: Any) -> R:
        """Ask with the method POST."""
        return self.call("POST", path, data)

    def put(self, path: str, /, **data: Any) -> R:
        """Ask with the method PUT."""
        return self.call("PUT", path, data)

    def patch(self, path: str, /, **data: Any) -> R:
        """Ask with the method PATCH."""
        return self.call("PATCH", path, data)

    def delete(self, path: str, /, **data: Any) -> R:
        """Ask with the method DELETE."""
        return self.call("DELETE", path, data)


def client_closed() -> ServiceError:
    """What a call gets whose client is closed already."""
    return error_from(Unavailable.code, "the client is closed")


def unexpected_stream() -> BadGateway:
    """What a call gets whose answer is a stream."""
    return BadGateway("the service answers with a stream: ask for it with stream()")


def make_call(
    method: str, path: str, data: Any, meta: dict[str, str] | None = None, idempotency_key: str | None = None
) -> Call:
    """A call as it goes on the wire.

    :param data: a dict or a Struct; None for none.
    :raises TypeError: if it is something else, or cannot become JSON.
    """
    raw = EMPTY
    if data is not None and data != {}:
        encoded = msgspec.json.encode(data)
        if not encoded.startswith(b"{"):
            raise TypeError(f"data is a dict or a Struct, not {type(data).__name__}")
        raw = Raw(encoded)
    meta = dict(meta or {})
    if idempotency_key is not None:
        meta["idempotency_key"] = idempotency_key
    return Call(method.upper(), path, raw, meta)


def timeout_or_default(timeout: Any, default: float) -> float:
    """The time for a call.

    :raises ValueError: if it is none.
    """
    if timeout is None:
        return default
    if not (isinstance(timeout, int | float) and timeout > 0):
        raise ValueError(f"timeout is a number of seconds above 0, not {timeout!r}")
    return float(timeout)


def result_of(data: Raw, kind: Any) -> Any:
    """What a service has answered.

    :param kind: what it is to be.
    :raises BadGateway: if it is something else.
    """
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadGateway(f"the answer is not what was expected: {error}") from None

"""RSGI, the interface of granian's own, without a framework: an ``if`` for each route."""

from __future__ import annotations

from typing import Any

import msgspec

from bench.servers.data import NewUser, create, show

_HEADERS = [("content-type", "application/json")]
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(NewUser).decode


async def app(scope: Any, protocol: Any) -> None:
    """Answer a request."""
    path: str = scope.path
    if scope.method == "POST" and path == "/user":
        protocol.response_bytes(*_create(await protocol()))
    elif path.startswith("/user/"):
        protocol.response_bytes(200, _HEADERS, _encode(show(int(path[6:]))))
    else:
        raise LookupError(path)


def _create(body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
    try:
        new = _decode(body)
    except msgspec.ValidationError as error:
        return 422, _HEADERS, _encode({"detail": str(error)})
    return 200, _HEADERS, _encode(create(new.name, new.age))

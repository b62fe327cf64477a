"""ASGI without a framework, for uvicorn and granian: an ``if`` for each route."""

from __future__ import annotations

from typing import Any

import msgspec

from bench.servers.data import NewUser, create, show

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(NewUser).decode


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answer a request."""
    path: str = scope["path"]
    if scope["method"] == "POST" and path == "/user":
        event = await receive()
        body = event["body"]
        while event["more_body"]:
            event = await receive()
            body += event["body"]
        status, content = _create(body)
    elif path.startswith("/user/"):
        status, content = 200, _encode(show(int(path[6:])))
    else:
        raise LookupError(path)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(content))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})


def _create(body: bytes) -> tuple[int, bytes]:
    try:
        new = _decode(body)
    except msgspec.ValidationError as error:
        return 422, _encode({"detail": str(error)})
    return 200, _encode(create(new.name, new.age))

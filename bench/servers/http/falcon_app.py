"""An application on Falcon's ASGI side, for uvicorn; msgspec checks the body and encodes the results."""

from __future__ import annotations

from typing import Any

import msgspec
from falcon.asgi import App

from bench.servers.data import NewUser, create, show

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(NewUser).decode


class _User:
    async def on_get(self, request: Any, response: Any, id: int) -> None:
        response.data = _encode(show(id))


class _Users:
    async def on_post(self, request: Any, response: Any) -> None:
        new = _decode(await request.stream.read())
        response.data = _encode(create(new.name, new.age))


async def _refuse(request: Any, response: Any, error: Exception, params: Any) -> None:
    response.status = 422
    response.data = _encode({"detail": str(error)})


app = App()
app.add_error_handler(msgspec.ValidationError, _refuse)
app.add_route("/user/{id:int}", _User())
app.add_route("/user", _Users())

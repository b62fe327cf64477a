"""An application on Robyn; msgspec checks the body and encodes the results. Argument: port."""

from __future__ import annotations

import sys
from typing import Any

import msgspec
from robyn import Headers, Response, Robyn

from bench.servers import data
from bench.servers.data import NewUser

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(NewUser).decode
_HEADERS = Headers({"content-type": "application/json"})

app = Robyn(__file__)


@app.get("/user/:id")
async def show(request: Any) -> Response:
    """One user."""
    return Response(200, _HEADERS, _encode(data.show(int(request.path_params["id"]))))


@app.post("/user")
async def create(request: Any) -> Response:
    """Create a user."""
    try:
        new = _decode(request.body)
    except msgspec.ValidationError as error:
        return Response(422, _HEADERS, _encode({"detail": str(error)}))
    return Response(200, _HEADERS, _encode(data.create(new.name, new.age)))


if __name__ == "__main__":
    app.start(host="127.0.0.1", port=int(sys.argv[1]))

"""An application on BlackSheep, for uvicorn; msgspec checks the body and encodes the results."""

from __future__ import annotations

import msgspec
from blacksheep import Application, Content, Request, Response

from bench.servers import data
from bench.servers.data import NewUser

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(NewUser).decode

app = Application(show_error_details=False)


@app.router.get("/user/{id}")
async def show(id: int) -> Response:
    """One user."""
    return _json(200, data.show(id))


@app.router.post("/user")
async def create(request: Request) -> Response:
    """Create a user."""
    new = _decode(await request.read())
    return _json(200, data.create(new.name, new.age))


@app.exception_handler(msgspec.ValidationError)
async def refuse(app: Application, request: Request, error: Exception) -> Response:
    """Answer a body that does not pass the checks."""
    return _json(422, {"detail": str(error)})


def _json(status: int, content: object) -> Response:
    return Response(status, None, Content(b"application/json", _encode(content)))

"""An application on Starlette, for uvicorn; ``BENCH_ROUTES`` is the number of additional routes."""

from __future__ import annotations

import os

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bench.servers.data import NewUser, create, show

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(NewUser).decode


class _Json(Response):
    """What Starlette's documentation advises: its own response class, with a faster encoder."""

    media_type = "application/json"

    def render(self, content: object) -> bytes:
        return _encode(content)


async def _show(request: Request) -> Response:
    return _Json(show(request.path_params["id"]))


async def _create(request: Request) -> Response:
    new = _decode(await request.body())
    return _Json(create(new.name, new.age))


async def _refuse(request: Request, error: Exception) -> Response:
    return _Json({"detail": str(error)}, 422)


async def _echo(request: Request) -> Response:
    data = await request.json()
    return _Json({"text": data["text"]})


_COUNT = int(os.environ.get("BENCH_ROUTES", "0"))

app = Starlette(
    routes=[Route(f"/r{number}/{{id:int}}", _show) for number in range(_COUNT)]
    + [
        Route("/user/{id:int}", _show),
        Route("/user", _create, methods=["POST"]),
        Route("/echo", _echo, methods=["POST"]),
    ],
    exception_handlers={msgspec.ValidationError: _refuse},
)

"""An application on Starlette, for uvicorn; ``BENCH_ROUTES`` is the number of additional routes."""

from __future__ import annotations

import os

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from bench.servers.data import show


async def _show(request: Request) -> JSONResponse:
    return JSONResponse(show(request.path_params["id"]))


async def _echo(request: Request) -> JSONResponse:
    data = await request.json()
    return JSONResponse({"text": data["text"]})


_COUNT = int(os.environ.get("BENCH_ROUTES", "0"))

app = Starlette(
    routes=[Route(f"/r{number}/{{id:int}}", _show) for number in range(_COUNT)]
    + [Route("/user/{id:int}", _show), Route("/echo", _echo, methods=["POST"])]
)

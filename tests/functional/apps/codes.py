"""An application with all kinds of errors."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator
from typing import Annotated

from msgspec import Meta, Struct
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from unixsvc import (
    GET,
    POST,
    WEBSOCKET,
    App,
    BadGateway,
    Conflict,
    Forbidden,
    Gone,
    Group,
    RateLimited,
    Request,
    Response,
    WebSocket,
)  # fmt: skip

SECRET = "the secret of the inside"


class Item(Struct, forbid_unknown_fields=True):
    """The data of a request."""

    name: Annotated[str, Meta(min_length=1)]
    price: float


class Codes:
    """One action for each code that an action can cause."""

    def __init__(self, reactor: IReactorTime) -> None:
        self._reactor = reactor

    async def show(self, id: int) -> dict[str, int]:
        """Return an item."""
        return {"id": id}

    async def create(self, item: Item) -> Item:
        """Return the data."""
        return item

    async def fail(self) -> None:
        """Raise an exception whose message must not reach the client."""
        raise RuntimeError(SECRET)

    async def forbidden(self) -> None:
        """403."""
        raise Forbidden("not this one")

    async def conflict(self) -> None:
        """409."""
        raise Conflict("it is there")

    async def chat(self, socket: WebSocket[str, str]) -> None:
        """Take no message."""

    async def gone(self) -> None:
        """410."""
        raise Gone("it was there")

    async def limited(self) -> None:
        """429."""
        raise RateLimited(2.5)

    async def gateway(self) -> None:
        """502."""
        raise BadGateway("nonsense")

    async def wait(self, seconds: float = 60.0) -> float:
        """Wait for a while."""
        await deferLater(self._reactor, seconds)
        return seconds

    async def wait_for_file(self, path: str) -> str:
        """Wait until a file exists."""
        while not os.path.exists(path):
            await deferLater(self._reactor, 0.05)
        return path

    def block(self, seconds: float = 60.0) -> float:
        """Block a thread for a while."""
        time.sleep(seconds)
        return seconds

    async def never(self) -> None:
        """Wait forever."""
        await Deferred()

    async def large(self, size: int) -> str:
        """Return this many letters."""
        return "x" * size

    async def spawn(self) -> int:
        """Leave a child process behind, which inherits the file descriptors."""
        return os.system("sleep 20 &")  # noqa: S605

    def environment(self) -> dict[str, str]:
        """The environment of this process."""
        return dict(os.environ)

    async def headed(self) -> Response[bytes]:
        """Return bytes with a status and a header."""
        return Response(b"\xff", 202, {"X-A": "b"})

    async def headed_rows(self) -> Response[AsyncIterator[bytes]]:
        """Return a stream of bytes with a header."""

        async def rows() -> AsyncIterator[bytes]:
            yield b"\xff"
            yield b""

        return Response(rows(), headers={"X-A": "b"})

    async def peer(self, request: Request) -> dict[str, int | None]:
        """The uid of the caller and the pid of the worker."""
        return {"uid": request.peer.uid, "pid": request.peer.pid, "worker": os.getpid()}


app = App(
    [
        Group(
            "",
            Codes,
            [
                GET("/item/{id:int}", Codes.show),
                POST("/item", Codes.create),
                GET("/fail", Codes.fail),
                GET("/headed", Codes.headed, media_types=["image/png"]),
                GET("/headed-rows", Codes.headed_rows, media_types=["text/csv"]),
                GET("/forbidden", Codes.forbidden),
                GET("/conflict", Codes.conflict),
                WEBSOCKET("/chat", Codes.chat),
                GET("/gone", Codes.gone),
                GET("/limited", Codes.limited),
                GET("/gateway", Codes.gateway),
                GET("/wait", Codes.wait),
                GET("/wait-for-file", Codes.wait_for_file),
                GET("/block", Codes.block, blocking=True),
                GET("/never", Codes.never),
                GET("/spawn", Codes.spawn),
                GET("/large/{size:int}", Codes.large),
                GET("/peer", Codes.peer),
                GET("/environment", Codes.environment),
            ],
        )
    ]
)

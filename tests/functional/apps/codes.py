"""An application that can be made to fail in every way."""

from __future__ import annotations

import os
import time
from typing import Annotated

from msgspec import Meta, Struct
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from unixsvc import GET, POST, App, BadGateway, Conflict, Forbidden, Gone, Group, RateLimited, Request

SECRET = "the secret of the inside"


class Item(Struct, forbid_unknown_fields=True):
    """What is sent in."""

    name: Annotated[str, Meta(min_length=1)]
    price: float


class Codes:
    """One action for each code that an action can bring about."""

    def __init__(self, reactor: IReactorTime) -> None:
        self._reactor = reactor

    async def show(self, id: int) -> dict[str, int]:
        """Nothing special."""
        return {"id": id}

    async def create(self, item: Item) -> Item:
        """What was sent in."""
        return item

    async def fail(self) -> None:
        """Fail with words that must not get out."""
        raise RuntimeError(SECRET)

    async def forbidden(self) -> None:
        """403."""
        raise Forbidden("not this one")

    async def conflict(self) -> None:
        """409."""
        raise Conflict("it is there")

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
        """Take some time."""
        await deferLater(self._reactor, seconds)
        return seconds

    def block(self, seconds: float = 60.0) -> float:
        """Take some time of a thread."""
        time.sleep(seconds)
        return seconds

    async def never(self) -> None:
        """Wait for what does not come."""
        await Deferred()

    async def large(self, size: int) -> str:
        """Give so many letters."""
        return "x" * size

    async def spawn(self) -> int:
        """Leave a process behind, which has whatever it inherits."""
        return os.system("sleep 20 &")  # noqa: S605

    def environment(self) -> dict[str, str]:
        """What this process finds there."""
        return dict(os.environ)

    async def peer(self, request: Request) -> dict[str, int | None]:
        """Who asks, and who answers."""
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
                GET("/forbidden", Codes.forbidden),
                GET("/conflict", Codes.conflict),
                GET("/gone", Codes.gone),
                GET("/limited", Codes.limited),
                GET("/gateway", Codes.gateway),
                GET("/wait", Codes.wait),
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

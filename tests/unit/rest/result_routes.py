"""An application with further results, and some that cannot be sent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Final

import svcs
from msgspec import Struct

from unixsvc import (
    GET,
    POST,
    App,
    Created,
    Event,
    Group,
    NotFound,
    RateLimited,
    Redirect,
    Request,
    Response,
    Returns,
    ServiceContext,
)  # fmt: skip

__all__ = ["RESULTS"]


class Item(Struct):
    """A value."""

    id: int


def cached() -> Response[Item]:
    """A result with an ETag and a Cache-Control of its own."""
    return Response(Item(7), headers={"ETag": '"v1"', "Cache-Control": "public, max-age=60"})


def weak() -> Response[str]:
    """A text with a weak ETag."""
    return Response("a" * 99, headers={"ETag": 'W/"v1"'})


def long_text() -> str:
    """A text that is compressed."""
    return "a" * 9999


def long_picture() -> bytes:
    """An image, as long."""
    return b"a" * 9999


def page() -> Response[str]:
    """A page with a policy of its own."""
    return Response("<p>", headers={"Content-Security-Policy": "default-src 'self'"})


def limited(request: Request) -> None:
    """An error with headers."""
    error = RateLimited(3)
    error.headers = (("Retry-After", "9"), ("RateLimit-Remaining", "0"))
    request.add_reply_header("X-Added", "1")
    raise error


def missing() -> Response[None]:
    """An error with a header that cannot be sent."""
    error = NotFound("no such thing")
    error.headers = (("X-A", "b\r\nX-Evil: 1"),)
    raise error


def wrong_status() -> Annotated[Response[Item], Returns(status=202)]:
    """A status that is not the declared one."""
    return Response(Item(7), 200)


def wrong_type() -> Response[bytes]:
    """A media type that the route does not declare."""
    return Response(b"a", media_type="text/html")


def not_bytes() -> bytes:
    """A result of another type than declared."""
    return "text"  # type: ignore[return-value]  # that is what is wrong with it


def injected(name: str, value: str) -> Response[None]:
    """Any header."""
    return Response(None, headers={name: value})


def led_astray(target: str) -> Redirect:
    """Any target."""
    return Redirect(target)


async def added(request: Request) -> AsyncIterator[int]:
    """A stream that adds a header."""
    request.add_reply_header("X-Added", "1")
    yield 7


async def broken() -> AsyncIterator[bytes]:
    """Bytes that end with an error."""
    yield b"a"
    raise NotFound


async def texts() -> AsyncIterator[str]:
    """A stream of text."""
    yield "é"
    yield "\n"


async def events() -> Response[AsyncIterator[Event[str]]]:
    """Events as text, with a header."""

    async def items() -> AsyncIterator[Event[str]]:
        yield Event("one\ntwo", text=True, event="note")

    return Response(items(), headers={"X-A": "b"})


def created_elsewhere(request: Request) -> Created[Item]:
    """A Created with a further header."""
    request.add_reply_header("X-Added", "1")
    return Created(Item(7), "/more/made/7")


def contained(container: svcs.Container) -> Response[Item]:
    """A result with a container, and a header."""
    return Response(Item(container.get(int)), headers={"X-A": "b"})


async def contained_bytes(container: svcs.Container) -> Response[bytes] | Redirect:
    """Bytes with a container."""
    return Response(b"%d" % container.get(int))


def register(registry: svcs.Registry, context: ServiceContext) -> None:
    """Register what the container has."""
    registry.register_value(int, 7)


RESULTS: Final = App(
    [
        Group(
            "/more",
            None,
            [
                GET("/cached", cached),
                GET("/weak", weak, media_types=["text/plain"]),
                GET("/text", long_text, media_types=["text/plain"]),
                GET("/picture", long_picture, media_types=["image/png"]),
                GET("/page", page, media_types=["text/html"]),
                GET("/limited", limited),
                GET("/missing", missing),
                GET("/status", wrong_status),
                GET("/type", wrong_type, media_types=["text/csv"]),
                GET("/bytes", not_bytes),
                POST("/injected", injected),
                POST("/astray", led_astray),
                GET("/added", added),
                GET("/broken", broken),
                GET("/texts", texts, media_types=["text/plain"]),
                GET("/events", events),
                POST("/made", created_elsewhere),
                GET("/contained", contained),
                GET("/contained-bytes", contained_bytes),
            ],
        )
    ],
    container=register,
)

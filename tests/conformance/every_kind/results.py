"""Routes with every kind of result: status, headers, cookies, redirects, other media types, events."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Final

from msgspec import Meta, Struct

from unixsvc import (
    DELETE,
    GET,
    POST,
    Created,
    Event,
    Group,
    LastEventId,
    NotFound,
    Redirect,
    Response,
    Returns,
    Route,
    SetCookie,
)

__all__ = ["ROUTES"]

Id = Annotated[int, Meta(ge=1, le=99)]


class Item(Struct):
    """A thing with a number."""

    id: int
    name: str = "Pen"


async def accept(
    name: Annotated[str, Meta(min_length=1, max_length=20)],
) -> Annotated[Item, Returns(status=202)]:
    """Answer with a status of the route's own."""
    return Item(7, name)


async def total(
    limit: Annotated[int, Meta(ge=0, le=9)] = 3,
) -> Annotated[Response[list[Item]], Returns(status=200, headers={"X-Total": "How many there are."})]:
    """Answer with a header field."""
    return Response([Item(each + 1) for each in range(limit)], headers={"X-Total": "9"})


async def log_in(name: Annotated[str, Meta(min_length=1, max_length=20)]) -> Response[Item]:
    """Set a cookie."""
    return Response(Item(len(name)), cookies=[SetCookie("__Host-session", "abc", max_age=3600)])


async def log_out() -> Annotated[Response[None], Returns(status=204)]:
    """Drop a cookie."""
    return Response(None, cookies=[SetCookie.delete("__Host-session")])


async def create(name: Annotated[str, Meta(min_length=1, max_length=20)]) -> Response[Created[Item]]:
    """Create an item, with a header field."""
    return Response(Created(Item(7, name), "/results/items/7"), headers={"X-Version": "1"})


async def move(id: Id) -> Annotated[Redirect, Returns(status=307)]:
    """Lead to another path."""
    return Redirect(f"/results/items/{id}")


async def maybe(id: Id) -> Response[Item] | Redirect | None:
    """Answer, lead elsewhere, or have nothing."""
    if id > 50:
        return Redirect("/results/items/1")
    return Response(Item(id)) if id > 25 else None


async def show(id: Id) -> Item:
    """Show an item."""
    if id > 50:
        raise NotFound
    return Item(id)


async def picture(id: Id) -> bytes:
    """Answer with bytes."""
    return b"\x89PNG" + bytes([id])


async def table(id: Id) -> Response[bytes]:
    """Answer with bytes that are to be saved as a file."""
    return Response(b"id\n%d\n" % id, headers={"Content-Disposition": 'attachment; filename="items.csv"'})


async def page(id: Id) -> str:
    """Answer with a page."""
    return f"<!doctype html><title>Item {id}</title>"


async def export(count: Annotated[int, Meta(ge=0, le=99)] = 3) -> AsyncIterator[bytes]:
    """Send bytes as they are made."""
    for number in range(count):
        yield b"%d\n" % number


async def download(count: Annotated[int, Meta(ge=0, le=99)] = 3) -> Response[AsyncIterator[bytes]]:
    """Send bytes as they are made, with header fields."""
    return Response(export(count), headers={"Content-Disposition": 'attachment; filename="numbers.csv"'})


async def ticks(
    last: Annotated[str | None, LastEventId()], count: Annotated[int, Meta(ge=0, le=99)] = 3
) -> AsyncIterator[Event[Item]]:
    """Send events, from the one after the last that the client has seen."""
    start = int(last) + 1 if last and last.isascii() and last.isdigit() and len(last) < 9 else 0
    for number in range(start, start + count):
        yield Event(Item(number), id=str(number), event="tick", retry=1000)


ROUTES: Final[Sequence[Group | Route]] = [
    Group(
        "/results",
        None,
        [
            POST("/accepted", accept, public=True),
            GET("/items", total, public=True),
            GET("/items/{id:int}", show, public=True, errors=[NotFound]),
            POST("/items", create, public=True),
            POST("/session", log_in, public=True),
            DELETE("/session", log_out, public=True),
            GET("/moved/{id:int}", move, public=True),
            GET("/maybe/{id:int}", maybe, public=True),
            GET("/picture/{id:int}", picture, public=True, media_types=["image/png"]),
            GET("/table/{id:int}", table, public=True, media_types=["text/csv"]),
            GET("/page/{id:int}", page, public=True, media_types=["text/html"]),
            GET("/export", export, public=True, media_types=["text/csv"]),
            GET("/download", download, public=True, media_types=["text/csv"]),
            GET("/ticks", ticks, public=True),
        ],
    )
]

"""Results with status, headers, cookies and media types."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, assert_type

from msgspec import Struct

from unixsvc import GET, App, Created, Event, LastEventId, Redirect, Response, Returns, SetCookie


class Item(Struct):
    """A value."""

    id: int


class Special(Item):
    """Another one."""

    name: str = ""


def plain() -> Response[Item]:
    response = Response(Special(7), headers={"X-A": "b"}, cookies=[SetCookie("a", "b", same_site="Strict")])
    assert_type(response.header("x-a"), str | None)
    return response


def made() -> Response[Created[Item]]:
    return Response(Created(Item(7), "/x"))


def maybe() -> Response[Item] | Redirect | None:
    return Redirect("/x", cookies=[SetCookie.delete("a")])


def accepted() -> Annotated[Item, Returns(status=202)]:
    return Item(7)


def both() -> Annotated[Response[list[Item]], Returns(headers={"X-Total": "All of them."})]:
    return Response([Item(7)], 201)


async def rows() -> AsyncIterator[bytes]:
    yield b""


async def download() -> Response[AsyncIterator[bytes]]:
    return Response(rows())


async def ticks(last: Annotated[str | None, LastEventId()]) -> AsyncIterator[Event[Item]]:
    yield Event(Special(7), id=last)


def wrong() -> Response[Item]:
    SetCookie("a", "b", same_site="lax")  # error: same_site
    Response(7, headers={"X-A": 1})  # error: int
    return Response("text")  # error: str


app = App([GET("/a", plain, media_types=["application/hal+json"]), GET("/b", maybe), GET("/c", ticks)])
